"""A two-stage rival of the compact network's heads on the same backbone and neck, for ``compare_heads.py``.

It exists to be compared with and is no part of the package. The design is Mask R-CNN's (arXiv:1703.06870): proposals
from a class-blind head at every point, features of each proposal by RoIAlign, then classes, a better box and a mask.
"""

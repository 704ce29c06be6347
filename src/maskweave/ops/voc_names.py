"""The class names of PASCAL VOC: "background" and 20 others, in the order of their ids.

Source: M. Everingham et al., http://host.robots.ox.ac.uk/pascal/VOC/voc2012/segexamples/index.html.
"""

from __future__ import annotations

VOC_NAMES: tuple[str, ...] = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip

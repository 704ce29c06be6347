"""Refine soft masks of a frame with the guide, each in its own window of the image."""

from __future__ import annotations

from maskweave.models.base import Guide
from maskweave.ops.iou import dense_iou
from maskweave.types.arrays import FloatArray, Image

_SAME_OBJECT = 0.4
"""IoU with the mask that was shown from which on the guide's answer is still that object."""


def blend_guided(
    guide: Guide, image: Image, small: FloatArray, full: FloatArray, *, kept: float, shown: float
) -> tuple[FloatArray, FloatArray]:
    """Blend masks with what the guide makes of them.

    Args:
        guide: The network that looks.
        image: (H, W, 3) uint8 RGB.
        small: (K, h, w) soft masks of the frame, reduced: what the guide is shown.
        full: (K, H, W) the same masks at the frame's size.
        kept: Share of the guide's answer in the reduced masks, from which the next frame's are made.
        shown: Share of it in the masks of the frame's size.

    Returns:
        Both masks again. One of which the guide makes another object, or nothing, stays as it is.
    """
    small, full, size = small.copy(), full.copy(), image.shape[:2]
    for row, answer in enumerate(guide.refine_masks(image, small)):
        if answer is None:
            continue
        drawn = answer.probs_on(small.shape[1:], size)
        if dense_iou(drawn > 0.5, small[row] > 0.5) < _SAME_OBJECT:
            continue
        small[row] += kept * (drawn - small[row])
        full[row] += shown * (answer.probs_on(size, size) - full[row])
    return small, full

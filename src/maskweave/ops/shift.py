"""Masks moved by whole pixels."""

from __future__ import annotations

from maskweave.errors import InvalidValue
from maskweave.types.arrays import IntArray
from maskweave.types.masks import Masks


def shift_masks(masks: Masks, offsets: IntArray) -> Masks:
    """Move each of N masks by its (x, y) of ``offsets`` (N, 2); what leaves the image is cut off.

    Raises `InvalidValue` for offsets of another shape or that are no integers.
    """
    if offsets.shape != (len(masks), 2) or offsets.dtype.kind != "i":
        raise InvalidValue(f"offsets: need ({len(masks)}, 2) integers, got {offsets.shape} {offsets.dtype}")
    height, width = masks.size
    corners = masks.corners + offsets
    ends = corners + [crop.shape[::-1] for crop in masks.crops] if len(masks) else corners
    if (corners >= 0).all() and (ends <= (width, height)).all():
        return Masks.of_tight(masks.crops, corners, masks.size)
    cut = [
        crop[max(0, -y) : max(0, height - y), max(0, -x) : max(0, width - x)]
        for crop, (x, y) in zip(masks.crops, corners.tolist(), strict=True)
    ]
    return Masks(cut, corners.clip(0), masks.size)

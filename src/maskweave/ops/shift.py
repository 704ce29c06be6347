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
    crops, corners = [], []
    for crop, (x, y) in zip(masks.crops, (masks.corners + offsets).tolist(), strict=True):
        if x >= 0 and y >= 0 and x + crop.shape[1] <= width and y + crop.shape[0] <= height:
            crops.append(crop)
            corners.append((x, y))
        else:
            crops.append(crop[max(0, -y) : max(0, height - y), max(0, -x) : max(0, width - x)])
            corners.append((max(0, x), max(0, y)))
    return Masks(crops, corners, masks.size)

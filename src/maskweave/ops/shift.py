"""Shift masks by whole pixels."""

from __future__ import annotations

import numpy as np

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
    corners = masks.corners + np.where(masks.areas[:, None] > 0, offsets, 0)  # what is empty lies nowhere
    crops = list(masks.crops)
    ends = corners + np.array([crop.shape[::-1] for crop in crops], np.int64).reshape(-1, 2)
    over = np.flatnonzero((corners < 0).any(axis=1) | (ends > (width, height)).any(axis=1))
    for row in over.tolist():
        x, y = corners[row].tolist()
        part = crops[row][max(0, -y) : max(0, height - y), max(0, -x) : max(0, width - x)]
        cut = Masks([part], corners[row : row + 1].clip(0), masks.size)
        crops[row], corners[row] = cut.crops[0], cut.corners[0]
    return Masks.of_tight(crops, corners, masks.size)

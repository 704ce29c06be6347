"""Unite several masks into one."""

from __future__ import annotations

import numpy as np

from maskweave.types.masks import Masks


def unite(masks: Masks) -> Masks:
    """One object, `Masks` of length 1, with the pixels of all; without pixels where there are none.

    >>> parts = Masks([np.ones((1, 2), dtype=bool)] * 2, [(0, 0), (3, 1)], (4, 6))
    >>> unite(parts).boxes.tolist(), unite(parts).areas.tolist()
    ([[0.0, 0.0, 5.0, 2.0]], [4])
    """
    seen = [row for row, crop in enumerate(masks.crops) if crop.size]
    if len(seen) == 1:
        return masks[seen]
    if not seen:
        return Masks([np.zeros((0, 0), dtype=bool)], [(0, 0)], masks.size)
    boxes = masks.boxes[seen].astype(np.int64)
    (left, top), (right, bottom) = boxes[:, :2].min(axis=0).tolist(), boxes[:, 2:].max(axis=0).tolist()
    whole = np.zeros((bottom - top, right - left), dtype=bool)
    for row in seen:
        crop, (x, y) = masks.crops[row], masks.corners[row].tolist()
        whole[y - top : y - top + crop.shape[0], x - left : x - left + crop.shape[1]] |= crop
    return Masks([whole], [(left, top)], masks.size)

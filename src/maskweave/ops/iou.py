"""Overlap of compact masks, computed on the crops alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue
from maskweave.ops.boxes import box_intersections
from maskweave.types.arrays import FloatArray, Mask
from maskweave.types.masks import Masks


def mask_intersections(first: Masks, second: Masks) -> NDArray[np.int64]:
    """(N, M) number of pixels shared by each of N masks with each of M, of images of one size."""
    if first.size != second.size:
        raise InvalidValue(f"masks: need one image size, got {first.size} and {second.size}")
    shared = np.zeros((len(first), len(second)), dtype=np.int64)
    meeting = box_intersections(first.boxes, second.boxes) > 0
    placed_first, placed_second = list(first.placed()), list(second.placed())
    for row, column in np.argwhere(meeting).tolist():
        shared[row, column] = _shared_pixels(*placed_first[row], *placed_second[column])
    return shared


def mask_iou(first: Masks, second: Masks) -> FloatArray:
    """(N, M) intersection over union of masks; 0 where both are empty."""
    shared = mask_intersections(first, second)
    union = first.areas[:, None] + second.areas[None] - shared
    iou: FloatArray = np.divide(shared, union, out=np.zeros(shared.shape), where=union > 0)
    return iou


def mask_containment(inner: Masks, outer: Masks) -> FloatArray:
    """(N, M) share of each of N masks that lies inside each of M; 0 for a mask without pixels."""
    shared = mask_intersections(inner, outer)
    areas = np.broadcast_to(inner.areas[:, None], shared.shape)
    share: FloatArray = np.divide(shared, areas, out=np.zeros(shared.shape), where=areas > 0)
    return share


def _shared_pixels(a: Mask, ax: int, ay: int, b: Mask, bx: int, by: int) -> int:
    left, right = max(ax, bx), min(ax + a.shape[1], bx + b.shape[1])
    top, bottom = max(ay, by), min(ay + a.shape[0], by + b.shape[0])
    return int(
        np.count_nonzero(
            a[top - ay : bottom - ay, left - ax : right - ax]
            & b[top - by : bottom - by, left - bx : right - bx]
        )
    )

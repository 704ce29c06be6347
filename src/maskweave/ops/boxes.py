"""Functions on boxes: (N, 4) float, x1 y1 x2 y2, end excluded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue
from maskweave.types.arrays import FloatArray, IntArray, Size


def box_areas(boxes: FloatArray) -> FloatArray:
    """(N,) areas in square pixels."""
    areas: FloatArray = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return areas


def box_intersections(first: FloatArray, second: FloatArray) -> FloatArray:
    """(N, M) areas shared by each of N boxes with each of M."""
    sides_a, sides_b = first.T[:, :, None], np.ascontiguousarray(second.T)[:, None]
    areas: FloatArray = _shared_sides(sides_a[0::2], sides_b[0::2])
    areas *= _shared_sides(sides_a[1::2], sides_b[1::2])
    return areas


def _shared_sides(first: FloatArray, second: FloatArray) -> FloatArray:
    """(N, M) lengths that sides from ``first[0]`` to ``first[1]``, (2, N, 1), share with ``second``, (2, 1, M)."""
    sides: FloatArray = np.minimum(first[1], second[1])
    sides -= np.maximum(first[0], second[0])
    return np.maximum(sides, 0, out=sides)


def box_iou(first: FloatArray, second: FloatArray) -> FloatArray:
    """(N, M) intersection over union; 0 where both boxes are empty."""
    shared = box_intersections(first, second)
    union = box_areas(first)[:, None] + box_areas(second)[None] - shared
    iou: FloatArray = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return iou


def corners_of(centered: FloatArray) -> FloatArray:
    """(N, 4) xyxy of (N, 4) boxes given as center x, center y, width, height; float64."""
    centers = np.asarray(centered[:, :2], np.float64)
    halves = np.asarray(centered[:, 2:], np.float64) / 2
    with np.errstate(invalid="ignore"):  # infinity less infinity is no number, which `usable_boxes` finds
        return np.concatenate([centers - halves, centers + halves], axis=1)


def clip_boxes(boxes: FloatArray, size: Size) -> FloatArray:
    """Cut boxes at the edges of an image of ``size`` (height, width)."""
    limits = np.array([size[1], size[0]] * 2, dtype=boxes.dtype)
    return np.clip(boxes, 0, limits)


def usable_boxes(boxes: FloatArray, scores: FloatArray) -> NDArray[np.bool_]:
    """(N,) True where a network's box has an area and finite corners, and its score is a finite number.

    Networks give NaN and infinity where their weights or their arithmetic break down.

    >>> usable_boxes(np.array([[0, 0, 2, 2], [0, 0, np.nan, 2], [3, 0, 3, 2]]), np.array([0.5, 0.5, 0.5]))
    array([ True, False, False])
    """
    with np.errstate(invalid="ignore"):
        areas = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    usable: NDArray[np.bool_] = areas & np.isfinite(boxes).all(axis=1) & np.isfinite(scores)
    return usable


def check_nms_iou(value: float) -> float:
    """Return the overlap above which boxes are suppressed; raise `InvalidValue` when it is not in [0, 1]."""
    if not 0 <= value <= 1:
        raise InvalidValue(f"nms_iou: need a number in [0, 1], got {value}")
    return float(value)


def non_maximum_suppression(
    boxes: FloatArray, scores: FloatArray, class_ids: IntArray, *, iou: float
) -> NDArray[np.int64]:
    """Rows to keep, best score first: greedy, each class apart.

    A box is dropped when it overlaps a better box of its class by more than ``iou``. Ties keep input order.
    """
    order = np.argsort(-scores, kind="stable")
    overlap = box_iou(boxes[order], boxes[order]) > iou
    overlap &= class_ids[order][:, None] == class_ids[order][None]
    alive = np.ones(len(order), dtype=bool)
    for row in range(len(order)):
        if alive[row]:
            alive[row + 1 :] &= ~overlap[row, row + 1 :]
    return order[alive]

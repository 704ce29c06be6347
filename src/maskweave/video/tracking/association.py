"""Associate the objects of a frame with tracks."""

from __future__ import annotations

from dataclasses import dataclass

import lap
import numpy as np
from numpy.typing import NDArray

from maskweave.ops.boxes import box_areas, box_intersections
from maskweave.ops.iou import mask_intersections
from maskweave.types.arrays import FloatArray, IntArray
from maskweave.types.masks import Masks
from maskweave.video.tracking.appearance import affinity

_CONFIDENT = (0.55, 0.25, 0.2)  # weights of masks, boxes, colors for a track seen just before
_UNSURE = (0.2, 0.45, 0.35)  # and for one that was hidden, or whose speed is not known
_MARGIN, _WIDE_MARGIN = 0.1, 0.5  # of a box's sides
_OTHER_CLASS = 0.85


@dataclass(frozen=True)
class Side:
    """What is known of K tracks, or of K objects of a frame: masks, boxes xyxy, descriptors, classes."""

    masks: Masks
    boxes: FloatArray
    appearances: FloatArray
    class_ids: IntArray


def similarity(tracks: Side, objects: Side, *, unsure: NDArray[np.bool_]) -> FloatArray:
    """(T, N) in 0..1: how much each of N objects is like each of T tracks; 0 where boxes do not meet.

    Tracks are where they are expected. ``unsure`` (T,) are those for which that is a guess: masks count less and
    boxes are widened, after Yang et al., "Hard to Track Objects with Irregular Motions and Similar Appearances?",
    WACV 2023. Overlap is half IoU and half the share of the object that lies in the track where their colors agree:
    what goes into hiding and comes out of it shows a part of itself.
    """
    colors = affinity(tracks.appearances, objects.appearances)
    shared = mask_intersections(tracks.masks, objects.masks).astype(np.float64)
    areas = tracks.masks.areas[:, None].astype(np.float64), objects.masks.areas[None].astype(np.float64)
    masks = _overlap(shared, *areas, colors)
    margins = np.where(unsure, _WIDE_MARGIN, _MARGIN)[:, None]
    wide = _widened(tracks.boxes, margins)
    boxes = _overlap(
        box_intersections(wide, objects.boxes),
        box_areas(wide)[:, None],
        box_areas(objects.boxes)[None],
        colors,
    )
    weights = np.where(unsure[:, None], _UNSURE, _CONFIDENT)
    total = weights[:, :1] * masks + weights[:, 1:2] * boxes + weights[:, 2:] * colors
    total *= np.where(tracks.class_ids[:, None] == objects.class_ids[None], 1.0, _OTHER_CLASS)
    return np.where(boxes > 0, total, 0.0)


def assign(matrix: FloatArray, *, min_similarity: float) -> NDArray[np.int64]:
    """(K, 2) pairs of row and column that make the sum of similarity largest, none of them under ``min_similarity``.

    Jonker-Volgenant by the library lap.
    """
    if 0 in matrix.shape or matrix.max() < min_similarity:
        return np.zeros((0, 2), np.int64)
    cost = np.where(matrix >= min_similarity, 1 - matrix, 1e3)
    _, columns, _ = lap.lapjv(cost, extend_cost=True, cost_limit=1 - min_similarity + 1e-9)
    rows = np.flatnonzero(columns >= 0)
    return np.stack([rows, columns[rows]], axis=1).astype(np.int64)


def _overlap(shared: FloatArray, first: FloatArray, second: FloatArray, colors: FloatArray) -> FloatArray:
    iou = shared / np.maximum(first + second - shared, 1)
    contained: FloatArray = shared / np.maximum(second, 1)
    return (iou + contained * colors) / 2


def _widened(boxes: FloatArray, margins: FloatArray) -> FloatArray:
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2) * margins
    widened: FloatArray = boxes + sides * (-1, -1, 1, 1)
    return widened

"""Match predictions to ground truth as COCO does, and make precision-recall curves.

Source: the COCO API, ``PythonAPI/pycocotools/cocoeval.py`` (``evaluateImg``, ``accumulate``),
https://github.com/cocodataset/cocoapi.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from maskweave.types.arrays import FloatArray, IntArray

THRESHOLDS: FloatArray = np.linspace(0.5, 0.95, 10)
"""COCO's ten IoU thresholds."""
RECALLS: FloatArray = np.linspace(0.0, 1.0, 101)
"""The recalls at which precision is looked up."""


def match(overlap: FloatArray, crowd: NDArray[np.bool_], threshold: float) -> NDArray[np.int64]:
    """(N,) the true object that each of N predictions takes, -1 for none.

    Predictions choose in turn: each the free object that it overlaps most, by at least ``threshold``, else a crowd,
    of which any number may be part.

    Args:
        overlap: (N, M) of predictions, best score first, with objects: IoU, or the share of the prediction that
            lies inside where the object is a crowd.
        crowd: (M,) True for a region of uncounted objects.
        threshold: Least overlap.
    """
    matched = np.full(len(overlap), -1, dtype=np.int64)
    min_overlap = min(threshold, 1 - 1e-10)
    free = ~crowd
    for row in np.flatnonzero((overlap >= min_overlap).any(axis=1)):
        for allowed in (free, crowd):
            near = np.flatnonzero(allowed & (overlap[row] >= min_overlap))
            if len(near):
                best = near[::-1][np.argmax(overlap[row, near[::-1]])]  # the last of equals, as in the API
                matched[row] = best
                free[best] = False
                break
    return matched


def percent(part: FloatArray | IntArray, whole: FloatArray | IntArray) -> FloatArray:
    """Shares in 0..100; NaN where the whole is nothing."""
    out: FloatArray = np.divide(part * 100.0, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return out


def best_first(scores: FloatArray) -> NDArray[np.int64]:
    """(N,) rows in order of their scores; equal ones keep their order."""
    return np.argsort(-scores, kind="stable")


def precision_curve(hits: NDArray[np.bool_], objects: int) -> FloatArray:
    """(101,) best precision at each of `RECALLS` or beyond, in 0..1; zeros where there is no object.

    Args:
        hits: (N,) whether each prediction is right, best score first.
        objects: How many there were to be found.
    """
    curve = np.zeros(len(RECALLS))
    if objects <= 0 or not len(hits):
        return curve
    right = np.cumsum(hits)
    precision = right / np.arange(1, len(hits) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    places: IntArray = np.searchsorted(right / objects, RECALLS, side="left")
    reached = places < len(hits)
    curve[reached] = precision[places[reached]]
    return curve

"""Use a network's instances as a cue for an object that is being followed."""

from __future__ import annotations

import numpy as np

from maskweave.types.arrays import FloatArray
from maskweave.types.instances import Instances

MIN_SCORE = 0.15
"""Score from which on an instance is listened to; at `_CONFIDENT` it counts fully."""
_CONFIDENT = 0.5
_MIN_IOU = 0.5
"""Soft IoU with where the object should be up to which an instance is another thing; 0.75 counts fully."""


def instance_cue(found: Instances, expected: FloatArray) -> FloatArray:
    """(h, w) in -1..1: inside and outside of the instance that fits best, by how well it fits and how sure it is.

    ``found``: instances in an image of the size of ``expected``, an (h, w) soft mask of where the object should be.
    Zeros where none fits.
    """
    cue = np.zeros(expected.shape, dtype=np.float32)
    overlaps = _soft_iou(found, expected)
    if not len(overlaps) or overlaps.max() <= _MIN_IOU:
        return cue
    best = int(overlaps.argmax())
    fit = min(1.0, 2 * (overlaps[best] - _MIN_IOU) / (1 - _MIN_IOU))
    weight = fit * min(1.0, float(found.scores[best]) / _CONFIDENT)
    cue -= weight
    for crop, x, y in found.masks[best].placed():
        cue[y : y + crop.shape[0], x : x + crop.shape[1]][crop] = weight
    return cue


def _soft_iou(found: Instances, expected: FloatArray) -> FloatArray:
    """(N,) overlap of N masks with a soft one."""
    whole = float(expected.sum())
    shared = np.array(
        [
            float(expected[y : y + crop.shape[0], x : x + crop.shape[1]][crop].sum())
            for crop, x, y in found.masks.placed()
        ]
    )
    overlaps: FloatArray = shared / np.maximum(whole + found.masks.areas - shared, 1)
    return overlaps

"""What a network's instances say about an object that is being followed."""

from __future__ import annotations

import numpy as np

from maskweave.types.arrays import FloatArray
from maskweave.types.instances import Instances

LEAST_SCORE = 0.15
"""Score from which on an instance is listened to; at `_SURE` it counts fully."""
_SURE = 0.5
_LEAST_IOU = 0.5
"""Soft IoU with where the object should be up to which an instance is another thing; 0.75 counts fully."""


def opinion_of_instances(found: Instances, expected: FloatArray) -> FloatArray:
    """(h, w) in -1..1: inside and outside of the instance that fits best, by how well it fits and how sure it is.

    ``found``: instances in a picture of the size of ``expected``, an (h, w) soft mask of where the object should be.
    Zeros where none fits.
    """
    opinion = np.zeros(expected.shape, dtype=np.float32)
    overlaps = _soft_iou(found, expected)
    if not len(overlaps) or overlaps.max() <= _LEAST_IOU:
        return opinion
    best = int(overlaps.argmax())
    fit = min(1.0, 2 * (overlaps[best] - _LEAST_IOU) / (1 - _LEAST_IOU))
    weight = fit * min(1.0, float(found.scores[best]) / _SURE)
    opinion -= weight
    for crop, x, y in found.masks[best].placed():
        opinion[y : y + crop.shape[0], x : x + crop.shape[1]][crop] = weight
    return opinion


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

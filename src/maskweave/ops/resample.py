"""Resample maps of values or classes to another size; pixel centers lie at one half."""

from __future__ import annotations

import cv2
import numpy as np

from maskweave.types.arrays import FloatArray, IntArray, Size


def resample(values: FloatArray, size: Size) -> FloatArray:
    """Stretch an (h, w) or (h, w, C) map over ``size`` (height, width): float32, of the whole map.

    An axis that becomes longer is interpolated linearly between centers, constant beyond the outermost ones; one that
    becomes shorter is averaged.
    """
    found = np.ascontiguousarray(values, np.float32)
    small = (min(found.shape[0], size[0]), min(found.shape[1], size[1]))
    for step, method in ((small, cv2.INTER_AREA), (size, cv2.INTER_LINEAR)):
        if step != found.shape[:2]:
            found = np.asarray(cv2.resize(found, step[::-1], interpolation=method), np.float32)
    return found


def resample_classes(class_map: IntArray, size: Size) -> IntArray:
    """Stretch an (h, w) map of class ids over ``size`` (height, width): each pixel takes the value at its center."""
    rows, columns = (
        ((np.arange(new) + 0.5) * (old / new)).astype(np.int64)
        for new, old in zip(size, class_map.shape, strict=True)
    )
    found: IntArray = class_map[rows[:, None], columns]
    return found

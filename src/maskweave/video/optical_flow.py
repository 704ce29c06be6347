"""Compute dense motion between two frames, and warp maps along it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from maskweave.types.arrays import FloatArray

_MIN_SIDE = 24
"""Pixels a side under which there is too little to match; such frames count as standing still."""


class DenseFlow:
    """Optical flow by dense inverse search (T. Kroeger et al., ECCV 2016, https://arxiv.org/abs/1603.03590)."""

    def __init__(self) -> None:
        self._engine = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def between(self, now: NDArray[np.uint8], other: NDArray[np.uint8]) -> FloatArray:
        """(h, w, 2) flow: pixel (x, y) of ``now`` is found at (x, y) + flow in ``other``; both (h, w) uint8."""
        if min(now.shape) < _MIN_SIDE:
            return np.zeros((*now.shape, 2), dtype=np.float32)
        start = np.zeros((*now.shape, 2), dtype=np.float32)
        return np.asarray(self._engine.calc(now, other, start), dtype=np.float32)


def warp(values: FloatArray, flow: FloatArray) -> FloatArray:
    """Bring an (h, w) map of the other frame to this one, by the ``flow`` from this frame to that."""
    height, width = values.shape
    x = flow[..., 0] + np.arange(width, dtype=np.float32)
    y = flow[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    moved = cv2.remap(values, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, dtype=np.float32)

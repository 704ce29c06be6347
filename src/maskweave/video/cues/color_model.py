"""Model an object's colors against those around it, as histograms that follow the video."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from maskweave.types.arrays import FloatArray, Image

_BITS = 4
_LEVELS = 1 << _BITS
_BINS = _LEVELS**3
_FLOOR = 2e-4
"""Share of pixels that every color is given on both sides, so that colors never seen say little."""


def color_bins(image: Image) -> NDArray[np.int32]:
    """(h, w) number of each pixel's cell in a CIELAB grid of 16 x 16 x 16."""
    lab = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2LAB)).astype(np.int32) >> (8 - _BITS)
    bins: NDArray[np.int32] = (lab[..., 0] * _LEVELS + lab[..., 1]) * _LEVELS + lab[..., 2]
    return bins


class ColorModel:
    """Two histograms: what is inside the object, and what is not (chiefly near it)."""

    def __init__(self) -> None:
        self._histograms = np.zeros((2, _BINS), dtype=np.float64)
        self._table: FloatArray | None = None

    def add(
        self,
        bins: NDArray[np.int32],
        mask_probs: FloatArray,
        weights: FloatArray,
        *,
        rate: float,
    ) -> None:
        """Learn the `color_bins` of a frame with (h, w) labels in 0..1 and weights; ``rate``: its share."""
        shares = np.stack((mask_probs * weights, (1 - mask_probs) * weights))
        counts: FloatArray = np.stack(
            [np.bincount(bins.ravel(), weights=share.ravel(), minlength=_BINS) for share in shares]
        ).astype(np.float64)
        seen = counts / counts.sum(axis=1, keepdims=True).clip(min=1e-3)
        self._histograms = (1 - rate) * self._histograms + rate * seen
        self._table = None

    def log_ratio(self, bins: NDArray[np.int32]) -> FloatArray:
        """(h, w) log of how much likelier each pixel's color is inside than outside."""
        if self._table is None:
            inside, outside = (_smooth(row) for row in self._histograms)
            self._table = np.log((inside + _FLOOR) / (outside + _FLOOR)).astype(np.float32)
        return self._table[bins]


def _smooth(histogram: FloatArray) -> FloatArray:
    """Spread every bin to its neighbors (1 2 1 along each axis), and make the sum 1."""
    cube = np.pad(histogram.reshape((_LEVELS,) * 3), 1)
    for axis in range(3):
        cube = (np.roll(cube, 1, axis) + 2 * cube + np.roll(cube, -1, axis)) / 4
    inner: FloatArray = cube[1:-1, 1:-1, 1:-1].reshape(-1)
    return inner / max(float(inner.sum()), 1e-9)

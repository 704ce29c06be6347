"""Helpers that foreground and propagation share: standardize samples, and add cues up to a soft mask."""

from __future__ import annotations

import numpy as np

from maskweave.ops.guided_filter import ColorFit, fit_to_colors
from maskweave.types.arrays import FloatArray
from maskweave.video.features import FrameFeatures

RADIUS, _EPSILON = 8, 3e-4
_MIN_PIXELS = 20
"""Reduced pixels under which a mask says nothing."""


class Samples:
    """What a classifier learns from: features, standardized as in the first view, beside colors."""

    def __init__(self, first: FrameFeatures) -> None:
        self._mean = first.features.mean(axis=0)
        self._scale = 1 / (first.features.std(axis=0) + 1e-3)

    def of(self, view: FrameFeatures) -> FloatArray:
        """(cells, features + colors) float."""
        return np.concatenate([(view.features - self._mean) * self._scale, view.colors], axis=1)


def settle(view: FrameFeatures, logits: FloatArray, *, radius: int = RADIUS) -> ColorFit:
    """The soft mask of (h, w) logits, its border where the image has one within ``radius`` reduced pixels."""
    probs = (1 / (1 + np.exp(-logits))).astype(np.float32)
    return fit_to_colors(probs, view.image, radius=radius, epsilon=_EPSILON)


def shows_something(mask: FloatArray) -> bool:
    """Whether more than a few pixels of an (h, w) soft mask are inside."""
    return int(np.count_nonzero(mask > 0.5)) > _MIN_PIXELS

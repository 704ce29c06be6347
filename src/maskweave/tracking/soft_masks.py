"""What foreground and propagation share: standardised samples, and from opinions to a soft mask."""

from __future__ import annotations

import numpy as np

from maskweave.ops.guided_filter import ColourFit, fit_to_colours
from maskweave.tracking.views import View
from maskweave.types.arrays import FloatArray

RADIUS, _EPSILON = 8, 3e-4
_LEAST = 20
"""Reduced pixels under which a mask says nothing."""


class Samples:
    """What a classifier learns from: features, standardised as in the first view, beside colours."""

    def __init__(self, first: View) -> None:
        self._mean = first.features.mean(axis=0)
        self._scale = 1 / (first.features.std(axis=0) + 1e-3)

    def of(self, view: View) -> FloatArray:
        """(cells, features + colours) float."""
        return np.concatenate([(view.features - self._mean) * self._scale, view.colours], axis=1)


def settle(view: View, logits: FloatArray, *, radius: int = RADIUS) -> ColourFit:
    """The soft mask of (h, w) logits, its border where the picture has one within ``radius`` reduced pixels."""
    probs = (1 / (1 + np.exp(-logits))).astype(np.float32)
    return fit_to_colours(probs, view.image, radius=radius, epsilon=_EPSILON)


def shows_something(mask: FloatArray) -> bool:
    """Whether more than a few pixels of an (h, w) soft mask are inside."""
    return int(np.count_nonzero(mask > 0.5)) > _LEAST

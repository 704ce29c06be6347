"""Learn what an object looks like while the video runs, with a linear classifier."""

from __future__ import annotations

import numpy as np

from maskweave.types.arrays import FloatArray

_RIDGE = 1e-2
"""Of the mean square of the features: keeps directions that were hardly seen from mattering."""
_MAX_WEIGHT = 1.5


class OnlineClassifier:
    """Ridge regression from features to -1 (background) and +1 (object).

    A first frame whose labels are certain may be anchored: it counts as much as all later ones together. What
    comes later is forgotten exponentially. Object and background weigh the same however small the object is.
    """

    def __init__(self) -> None:
        self._anchor: _Sums | None = None
        self._recent: _Sums | None = None

    def anchor(self, features: FloatArray, labels: FloatArray) -> None:
        """Learn (N, C) features with certain (N,) labels in 0..1 that are never forgotten."""
        self._anchor = _Sums.of(features, labels, balanced_weights(labels))

    def add(
        self,
        features: FloatArray,
        labels: FloatArray,
        *,
        rate: float,
        trust: FloatArray,
    ) -> None:
        """Learn (N, C) features with (N,) labels in 0..1 of which ``trust`` (N,) in 0..1 says how sure they are.

        ``rate`` in 0..1 is the share of this frame in what is remembered.
        """
        sums = _Sums.of(features, labels, balanced_weights(labels) * trust)
        self._recent = sums.scaled(rate) if self._recent is None else self._recent.mixed(sums, rate)

    def scores(self, features: FloatArray) -> FloatArray:
        """(N,) in -1.5..1.5: under 0 is background. Zeros before anything was learned."""
        known = [sums for sums in (self._anchor, self._recent) if sums is not None]
        if not known:
            return np.zeros(len(features), dtype=np.float32)
        gram = sum((sums.gram for sums in known), start=np.zeros_like(known[0].gram))
        moment = sum((sums.moment for sums in known), start=np.zeros_like(known[0].moment))
        diagonal = np.arange(len(gram))
        gram[diagonal, diagonal] += _RIDGE * np.trace(gram) / len(gram) + 1e-9
        weights = np.linalg.solve(gram, moment)
        found: FloatArray = np.clip(_with_one(features) @ weights, -_MAX_WEIGHT, _MAX_WEIGHT)
        return found


class _Sums:
    """What ridge regression needs to know of samples: X^T W X and X^T W y."""

    def __init__(self, gram: FloatArray, moment: FloatArray) -> None:
        self.gram, self.moment = gram, moment

    @classmethod
    def of(cls, features: FloatArray, labels: FloatArray, weights: FloatArray) -> _Sums:
        samples = _with_one(features)
        weighted = samples * weights[:, None]
        return cls(weighted.T @ samples, weighted.T @ (2 * labels - 1))

    def scaled(self, factor: float) -> _Sums:
        return _Sums(self.gram * factor, self.moment * factor)

    def mixed(self, other: _Sums, rate: float) -> _Sums:
        return _Sums(
            (1 - rate) * self.gram + rate * other.gram, (1 - rate) * self.moment + rate * other.moment
        )


def balanced_weights(labels: FloatArray) -> FloatArray:
    """(N,) weights in which both sides of (N,) labels in 0..1 add up to a half."""
    inside, outside = float(labels.sum()), float((1 - labels).sum())
    weights: FloatArray = labels * (0.5 / max(inside, 1e-3)) + (1 - labels) * (0.5 / max(outside, 1e-3))
    return weights.astype(np.float32)


def _with_one(features: FloatArray) -> FloatArray:
    ones = np.ones((len(features), 1), dtype=np.float32)
    return np.concatenate([features, ones], axis=1)

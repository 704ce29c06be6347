"""Join the rings of an object into a single one, for formats that have no holes or parts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maskweave.types.arrays import FloatArray

_MAX_PAIRS = 4_000_000


def joined_ring(rings: Sequence[FloatArray]) -> FloatArray:
    """One (P, 2) ring that encloses what ``rings`` enclose by the even-odd rule; there must be at least one.

    Rings are joined by seams that are walked there and back, so that they enclose nothing. Each seam is a short one.

    >>> square = np.array([[0, 0], [4, 0], [4, 4], [0, 4]], float)
    >>> joined_ring([square, square[::-1] / 4 + 1]).shape
    (10, 2)
    """
    whole = np.asarray(rings[0], dtype=np.float64)
    for ring in rings[1:]:
        at, start = _nearest(whole, ring)
        walked = np.concatenate([np.roll(ring, -start, axis=0), ring[start : start + 1]])
        whole = np.concatenate([whole[: at + 1], walked, whole[at:]])
    return whole


def _nearest(whole: FloatArray, ring: FloatArray) -> tuple[int, int]:
    """The points of each that are nearest to each other; of very long rings to the other's first point."""
    if len(whole) * len(ring) > _MAX_PAIRS:
        ring = ring[:1]
    distances = np.square(whole[:, None] - ring[None]).sum(axis=2)
    at, start = divmod(int(distances.argmin()), len(ring))
    return at, start

"""The place of a series of slices in space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

Vector: TypeAlias = tuple[float, float, float]


@dataclass(frozen=True)
class VolumeGrid:
    """A regular grid of voxels in a patient's space, in mm: x to the left, y to the back, z to the head (LPS).

    - ``origin``: the center of the first pixel of the first slice.
    - ``columns``, ``rows``, ``slices``: the steps from a pixel to its right and to its lower neighbor, and from a
      slice to the next.
    - ``depth``: slices of one volume where several follow one another, one for each moment; None: all are of one.
    """

    origin: Vector
    columns: Vector
    rows: Vector
    slices: Vector
    depth: int | None = None

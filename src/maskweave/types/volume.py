"""Where the slices of a series lie in space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

Vector: TypeAlias = tuple[float, float, float]


@dataclass(frozen=True)
class VolumeGrid:
    """A regular grid of voxels in a patient's space, in mm: x to the left, y to the back, z to the head (LPS).

    - ``origin``: the centre of the first pixel of the first slice.
    - ``columns``, ``rows``, ``slices``: the steps from a pixel to its right and to its lower neighbour, and from a
      slice to the next.
    """

    origin: Vector
    columns: Vector
    rows: Vector
    slices: Vector

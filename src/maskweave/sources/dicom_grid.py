"""Order a series' slices, and compute the regular grid that they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskweave.sources.names import natural_key
from maskweave.types.arrays import Size
from maskweave.types.volume import Vector, VolumeGrid

_PARALLEL = 1e-3  # by how much the cosines of slices may differ
_UNEVEN = 0.02  # of the usual distance between slices


@dataclass(frozen=True)
class Slice:
    """One frame of one file: where it lies, in mm, as far as the file says.

    ``position``: of the center of the first pixel. ``orientation``: cosines of a row's and of a column's direction.
    ``spacing``: between rows, between columns. ``step``: to the next slice. ``number``: the instance number.
    """

    path: Path
    frame: int
    size: Size
    number: int | None = None
    position: tuple[float, ...] | None = None
    orientation: tuple[float, ...] | None = None
    spacing: tuple[float, ...] | None = None
    step: float | None = None


def in_order(slices: Sequence[Slice], warnings: list[str]) -> list[Slice]:
    """The slices ordered along their normal; where that is unknown by instance number, then by name and frame."""

    def by_number(each: Slice) -> tuple[object, ...]:
        return each.number is None, each.number or 0, natural_key(each.path.name), each.frame

    ordered = sorted(slices, key=by_number)
    heights = _heights(ordered)
    if heights is None:
        return ordered
    if len(np.unique(heights.round(3))) < len(ordered):
        warnings.append("several slices lie at one place: ordered by instance number")
        return ordered
    return [ordered[row] for row in np.argsort(heights, kind="stable")]


def grid_of(slices: Sequence[Slice], warnings: list[str]) -> VolumeGrid | None:
    """The grid of slices in their order; None where it is not known, and a warning where it is not even."""
    first = slices[0]
    heights = _heights(slices)
    if heights is None or first.position is None or first.orientation is None or first.spacing is None:
        return None
    along, down = np.array(first.orientation[:3]), np.array(first.orientation[3:])
    if len(slices) == 1:
        step = np.cross(along, down) * (first.step or 1.0)
    else:
        gaps = np.diff(heights)
        if gaps.min() <= 0:
            return None
        if np.ptp(gaps) > _UNEVEN * gaps.mean():
            warnings.append(f"slices lie {gaps.min():g} to {gaps.max():g} mm apart; the grid has their mean")
        step = (np.array(slices[-1].position) - np.array(first.position)) / (len(slices) - 1)
    return VolumeGrid(
        _as_vector(np.array(first.position)),
        _as_vector(along * first.spacing[1]),
        _as_vector(down * first.spacing[0]),
        _as_vector(step),
    )


def _heights(slices: Sequence[Slice]) -> NDArray[np.float64] | None:
    """(N,) mm of each slice along the normal of the first; None unless all have a place and are parallel."""
    positions = [each.position for each in slices if each.position is not None]
    orientations = [each.orientation for each in slices if each.orientation is not None]
    if len(positions) < len(slices) or len(orientations) < len(slices):
        return None
    if np.ptp(np.array(orientations), axis=0).max() > _PARALLEL:
        return None
    normal = np.cross(orientations[0][:3], orientations[0][3:])
    heights: NDArray[np.float64] = np.array(positions) @ normal
    return heights


def _as_vector(values: NDArray[np.float64]) -> Vector:
    x, y, z = (float(each) for each in values)
    return x, y, z

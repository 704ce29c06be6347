"""The objects of one image, put together out of the shapes that labeling tools draw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskweave.annotations.objects import make_objects, numbered
from maskweave.errors import BadRecord
from maskweave.ops.masks import unite
from maskweave.types.arrays import FloatArray, Size
from maskweave.types.masks import Masks, concatenate

_CORNERS = 72
"""Of what stands for an ellipse."""


@dataclass(frozen=True)
class Shape:
    """One shape: its label, its pixels (`Masks` of length 1), and what else is said of its object."""

    label: str
    mask: Masks
    score: float | None = None
    track_id: int | None = None
    crowd: bool = False


class ShapeList:
    """The shapes of one image of ``size``; those of one label and group are one object.

    ``names``: the classes, where the file lists them; otherwise they are the labels that come.
    """

    def __init__(self, size: Size, names: Sequence[str] = ()) -> None:
        self._size, self._names = size, tuple(names)
        self._objects: dict[object, Shape] = {}

    def add(self, shape: Shape, group: object = None) -> None:
        """Add a shape, of a ``group`` or (None) of its own; raises `BadRecord` for one without a pixel."""
        if not shape.mask.areas[0]:
            raise BadRecord(
                f"need a shape with pixels inside the image of {self._size[1]} x {self._size[0]}, it covers none"
            )
        key = len(self._objects) if group is None else (shape.label, str(group))
        first = self._objects.get(key)
        if first is not None:
            shape = replace(first, mask=unite(concatenate([first.mask, shape.mask])))
        self._objects[key] = shape

    def columns(self) -> dict[str, Any]:
        """The objects, which are crowds and whether all have scores, as arguments of a record."""
        rows = list(self._objects.values())
        instances = make_objects(
            concatenate([Masks.empty(self._size), *(row.mask for row in rows)]),
            *numbered([row.label for row in rows], self._names),
            scores=[1.0 if row.score is None else row.score for row in rows],
            track_ids=[row.track_id for row in rows],
        )
        crowd: NDArray[np.bool_] = np.array([row.crowd for row in rows], dtype=np.bool_)
        scored = all(row.score is not None for row in rows)
        return {"instances": instances, "crowd": crowd, "scored": scored}


def box_corners(x1: float, y1: float, x2: float, y2: float) -> FloatArray:
    """(4, 2) corners of a box between two points."""
    return np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], dtype=np.float64)


def ellipse(center: Sequence[float], radii: Sequence[float]) -> FloatArray:
    """(P, 2) points of an ellipse whose axes lie along the image's."""
    angles = np.linspace(0, 2 * math.pi, _CORNERS, endpoint=False)
    around = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points: FloatArray = np.array(center) + np.array(radii) * around
    return points


def turned(points: FloatArray, center: Sequence[float], degrees: float) -> FloatArray:
    """Points turned about a center, clockwise on the screen."""
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    result: FloatArray = (points - np.array(center)) @ turn + np.array(center)
    return result

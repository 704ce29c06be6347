"""What a user points at: boxes, points and masks in one frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from maskweave.errors import InvalidValue
from maskweave.types.arrays import IntArray, Mask, Size

OBJECT_NAMES = ("object",)
"""The class of what is pointed at."""
_POINTS_OF_BOX = 2
"""Points that a box counts as."""


@dataclass(frozen=True)
class Point:
    """A place in pixels: ``x`` to the right, ``y`` down; ``inside`` the object, or expressly not."""

    x: float
    y: float
    inside: bool = True


def agrees(mask: Mask, points: Sequence[Point]) -> bool:
    """Whether an (H, W) mask has all points right, those on the object and those beside it."""
    return all(bool(mask[int(point.y), int(point.x)]) == point.inside for point in points)


@dataclass(frozen=True)
class Box:
    """A box around an object in pixels, x2 and y2 excluded; raises `InvalidValue` when it is empty."""

    x1: float
    y1: float
    x2: float
    y2: float

    def __post_init__(self) -> None:
        """Check the corners."""
        if not (self.x1 < self.x2 and self.y1 < self.y2):
            raise InvalidValue(
                f"box: need x1 < x2 and y1 < y2, got {self.x1:g},{self.y1:g},{self.x2:g},{self.y2:g}"
            )


@dataclass(frozen=True, eq=False)
class Prompt:
    """The objects that are meant, as seen in frame number ``frame`` (from 0); one of four ways.

    - ``ids``: (H, W) integers, 0 is background, every other number one object.
    - ``boxes``: one object each, numbered from 1.
    - ``points``: together one object, number 1.
    - one box and ``points`` of the object in it.

    ``later``: id maps of frames after ``frame``, by their numbers. An object of such a map is followed from there on;
    the others go on, but not over its pixels.

    Raises `InvalidValue` for none or another mixture of them, an id map without an object, no point inside where
    there is no box, one that is inside the object but not in its box, or a later frame that is none.
    """

    frame: int = 0
    ids: IntArray | None = None
    boxes: tuple[Box, ...] = ()
    points: tuple[Point, ...] = ()
    later: Mapping[int, IntArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that there is something to follow."""
        if self.later and (self.ids is None or min(self.later) <= self.frame):
            raise InvalidValue(f"prompt: need marks of frames after a mask of frame {self.frame}")
        if self.frame < 0:
            raise InvalidValue(f"prompt: need a frame from 0, got {self.frame}")
        given = [self.ids is not None, bool(self.boxes), bool(self.points)]
        if not any(given):
            raise InvalidValue(
                "prompt: need a mask, boxes or points that mark an object, got none of them; "
                "give --mask, --box or --point"
            )
        if sum(given) != 1 and not self._is_box_with_points:
            raise InvalidValue(
                "prompt: need either a mask, or boxes, or points, or one box and points; got several"
            )
        if self.ids is not None and (self.ids.ndim != 2 or not self.object_ids):
            raise InvalidValue(
                f"prompt: need a mask (H, W) with at least one object, got an empty one of {self.ids.shape}"
            )
        inside = [point for point in self.points if point.inside]
        if self.points and not inside and not self.boxes:
            raise InvalidValue("prompt: need at least one point inside the object, got only points outside")
        for box in self.boxes:
            for point in inside:
                if not (box.x1 <= point.x < box.x2 and box.y1 <= point.y < box.y2):
                    raise InvalidValue(
                        f"prompt: need points inside the object to lie in its box, got {point.x:g},{point.y:g}"
                    )

    @property
    def _is_box_with_points(self) -> bool:
        return self.ids is None and len(self.boxes) == 1 and bool(self.points)

    @property
    def object_ids(self) -> tuple[int, ...]:
        """The numbers of the objects, ascending."""
        if self.ids is not None:
            return tuple(int(value) for value in np.unique(self.ids) if value != 0)
        return tuple(range(1, len(self.boxes) + 1)) if self.boxes else (1,)

    def check(self, size: Size, *, label: str) -> None:
        """Raise `InvalidValue`, naming ``label`` and the frame, when it does not fit frames of ``size``."""
        height, width = size
        where = f"{label}, frame {self.frame}"
        maps = {} if self.ids is None else {self.frame: self.ids, **self.later}
        for frame, ids in maps.items():
            if ids.shape != size:
                got = f"{ids.shape[1]}x{ids.shape[0]}" if ids.ndim == 2 else f"{ids.shape}"
                raise InvalidValue(
                    f"{label}, frame {frame}: need a mask of the video's size {width}x{height}, got {got}"
                )
        for box in self.boxes:
            if box.x2 <= 0 or box.y2 <= 0 or box.x1 >= width or box.y1 >= height:
                raise InvalidValue(
                    f"{where}: need a box within {width}x{height}, got "
                    f"{box.x1:g},{box.y1:g},{box.x2:g},{box.y2:g}"
                )
        check_points(self.points, size, label=where)


def check_points(points: Sequence[Point], size: Size, *, label: str) -> None:
    """Raise `InvalidValue`, naming ``label``, for a point outside of an image of ``size`` (height, width)."""
    height, width = size
    for point in points:
        if not (0 <= point.x < width and 0 <= point.y < height):
            raise InvalidValue(f"{label}: need points within {width}x{height}, got {point.x:g},{point.y:g}")


def latest_points(points: Sequence[Point], max_points: int | None, *, boxes: int = 0) -> list[Point]:
    """The points without the earliest on the object, so that no more than ``max_points`` of these are left.

    ``max_points`` None: any number. Each of ``boxes`` counts as two.
    """
    inside = [point for point in points if point.inside]
    room = len(inside) if max_points is None else max_points - _POINTS_OF_BOX * boxes
    too_early = inside[: max(0, len(inside) - room)]
    return [point for point in points if point not in too_early]


def boxes_of(rows: Sequence[Sequence[float]]) -> tuple[Box, ...]:
    """Boxes from rows of x1 y1 x2 y2; raises `InvalidValue` for other rows."""
    for row in rows:
        if len(row) != 4:
            raise InvalidValue(f"boxes: need rows of x1 y1 x2 y2, got {tuple(row)}")
    return tuple(Box(*(float(value) for value in row)) for row in rows)


def points_of(rows: Sequence[Sequence[float]]) -> tuple[Point, ...]:
    """Points from rows of x y, on the object, or x y 0, beside it; raises `InvalidValue` for other rows."""
    for row in rows:
        if len(row) not in (2, 3):
            raise InvalidValue(f"points: need rows of x y or x y 0, got {tuple(row)}")
    return tuple(Point(float(row[0]), float(row[1]), len(row) == 2 or bool(row[2])) for row in rows)

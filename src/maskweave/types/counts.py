"""Lines and zones, and how many objects crossed them or stand in them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from maskweave.errors import InvalidValue

Point = tuple[float, float]
"""x, y in pixels of the upright image; (0, 0) is the top-left corner of the top-left pixel."""


@dataclass(frozen=True)
class Line:
    """A straight piece from ``start`` to ``end``, in pixels. Crossing it from left to right is *forward*.

    Left and right are those of somebody who walks over the image from ``start`` to ``end``: a line drawn from
    the left to the right of the image is crossed forward by what moves down.

    Raises `InvalidValue` for a line without length or numbers that are not finite.
    """

    start: Point
    end: Point
    name: str

    def __post_init__(self) -> None:
        """Check the points."""
        _check_finite(f"line {self.name!r}", self.points)
        if self.start == self.end:
            raise InvalidValue(
                f"line {self.name!r}: need two different points, got {_point_text(self.start)} twice"
            )

    @property
    def points(self) -> tuple[Point, ...]:
        """Both ends."""
        return self.start, self.end

    def scaled(self, across: float, down: float) -> Line:
        """The same line in an image that is so many times as wide and as high."""
        start, end = ((x * across, y * down) for x, y in self.points)
        return Line(start, end, self.name)


@dataclass(frozen=True)
class Zone:
    """A polygon of at least three ``points``, in pixels; its border belongs to it.

    Where its edges cross each other, a spot is inside when a ray from it meets an odd number of edges.

    Raises `InvalidValue` for fewer points, points on one line, or numbers that are not finite.
    """

    points: tuple[Point, ...]
    name: str

    def __post_init__(self) -> None:
        """Check the points."""
        what = f"zone {self.name!r}"
        if len(self.points) < 3:
            raise InvalidValue(f"{what}: need at least 3 points, got {len(self.points)}")
        _check_finite(what, self.points)
        if _on_one_line(self.points):
            raise InvalidValue(f"{what}: need points that enclose an area, got all of them on one line")

    def scaled(self, across: float, down: float) -> Zone:
        """The same zone in an image that is so many times as wide and as high."""
        return Zone(tuple((x * across, y * down) for x, y in self.points), self.name)


@dataclass(frozen=True)
class LineCount:
    """How many ids have crossed ``line`` so far, each at most once a direction.

    ``forward_now`` and ``backward_now``: the ids that did so in this very frame.
    """

    line: Line
    forward: int = 0
    backward: int = 0
    forward_now: tuple[int, ...] = ()
    backward_now: tuple[int, ...] = ()


@dataclass(frozen=True)
class ZoneCount:
    """The ids that stand in ``zone`` now (``inside``), and how many different ones have so far (``seen``)."""

    zone: Zone
    inside: tuple[int, ...] = ()
    seen: int = 0


@dataclass(frozen=True)
class Counts:
    """What was counted from the first frame of a stream up to this one."""

    lines: tuple[LineCount, ...] = ()
    zones: tuple[ZoneCount, ...] = ()


def _check_finite(what: str, points: tuple[Point, ...]) -> None:
    for point in points:
        if not all(math.isfinite(number) for number in point):
            raise InvalidValue(f"{what}: need finite numbers, got {_point_text(point)}")


def _on_one_line(points: tuple[Point, ...]) -> bool:
    (x0, y0), rest = points[0], points[1:]
    far_x, far_y = max(rest, key=lambda point: math.dist(points[0], point))
    return all(math.isclose((far_x - x0) * (y - y0), (far_y - y0) * (x - x0), abs_tol=1e-9) for x, y in rest)


def _point_text(point: Point) -> str:
    return f"({point[0]:g}, {point[1]:g})"

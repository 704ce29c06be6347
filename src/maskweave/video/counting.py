"""Count objects that cross a line or stand in a zone.

An object is where it stands: the middle of the lower edge of its mask's box, which is where feet and wheels touch the
ground. A crossing counts once a direction and id. It counts when the object has stood clear of the line (`clearance`)
for some frames on one side and then on the other (`STANDING`), so that one that trembles on the line, or a mask that
jumps for a frame, counts once or not at all; and where its way cuts the line must lie between the line's two ends, so
that walking round an end does not count. The page counts by the same rule (static/js/video/counting.js).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from maskweave.errors import InvalidValue
from maskweave.ops.centers import standing_points
from maskweave.types.arrays import Size
from maskweave.types.counts import Counts, Line, LineCount, Point, Zone, ZoneCount
from maskweave.types.instances import Instances

STANDING = 3
"""Frames in a row, as far as it is seen clear of the line, that an object must stand on a side."""
_FORGET = 1000
"""Frames after which an id that was not seen is forgotten: trackers bring none back after so long."""


def clearance(size: Size) -> float:
    """Pixels from a line at which an object is clear of it: 0.5 % of the image's diagonal, at least 1.

    >>> clearance((480, 640))
    4.0
    """
    return max(1.0, 0.005 * math.hypot(*size))


def parse_line(text: str, *, number: int = 1) -> Line:
    """Read ``x1,y1,x2,y2`` or ``x1,y1,x2,y2=name``; without a name it is "line <number>".

    >>> parse_line("0,240,640,240=gate")
    Line(start=(0.0, 240.0), end=(640.0, 240.0), name='gate')
    """
    points, name = _points("--line", "x1,y1,x2,y2", text)
    if len(points) != 2:
        raise InvalidValue(f"--line: need x1,y1,x2,y2 (4 numbers), got {2 * len(points)} in {text!r}")
    return Line(points[0], points[1], name or f"line {number}")


def parse_zone(text: str, *, number: int = 1) -> Zone:
    """Read ``x1,y1,x2,y2,x3,y3,…`` or the same with ``=name``; without a name it is "zone <number>".

    >>> parse_zone("0,0,9,0,9,9").name
    'zone 1'
    """
    points, name = _points("--zone", "x1,y1,x2,y2,x3,y3,…", text)
    if len(points) < 3:
        raise InvalidValue(
            f"--zone: need x1,y1,x2,y2,x3,y3,… (6 numbers or more), got {2 * len(points)} in {text!r}"
        )
    return Zone(tuple(points), name or f"zone {number}")


class Counter:
    """Counts the objects of one stream at ``lines`` and in ``zones``; one object serves one stream.

    Memory stays constant: an id is forgotten some time after it was last seen. Raises `InvalidValue` for two of
    one name. `Segmenter.stream` has one for its ``lines`` and ``zones``. ``standing``: frames that an object must
    stand on a side of a line.
    """

    def __init__(
        self, lines: Iterable[Line] = (), zones: Iterable[Zone] = (), *, standing: int = STANDING
    ) -> None:
        self._lines = [_LineCounter(line, standing) for line in lines]
        self._zones = [_ZoneCounter(zone) for zone in zones]
        names = [each.count.line.name for each in self._lines] + [
            each.count.zone.name for each in self._zones
        ]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise InvalidValue(f"lines and zones: need a name of its own for each, got {twice!r} twice")
        self._size: Size | None = None
        self._frames = 0
        self._last_seen: dict[int, int] = {}

    def update(self, instances: Instances) -> Counts:
        """Count one frame's objects and return what has been counted up to it.

        Raises `InvalidValue` when objects have no ``track_ids``, or a line or zone lies outside the image.
        """
        self._check(instances)
        ids = [] if instances.track_ids is None else instances.track_ids.tolist()
        points = standing_points(instances).tolist()
        spots = {track_id: (x, y) for track_id, (x, y) in zip(ids, points, strict=True)}
        self._forget(spots)
        margin = clearance(instances.size)
        return Counts(
            tuple(line.update(spots, margin) for line in self._lines),
            tuple(zone.update(spots) for zone in self._zones),
        )

    def _check(self, instances: Instances) -> None:
        if len(instances) and instances.track_ids is None:
            raise InvalidValue("counting: need objects with track_ids, got none; count after the tracker")
        if instances.size == self._size:
            return
        for line in self._lines:
            _check_inside(f"line {line.count.line.name!r}", line.count.line.points, instances.size)
        for zone in self._zones:
            _check_inside(f"zone {zone.count.zone.name!r}", zone.count.zone.points, instances.size)
        self._size = instances.size

    def _forget(self, spots: dict[int, Point]) -> None:
        self._frames += 1
        self._last_seen.update(dict.fromkeys(spots, self._frames))
        if self._frames % _FORGET:
            return
        old = [track_id for track_id, seen in self._last_seen.items() if self._frames - seen >= _FORGET]
        for track_id in old:
            del self._last_seen[track_id]
            for line in self._lines:
                line.ways.pop(track_id, None)
            for zone in self._zones:
                zone.known.discard(track_id)


@dataclass
class _Way:
    """One id at one line.

    ``distance``: pixels right of the line (left of it: negative); ``along``: 0 at the line's start, 1 at its end;
    both of the last frame. ``clear``: 1 or -1 where it was last clear of the line, 0 before that, and ``frames`` how
    many times in a row. ``side``: where it last stood. ``cut``: where along the line its way last went over.
    ``counted``: the directions that it has counted in.
    """

    distance: float
    along: float
    clear: int = 0
    frames: int = 0
    side: int = 0
    cut: float = math.nan
    counted: set[int] = field(default_factory=set)


class _LineCounter:
    def __init__(self, line: Line, standing: int) -> None:
        self.count = LineCount(line)
        self._standing = standing
        self.ways: dict[int, _Way] = {}

    def update(self, spots: dict[int, Point], margin: float) -> LineCount:
        crossed = {track_id: self._follow(track_id, spot, margin) for track_id, spot in spots.items()}
        forward = tuple(track_id for track_id, side in crossed.items() if side > 0)
        backward = tuple(track_id for track_id, side in crossed.items() if side < 0)
        self.count = replace(
            self.count,
            forward=self.count.forward + len(forward),
            backward=self.count.backward + len(backward),
            forward_now=forward,
            backward_now=backward,
        )
        return self.count

    def _follow(self, track_id: int, spot: Point, margin: float) -> int:
        """Move one id on; 1 when it has just crossed forward, -1 for backward, 0 for neither."""
        distance, along = self._place(spot)
        way = self.ways.setdefault(track_id, _Way(distance, along))
        if min(way.distance, distance) <= 0 <= max(way.distance, distance) and way.distance != distance:
            share = way.distance / (way.distance - distance)
            way.cut = way.along + share * (along - way.along)
        way.distance, way.along = distance, along
        if abs(distance) < margin:
            return 0
        side = int(math.copysign(1, distance))
        way.frames = way.frames + 1 if side == way.clear else 1
        way.clear = side
        if way.frames < self._standing:
            return 0
        before, way.side = way.side, side
        crossed = before * side < 0 and 0 <= way.cut <= 1
        if not crossed or side in way.counted:
            return 0
        way.counted.add(side)
        return side

    def _place(self, spot: Point) -> tuple[float, float]:
        (x1, y1), (x2, y2) = self.count.line.points
        dx, dy, px, py = x2 - x1, y2 - y1, spot[0] - x1, spot[1] - y1
        length = math.hypot(dx, dy)
        return (dx * py - dy * px) / length, (dx * px + dy * py) / length**2


class _ZoneCounter:
    def __init__(self, zone: Zone) -> None:
        self.count = ZoneCount(zone)
        self.known: set[int] = set()
        self._polygon = np.array(zone.points, dtype=np.float32)

    def update(self, spots: dict[int, Point]) -> ZoneCount:
        inside = tuple(track_id for track_id, spot in spots.items() if self._holds(spot))
        new = set(inside) - self.known
        self.known |= new
        self.count = replace(self.count, inside=inside, seen=self.count.seen + len(new))
        return self.count

    def _holds(self, spot: Point) -> bool:
        found: float = cv2.pointPolygonTest(self._polygon, spot, False)
        return found >= 0


def _points(option: str, need: str, text: str) -> tuple[list[Point], str]:
    numbers_text, _, name = text.partition("=")
    try:
        numbers = [float(number) for number in numbers_text.split(",")]
    except ValueError as error:
        raise InvalidValue(f"{option}: need {need} and perhaps =name, got {text!r}") from error
    if len(numbers) % 2:
        raise InvalidValue(f"{option}: need {need} (pairs of numbers), got {len(numbers)} in {text!r}")
    return list(zip(numbers[::2], numbers[1::2], strict=True)), name.strip()


def _check_inside(what: str, points: Sequence[Point], size: Size) -> None:
    height, width = size
    for x, y in points:
        if not (0 <= x <= width and 0 <= y <= height):
            raise InvalidValue(
                f"{what}: need points inside the {width} x {height} image (width x height), got ({x:g}, {y:g})"
            )

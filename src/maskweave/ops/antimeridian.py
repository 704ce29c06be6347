"""Polygons in longitude and latitude, cut where they cross 180 degrees (RFC 7946, section 3.1.9)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from maskweave.ops.polygons import Polygon, ring_area
from maskweave.types.arrays import FloatArray

_STEP = 5.0  # degrees of longitude that an edge may span before it is divided: it is straight in pixels only
_MAX_DIVISIONS = 12
_POLE = 90.0


def cut_at_antimeridian(polygon: Polygon, to_degrees: Callable[[FloatArray], FloatArray]) -> list[Polygon]:
    """The parts of a polygon in pixels, in longitude and latitude.

    Every longitude lies within -180 and 180, and no edge spans more than 180 degrees. A polygon round a pole goes
    along it. Most polygons come back as they are.

    Args:
        polygon: In pixels.
        to_degrees: From (P, 2) pixel coordinates to longitude and latitude.
    """
    rings = [_unrolled(ring, to_degrees) for ring in polygon.rings]
    if all(turns == 0 and np.abs(ring[:, 0]).max() <= 180 for ring, turns in rings):
        return [Polygon(rings[0][0], tuple(ring for ring, _ in rings[1:]))]
    flat = _closed_at_pole(rings)
    outer = flat[0][:, 0]
    parts: list[Polygon] = []
    first, last = np.floor((outer.min() + 180) / 360), np.ceil((outer.max() + 180) / 360)
    for turn in range(int(first), max(int(last), int(first) + 1)):
        moved = [ring - (360.0 * turn, 0) for ring in _beside(flat)]
        parts += _inside_globe(moved)
    return parts


def _unrolled(ring: FloatArray, to_degrees: Callable[[FloatArray], FloatArray]) -> tuple[FloatArray, int]:
    """A ring with longitudes continued past 180, and how often it goes around a pole; long edges are divided."""
    pixels = np.asarray(ring, dtype=np.float64)
    degrees = to_degrees(pixels)
    for _ in range(_MAX_DIVISIONS):
        steps = np.abs(_wrapped(np.diff(degrees[:, 0], append=degrees[:1, 0])))
        long = steps > _STEP
        if not long.any():
            break
        middle = (pixels + np.roll(pixels, -1, axis=0))[long] / 2
        pixels = np.insert(pixels, np.flatnonzero(long) + 1, middle, axis=0)
        degrees = to_degrees(pixels)
    steps = _wrapped(np.diff(degrees[:, 0], append=degrees[:1, 0]))
    unrolled = degrees.copy()
    first = float(_wrapped(degrees[:1, 0])[0]) if abs(degrees[0, 0]) > 180 else float(degrees[0, 0])
    unrolled[:, 0] = first + np.concatenate([[0.0], np.cumsum(steps[:-1])])
    return unrolled, round(float(steps.sum()) / 360)


def _wrapped(differences: FloatArray) -> FloatArray:
    """Differences of longitudes the short way round."""
    wrapped: FloatArray = differences - 360 * np.rint(differences / 360)
    return wrapped


def _closed_at_pole(rings: Sequence[tuple[FloatArray, int]]) -> list[FloatArray]:
    """Rings as closed outlines of a plane: one that goes round a pole begins at 180 degrees, and returns along it.

    A hole round the same pole is the other edge of such a band.
    """
    (exterior, turns), *holes = rings
    if not turns:
        return [ring for ring, _ in rings]
    opened = _from_antimeridian(exterior, turns)
    beyond = [ring for ring, own in holes if own]
    if beyond:
        inner = _from_antimeridian(beyond[0], turns)[::-1]
    else:
        pole = _POLE if exterior[:, 1].mean() > 0 else -_POLE
        inner = np.array([(side, pole) for side in np.linspace(180, -180, 5)]) * (1 if turns > 0 else -1, 1)
    return [np.concatenate([opened, inner]), *(ring for ring, own in holes if not own)]


def _from_antimeridian(ring: FloatArray, turns: int) -> FloatArray:
    """A ring that goes round once, from one side of the map to the other (eastwards where ``turns`` is positive)."""
    if (np.sum(_wrapped(np.diff(ring[:, 0], append=ring[:1, 0]))) > 0) != (turns > 0):
        ring = ring[::-1]
    longitudes = ring[:, 0] - 360 * np.floor((ring[:, 0] + 180) / 360)
    around = np.roll(longitudes, -1)
    jumps = np.flatnonzero(np.abs(around - longitudes) > 180)
    place = int(jumps[0]) + 1 if len(jumps) else 0
    rolled = np.roll(np.stack([longitudes, ring[:, 1]], axis=1), -place, axis=0)
    rolled[:, 0] = rolled[0, 0] + np.concatenate([[0.0], np.cumsum(_wrapped(np.diff(rolled[:, 0])))])
    edge = -180.0 if turns > 0 else 180.0
    rolled[:, 0] += 360 * np.rint((edge - rolled[0, 0]) / 360)
    before, after = rolled[-1] - (np.sign(turns) * 360.0, 0), rolled[0]
    share = 0.0 if after[0] == before[0] else (edge - before[0]) / (after[0] - before[0])
    latitude = before[1] + share * (after[1] - before[1])
    return np.concatenate([[(edge, latitude)], rolled, [(-edge, latitude)]])


def _beside(rings: Sequence[FloatArray]) -> list[FloatArray]:
    """The rings, the holes moved by whole turns to where the exterior is."""
    exterior, *holes = rings
    center = (exterior[:, 0].min() + exterior[:, 0].max()) / 2
    moved = [hole - (360 * np.rint((hole[:, 0].mean() - center) / 360), 0) for hole in holes]
    return [exterior, *moved]


def _inside_globe(rings: Sequence[FloatArray]) -> list[Polygon]:
    """What of a polygon lies within -180 and 180, as polygons."""
    kept: list[FloatArray] = list(rings)
    for edge, east in ((-180.0, True), (180.0, False)):
        kept = _one_side(kept, edge, east=east)
    outer = [ring for ring in kept if _is_outer(ring, kept)]
    holes = [ring for ring in kept if not _is_outer(ring, kept)]
    return [Polygon(ring, tuple(hole for hole in holes if _contains(ring, hole))) for ring in outer]


def _one_side(rings: Sequence[FloatArray], edge: float, *, east: bool) -> list[FloatArray]:
    """The rings of what lies on one side of a meridian: pieces are joined along it, two neighbors at a time."""
    whole: list[FloatArray] = []
    pieces: list[FloatArray] = []
    for ring in rings:
        inside = ring[:, 0] >= edge if east else ring[:, 0] <= edge
        if inside.all():
            whole.append(ring)
        elif inside.any():
            pieces += _pieces(ring, inside, edge)
    return [*whole, *_joined(pieces)]


def _pieces(ring: FloatArray, inside: NDArray[np.bool_], edge: float) -> list[FloatArray]:
    """The stretches of a ring on one side, each from the meridian to the meridian."""
    start = int(np.flatnonzero(inside & ~np.roll(inside, 1))[0])
    points, kept = np.roll(ring, -start, axis=0), np.roll(inside, -start)
    pieces: list[FloatArray] = []
    for number in np.flatnonzero(kept & ~np.roll(kept, 1)).tolist():
        end = number
        while end + 1 < len(points) and kept[end + 1]:
            end += 1
        entry = _crossing(points[number - 1], points[number], edge)
        leave = _crossing(points[end], points[(end + 1) % len(points)], edge)
        pieces.append(np.concatenate([[entry], points[number : end + 1], [leave]]))
    return pieces


def _crossing(one: FloatArray, other: FloatArray, edge: float) -> tuple[float, float]:
    share = (edge - one[0]) / (other[0] - one[0])
    return edge, float(one[1] + share * (other[1] - one[1]))


def _joined(pieces: list[FloatArray]) -> list[FloatArray]:
    """Rings from pieces: along the meridian the inside lies between the first and second end, third and fourth …"""
    ends = [(piece[at, 1], number, at) for number, piece in enumerate(pieces) for at in (0, -1)]
    ends.sort()
    partner: dict[tuple[int, int], tuple[int, int]] = {}
    for (_, *one), (_, *other) in zip(ends[0::2], ends[1::2], strict=True):
        partner[one[0], one[1]], partner[other[0], other[1]] = (other[0], other[1]), (one[0], one[1])
    rings: list[FloatArray] = []
    left = set(range(len(pieces)))
    while left:
        number, way, members = min(left), -1, []
        while number in left:
            left.remove(number)
            members.append(pieces[number] if way == -1 else pieces[number][::-1])
            number, at = partner[number, way]
            way = -1 if at == 0 else 0
        rings.append(np.concatenate(members))
    return rings


def _is_outer(ring: FloatArray, rings: Sequence[FloatArray]) -> bool:
    return sum(_contains(other, ring) for other in rings if other is not ring) % 2 == 0


def _contains(outer: FloatArray, inner: FloatArray) -> bool:
    """Whether a ring lies in another, by one of its points that is no corner of both."""
    if abs(ring_area(inner)) >= abs(ring_area(outer)):
        return False
    x, y = inner[:2].mean(axis=0)
    start, end = outer, np.roll(outer, -1, axis=0)
    crosses = (start[:, 1] > y) != (end[:, 1] > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = start[:, 0] + (y - start[:, 1]) / (end[:, 1] - start[:, 1]) * (end[:, 0] - start[:, 0])
    return bool(np.count_nonzero(crosses & (x < at)) % 2)

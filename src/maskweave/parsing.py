"""Parse what users write, as text or as Python sequences: names, numbers, boxes, points, lines and zones."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from maskweave.errors import InvalidValue

if TYPE_CHECKING:
    from maskweave.types.counts import Line, Zone
    from maskweave.types.prompt import Box, Point


LineInput: TypeAlias = "Line | str | Sequence[float]"
"""A line to count at: "x1,y1,x2,y2=name", four numbers, or a `Line`."""
ZoneInput: TypeAlias = "Zone | str | Sequence[float]"
"""A zone to count in: "x1,y1,x2,y2,x3,y3,…=name", as many numbers, or a `Zone`."""


def names_in(text: str | Sequence[str]) -> tuple[str, ...]:
    """Comma-separated names, or a sequence of them.

    >>> names_in("cat, dog")
    ('cat', 'dog')
    """
    parts = text.split(",") if isinstance(text, str) else text
    return tuple(part.strip() for part in parts if part.strip())


def saved_in(text: str | Sequence[str]) -> tuple[str, ...]:
    """Names of formats; raises `InvalidValue` without any."""
    names = names_in(text)
    if not names:
        raise InvalidValue("--save: need at least one name, got none")
    return names


def classes_in(text: str | Sequence[str]) -> tuple[str, ...]:
    """Names of classes; raises `InvalidValue` for commas without any."""
    names = names_in(text)
    if text and not names:
        raise InvalidValue("--classes: need at least one name, got none")
    return names


def pixels_in(millions: float) -> int:
    """The number of pixels in ``millions`` of them; raises `InvalidValue` for infinity and NaN."""
    if not math.isfinite(millions):
        raise InvalidValue(f"--max-pixels: need a number, got {millions}")
    return round(millions * 1e6)


def numbers_in(option_name: str, form: str, counts: tuple[int, ...]) -> Callable[[Any], tuple[float, ...]]:
    """A reader of comma-separated numbers, or a sequence of them, whose count must be one of ``counts``."""

    def read(given: str | Sequence[float]) -> tuple[float, ...]:
        try:
            values = [float(part) for part in (given.split(",") if isinstance(given, str) else given)]
        except (TypeError, ValueError):
            values = []
        if len(values) not in counts:
            raise InvalidValue(f"--{option_name}: need {form}, got {given!r}")
        return tuple(values)

    return read


_box = numbers_in("box", "x1,y1,x2,y2 in pixels", (4,))
_point = numbers_in("point", "x,y or x,y,0 in pixels", (2, 3))


def boxes_in(rows: Iterable[Any]) -> tuple[Box, ...]:
    """Boxes from texts "x1,y1,x2,y2" or rows of four numbers."""
    from maskweave.types.prompt import boxes_of

    return boxes_of([_box(row) for row in rows])


def points_in(rows: Iterable[Any]) -> tuple[Point, ...]:
    """Points from texts "x,y" or "x,y,0" (beside the object), or rows of two or three numbers."""
    from maskweave.types.prompt import points_of

    return points_of([_point(row) for row in rows])


def lines_in(given: Iterable[LineInput]) -> tuple[Line, ...]:
    """Lines from texts "x1,y1,x2,y2=name", rows of four numbers, or `Line`."""
    from maskweave.types.counts import Line
    from maskweave.video.counting import parse_line

    return tuple(
        each if isinstance(each, Line) else parse_line(_joined(each), number=number)
        for number, each in enumerate(given, start=1)
    )


def zones_in(given: Iterable[ZoneInput]) -> tuple[Zone, ...]:
    """Zones from texts "x1,y1,x2,y2,x3,y3,…=name", rows of as many numbers, or `Zone`."""
    from maskweave.types.counts import Zone
    from maskweave.video.counting import parse_zone

    return tuple(
        each if isinstance(each, Zone) else parse_zone(_joined(each), number=number)
        for number, each in enumerate(given, start=1)
    )


def _joined(given: str | Sequence[float]) -> str:
    return given if isinstance(given, str) else ",".join(repr(float(each)) for each in given)


def size_in(text: str) -> tuple[int, int]:
    """(width, height) of "WIDTHxHEIGHT"."""
    match = re.fullmatch(r"([1-9]\d{0,5})x([1-9]\d{0,5})", text)
    if match is None:
        raise InvalidValue(f"--drawn-on: need WIDTHxHEIGHT in pixels, like 1024x576, got {text!r}")
    return int(match[1]), int(match[2])


def place_words(places: Iterable[Line | Zone]) -> list[str]:
    """Lines or zones as texts that keep every bit of their numbers."""
    return [
        f"{_joined([number for point in place.points for number in point])}={place.name}" for place in places
    ]

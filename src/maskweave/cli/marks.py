"""Boxes and points of the command line."""

from __future__ import annotations

from collections.abc import Sequence

from maskweave.errors import InvalidValue
from maskweave.types.prompt import Box, Point, boxes_of, points_of


def parse_boxes(texts: Sequence[str]) -> tuple[Box, ...]:
    """Read ``x1,y1,x2,y2`` each; raises `InvalidValue` for anything else."""
    return boxes_of([_numbers("--box", text, "x1,y1,x2,y2", (4,)) for text in texts])


def parse_points(texts: Sequence[str]) -> tuple[Point, ...]:
    """Read ``x,y`` or ``x,y,0`` each; raises `InvalidValue` for anything else."""
    return points_of([_numbers("--point", text, "x,y or x,y,0", (2, 3)) for text in texts])


def _numbers(option: str, text: str, form: str, counts: tuple[int, ...]) -> list[float]:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) not in counts:
        raise InvalidValue(f"{option}: need {form} in pixels, got {text!r}")
    return values

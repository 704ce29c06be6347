"""The lines of YOLO's label files: a class, then an outline or a box in shares of the image's sides."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from maskweave.annotations.report import DAMAGE
from maskweave.annotations.segmentation import no_pixels
from maskweave.annotations.texts import decimal, read_text
from maskweave.annotations.values import score, whole
from maskweave.errors import BadRecord
from maskweave.ops.polygons import Polygon, fill_polygons
from maskweave.types.arrays import FloatArray, Size
from maskweave.types.masks import Masks

_MAX_CLASSES = 1_000_000_000
_WHOLE = re.compile(r"[0-9]{1,9}")
_NO_SHARE = 2
_MAX_SHARE = 10.0  # an outline may reach over the image's edge, but not that far


class Line(NamedTuple):
    """One line of labels, checked: an outline or a box, with its confidence and track where it has them."""

    class_id: int
    mask: Masks
    box: list[float]
    score: float | None
    track_id: int | None = None


def checked_lines(
    label: Path, classes: int, size: Size, *, has_points: bool = False
) -> Iterator[tuple[int, Line | Exception]]:
    """The number of each line that says something, from 1, with its object or with why it has none.

    ``has_points``: a line is a box, and what is behind it is left out. Where every line ends in a whole number of
    which one can only be the id of a track, all are.
    """
    lines = list(_lines(label))
    tracked = not has_points and _end_in_ids([fields for _, fields in lines])
    for place, fields in lines:
        try:
            line = _line(fields[:5] if has_points else fields[: len(fields) - tracked], classes, size)
            yield place, line._replace(track_id=whole(fields[-1], "track id")) if tracked else line
        except DAMAGE as error:
            yield place, error


def _end_in_ids(lines: Sequence[Sequence[str]]) -> bool:
    """Whether lines end in ids of tracks: whole numbers, of which one is too large for a share or a confidence."""
    whole_ends = all(len(fields) > 5 and _WHOLE.fullmatch(fields[-1]) for fields in lines)
    return whole_ends and any(int(fields[-1]) > 1 and _are_shares(fields[1:-1]) for fields in lines)


def _are_shares(fields: Sequence[str]) -> bool:
    with suppress(ValueError):
        return all(abs(decimal(field)) < _NO_SHARE for field in fields)
    return False


def _lines(label: Path) -> Iterator[tuple[int, list[str]]]:
    if not label.is_file():
        return
    try:
        text = read_text(label)
    except UnicodeError as error:
        raise BadRecord(f"{label.name}: need text, got other data") from error
    for place, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        if (fields and fields[0].endswith((",", ";"))) or len(fields) == 1:  # as a table
            fields = line.replace(";" if ";" in line else ",", " ").split()
        if fields and not fields[0].startswith("#"):
            yield place, fields


def _line(fields: Sequence[str], classes: int, size: Size) -> Line:
    class_id, values, confidence = label_numbers(fields, classes)
    mask, box = _boxed(values, size) if len(values) == 4 else _outlined(values, size)
    return Line(class_id, mask, box, confidence)


def label_numbers(fields: Sequence[str], classes: int) -> tuple[int, FloatArray, float | None]:
    """Class number, coordinates and confidence of a line that is split; raises `BadRecord` that says what is wrong.

    >>> label_numbers("1.0 0.5 0.5 0.2 0.2 0.87".split(), 2)
    (1, array([0.5, 0.5, 0.2, 0.2]), 0.87)
    """
    try:
        number = decimal(fields[0])
    except ValueError:
        number = -1.0
    if not number.is_integer() or not 0 <= number < min(classes, _MAX_CLASSES):
        raise BadRecord(f"need a class number of 0 to {classes - 1}, got {fields[0][:60]!r}")
    try:
        values = np.array([decimal(field) for field in fields[1:]])
    except ValueError:
        raise BadRecord("need numbers after the class, got something else") from None
    confidence = None
    if len(values) == 5 or (len(values) >= 7 and len(values) % 2):
        values, confidence = values[:-1], score(float(values[-1]))
    if len(values) != 4 and (len(values) < 6 or len(values) % 2):
        raise BadRecord(
            f"need 4 numbers of a box, or x y of at least 3 points, after the class; got {len(values)} numbers"
        )
    if not np.isfinite(values).all():
        raise BadRecord("need finite coordinates, got NaN or infinity")
    if np.abs(values).max() > _MAX_SHARE:
        raise BadRecord(
            f"need shares of the image's width and height, 0 to 1, got {values.max():g}; are these pixels?"
        )
    return int(number), values, confidence


def _outlined(values: FloatArray, size: Size) -> tuple[Masks, list[float]]:
    """Mask and box of an outline; of one that reaches over the image's edge the box is that of what is left."""
    points = values.reshape(-1, 2) * (size[1], size[0])
    mask = fill_polygons([Polygon(points)], size)
    low, high = points.min(axis=0), points.max(axis=0)
    if (high <= 0).any() or (low >= (size[1], size[0])).any():
        raise BadRecord("need an outline inside the image, it lies outside")
    if not mask.areas[0] and not (high > low).all():
        raise BadRecord("need an outline round an area, it encloses none")
    cut = (low < 0).any() or (high > (size[1], size[0])).any()
    if cut and mask.areas[0]:
        return mask, mask.boxes[0].tolist()
    return mask, [*low.round(2).tolist(), *high.round(2).tolist()]


def _boxed(values: FloatArray, size: Size) -> tuple[Masks, list[float]]:
    """A box without a mask."""
    scale = np.array([size[1], size[0]])
    center, half = values[:2] * scale, np.abs(values[2:]) * scale / 2
    if (center + half <= 0).any() or (center - half >= scale).any():
        raise BadRecord("need a box inside the image, it lies outside")
    return no_pixels(size), [*(center - half).tolist(), *(center + half).tolist()]

"""Lines of KITTI MOTS files: ``frame id class_id height width rle``; id is class_id * 1000 + the object's number.

Source: https://www.vision.rwth-aachen.de/page/mots, "Annotation Format".
"""

from __future__ import annotations

from typing import NamedTuple

from maskweave.errors import InvalidValue
from maskweave.ops.rle import Rle

KITTI_CLASSES = {"car": 1, "pedestrian": 2, "person": 2}
KITTI_IGNORE = 10
"""The class of regions in which nothing counts."""
FIRST_OTHER = 100
"""We write any other class as this plus its COCO category id."""


class MotsRow(NamedTuple):
    """One line of a file: an object in a frame (counted from 0)."""

    frame: int
    track_id: int
    class_id: int
    rle: Rle


def format_row(row: MotsRow) -> str:
    """One line of a file, without its end."""
    height, width = row.rle["size"]
    number = row.class_id * 1000 + row.track_id
    return f"{row.frame} {number} {row.class_id} {height} {width} {row.rle['counts']}"


def parse_row(line: str) -> MotsRow:
    """Read one line; raises `InvalidValue` when it is not of this format."""
    words = line.split()
    try:
        frame, number, class_id, height, width = map(int, words[:5])
        (counts,) = words[5:]
    except ValueError as error:
        raise InvalidValue(f"mots: need 'frame id class_id height width rle', got {line[:80]!r}") from error
    return MotsRow(frame, number - class_id * 1000, class_id, Rle(size=[height, width], counts=counts))

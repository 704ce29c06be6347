"""Put corrected objects back into the annotations that they came from; all else stays as it is, to the letter.

A conversion writes a data set anew, with what our records hold. Whoever goes on correcting a data set wants its own
files back: ids, further fields, order and spaces untouched, and changed only what was corrected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TypeAlias

import numpy as np

from maskweave.annotations.record import Record
from maskweave.errors import InvalidValue
from maskweave.ops.rle import encode_masks
from maskweave.types.arrays import IntArray
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks

REVISERS = {
    "coco": "maskweave.annotations.coco_revision",
    "yolo": "maskweave.annotations.yolo_revision",
}
"""Formats whose files can be revised, each with the module whose ``revise`` does it."""


@dataclass(frozen=True, eq=False)
class Revision:
    """What becomes of one image of a data set.

    Attributes:
        record: As the format's reader gave it.
        instances: The objects as they shall be; their classes may be new to the data set.
        rows: (M,) which object of the record each of them is, -1 for a new one. Objects of the record that are
            missing here are taken away.

    Raises:
        InvalidValue: Sizes or rows do not fit, or a new object has no pixels.
    """

    record: Record
    instances: Instances
    rows: IntArray

    def __post_init__(self) -> None:
        """Check what must fit."""
        if self.instances.size != self.record.size:
            raise InvalidValue(
                f"{self.record.file_name}: need objects in an image of {self.record.size}, got {self.instances.size}"
            )
        known = self.rows[self.rows >= 0]
        if self.rows.shape != (len(self.instances),) or (known >= len(self.record.instances)).any():
            raise InvalidValue(
                f"{self.record.file_name}: need for each object its number of 0 to "
                f"{len(self.record.instances) - 1} in the file, or -1, got {self.rows.tolist()}"
            )
        if len(np.unique(known)) < len(known):
            raise InvalidValue(f"{self.record.file_name}: need each object of the file once, got one twice")
        if (self.instances.masks.areas[self.rows < 0] == 0).any():
            raise InvalidValue(f"{self.record.file_name}: need new objects with pixels, got one without any")

    def changes(self) -> list[Change]:
        """What is to be done, in the order of the objects; those that stay as they are are left out."""
        made: list[Change] = []
        before, after = self.record.instances, self.instances
        old, new = ([rle["counts"] for rle in encode_masks(each.masks)] for each in (before, after))
        for place, row in enumerate(self.rows.tolist()):
            name = after.names[place] if row < 0 or after.names[place] != before.names[row] else None
            is_drawn = row < 0 or new[place] != old[row]
            if name is not None or is_drawn:
                made.append(Change(row, name, after.masks[place : place + 1] if is_drawn else None))
        kept = set(self.rows.tolist())
        made += [Change(row, None, None, is_removed=True) for row in range(len(before)) if row not in kept]
        return made


@dataclass(frozen=True)
class Change:
    """What is to be done with one object.

    Attributes:
        row: Of the record; -1 for a new object.
        name: Its other class; None where the class stays.
        mask: Its other mask, `Masks` of length 1; None where the mask stays.
        is_removed: Whether it is taken away.
    """

    row: int
    name: str | None
    mask: Masks | None
    is_removed: bool = False


def exact_text(path: Path) -> str:
    """A text file with its byte-order mark and its ends of lines; raises `InvalidValue` where it is not UTF-8."""
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidValue(
            f"{path.name}: need UTF-8 to put corrections into it, got another encoding"
        ) from error


Revise: TypeAlias = Callable[[Path, Sequence[Revision]], None]


def revise(source: Path, format_name: str, revisions: Sequence[Revision]) -> None:
    """Write revisions into the files of a data set; files and parts of files without any stay byte for byte.

    Args:
        source: What `annotations.convert.read_records` was given, and not changed since.
        format_name: One of `REVISERS`.
        revisions: At most one of each image.

    Raises:
        InvalidValue: The format cannot be revised, or the file does not say what it said.
        OutputError: A file cannot be written; that file is as it was.
    """
    if format_name not in REVISERS:
        raise InvalidValue(f"format: need one of {', '.join(REVISERS)}, got {format_name!r}")
    run: Revise = import_module(REVISERS[format_name]).revise
    run(source, revisions)

"""A table of objects, a row each. Written only: it holds no masks.

Areas and perimeters are in pixels; the perimeter is the length of the outline along pixel borders, holes included.
The mean colour is that of the object's pixels, empty where the picture was not found.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from maskweave.formats.base import Format, Options, Put
from maskweave.formats.ledger import Ledger
from maskweave.formats.record import Record
from maskweave.ops.centres import object_centres
from maskweave.outputs.files import atomic_file
from maskweave.sources.images import read_image
from maskweave.types.arrays import Image, Mask

COLUMNS = (
    *("file_name", "video", "frame", "time_seconds", "object", "track_id", "class", "category_id", "score"),
    *("crowd", "area", "perimeter", "centre_x", "centre_y", "x1", "y1", "x2", "y2"),
    *("mean_red", "mean_green", "mean_blue"),
)


def perimeter(crop: Mask) -> int:
    """How many sides of its pixels border on what is not the object.

    >>> perimeter(np.ones((2, 3), dtype=bool))
    10
    """
    framed = np.pad(crop, 1)
    across = np.count_nonzero(framed[1:] != framed[:-1])
    return int(across + np.count_nonzero(framed[:, 1:] != framed[:, :-1]))


@contextmanager
def write(path: Path, options: Options, ledger: Ledger) -> Iterator[Put]:
    """Write rows as records come (UTF-8)."""
    with (
        atomic_file(path, only_ours=True) as part,
        part.open("w", encoding="utf-8", newline="") as file,
    ):
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)

        def put(record: Record) -> None:
            rows.writerows(_rows(record, ledger))

        yield put


def _rows(record: Record, ledger: Ledger) -> list[list[Any]]:
    instances, masks = record.instances, record.instances.masks
    ids = {each.name: each.id for each in record.categories}
    picture = read_image(record.picture) if record.picture is not None and len(instances) else None
    if picture is not None and picture.shape[:2] != record.size:
        picture = None
    if picture is None:
        ledger.lost("pictures", len(instances))
    centres, boxes = object_centres(instances).tolist(), instances.boxes.tolist()
    found = []
    for row, (name, (crop, x, y)) in enumerate(zip(instances.names, masks.placed(), strict=True)):
        about = [
            *(record.file_name, record.video, "" if record.frame is None else record.frame),
            *("" if record.time is None else record.time, row + 1),
            "" if instances.track_ids is None else int(instances.track_ids[row]),
            *(name, ids.get(name, ""), round(float(instances.scores[row]), 5), int(record.crowds[row])),
        ]
        place = [round(each, 2) for each in (*centres[row], *boxes[row])]
        found.append(
            [*about, int(masks.areas[row]), perimeter(crop), *place, *_mean_colour(picture, crop, x, y)]
        )
    return found


def _mean_colour(picture: Image | None, crop: Mask, x: int, y: int) -> list[float | str]:
    if picture is None or not crop.size:
        return ["", "", ""]
    inside = picture[y : y + crop.shape[0], x : x + crop.shape[1]][crop]
    return [round(each, 1) for each in inside.mean(axis=0).tolist()]


FORMAT = Format(
    name="csv",
    title="CSV of objects",
    layout="one `.csv`",
    keeps=frozenset({"boxes", "scores", "tracks", "crowd", "class names", "category ids", "file names"}),
    recognise=None,
    read=None,
    write=write,
    note="masks",
)

"""CSV: a table with a row for each object. Written only: it holds no masks.

``track_id`` is empty where there is none. Lines add the columns "line NAME" (forward or backward where this object
crosses it in this frame), and the counts so far "line NAME forward" and "… backward"; zones add "zone NAME" (1 where
this object stands in it), "… inside" and "… seen".

Areas and perimeters are in pixels; the perimeter is the length of the outline along pixel borders, holes included.
The mean color is that of the object's pixels, empty where the image was not found.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from maskweave.annotations.base import Format, Put
from maskweave.annotations.options import Options
from maskweave.annotations.record import Record
from maskweave.annotations.report import Report
from maskweave.annotations.text_files import text_file
from maskweave.files import CSV_MARK
from maskweave.ops.centers import object_centers
from maskweave.sources.images import read_image
from maskweave.types.arrays import Image, Mask
from maskweave.types.counts import Counts

COLUMNS = (
    *CSV_MARK.rstrip(",").split(","),
    *("center_x", "center_y", "x1", "y1", "x2", "y2", "video", "object", "category_id", "crowd", "perimeter"),
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
def write(path: Path, options: Options, report: Report) -> Iterator[Put]:
    """Write rows as records come (UTF-8); the first record says which lines and zones are counted."""
    with text_file(path, options) as file:
        rows = csv.writer(file, lineterminator="\n")
        has_head = False

        def put(record: Record) -> None:
            nonlocal has_head
            if not has_head:
                rows.writerow([*COLUMNS, *_count_columns(record.counts or Counts())])
                has_head = True
            rows.writerows(_rows(record, report))

        yield put
        if not has_head:
            rows.writerow(COLUMNS)


def _rows(record: Record, report: Report) -> list[list[Any]]:
    instances, masks = record.instances, record.instances.masks
    ids = {each.name: each.id for each in record.categories}
    pixels = _pixels(record)
    if pixels is None:
        report.lost("images", len(instances))
    centers, boxes = object_centers(instances).tolist(), instances.boxes.tolist()
    counts = record.counts or Counts()
    found = []
    for row, (name, (crop, x, y)) in enumerate(zip(instances.names, masks.placed(), strict=True)):
        track_id = "" if instances.track_ids is None else int(instances.track_ids[row])
        found.append(
            [
                "" if record.frame is None else record.frame,
                record.file_name,
                "" if record.time is None else record.time,
                *(track_id, name, round(float(instances.scores[row]), 5), int(masks.areas[row])),
                *(round(each, 2) for each in (*centers[row], *boxes[row])),
                *(record.video, row + 1, ids.get(name, ""), int(record.crowds[row]), perimeter(crop)),
                *_mean_color(pixels, crop, x, y),
                *_count_cells(counts, track_id),
            ]
        )
    return found


def _pixels(record: Record) -> Image | None:
    """The image, in memory or from its file, where it is of the objects' size."""
    pixels = record.pixels
    if pixels is None and record.image is not None and len(record.instances):
        pixels = read_image(record.image)
    return pixels if pixels is not None and pixels.shape[:2] == record.size else None


def _mean_color(image: Image | None, crop: Mask, x: int, y: int) -> list[float | str]:
    if image is None or not crop.size:
        return ["", "", ""]
    inside = image[y : y + crop.shape[0], x : x + crop.shape[1]][crop]
    return [round(each, 1) for each in inside.mean(axis=0).tolist()]


def _count_columns(counts: Counts) -> list[str]:
    columns = []
    for line in counts.lines:
        name = f"line {line.line.name}"
        columns += [name, f"{name} forward", f"{name} backward"]
    for zone in counts.zones:
        name = f"zone {zone.zone.name}"
        columns += [name, f"{name} inside", f"{name} seen"]
    return columns


def _count_cells(counts: Counts, track_id: int | str) -> list[int | str]:
    cells: list[int | str] = []
    for line in counts.lines:
        forward, backward = track_id in line.forward_now, track_id in line.backward_now
        way = "forward" if forward else "backward" if backward else ""
        cells += [way, line.forward, line.backward]
    for zone in counts.zones:
        cells += [int(track_id in zone.inside), len(zone.inside), zone.seen]
    return cells


FORMAT = Format(
    name="csv",
    title="CSV of objects",
    layout="one `.csv`",
    holds=frozenset({"boxes", "scores", "tracks", "crowd", "class names", "category ids", "file names"}),
    detect=None,
    read=None,
    write=write,
    suffix=".csv",
    media_type="text/csv",
    note="masks",
)

"""A table with one row for each object of each frame."""

from __future__ import annotations

import csv
from pathlib import Path

from maskweave.errors import InvalidValue
from maskweave.ops.centres import object_centres
from maskweave.outputs.base import Target, Writer
from maskweave.outputs.files import CSV_MARK, atomic_file
from maskweave.types.counts import Counts
from maskweave.types.frame import Frame
from maskweave.types.instances import Instances
from maskweave.types.prediction import Prediction

COLUMNS = (*CSV_MARK.rstrip(",").split(","), "centre_x", "centre_y", "x1", "y1", "x2", "y2")
"""Area, centre of mass and box are in pixels, the box's end excluded; ``track_id`` is empty where there is none."""


class TableFile(Writer):
    """``<name>.csv``: one row for each object of each frame, written as they come (UTF-8).

    Lines add the columns "line NAME" (forward or backward where this object crosses it in this frame), and the counts
    so far "line NAME forward" and "… backward"; zones add "zone NAME" (1 where this object stands in it), "… inside"
    and "… seen". Raises `OutputError` when a foreign file of that name is there.
    """

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._path = target.path(".csv")
        self._has_head = False

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def begin(self) -> None:
        """Open the file."""
        temporary = self.files.enter_context(atomic_file(self._path, only_ours=True))
        file = self.files.enter_context(temporary.open("w", encoding="utf-8", newline=""))
        self._rows = csv.writer(file, lineterminator="\n")

    def write(self, frame: Frame, prediction: Prediction) -> None:
        """Add one frame's objects."""
        if not isinstance(prediction, Instances):
            raise InvalidValue("csv: need instances, got a semantic map; use --task instances")
        counts = prediction.counts or Counts()
        self._write_head(counts)
        name, time = self.target.file_name(frame), round(float(frame.time), 6)
        areas, centres = prediction.masks.areas.tolist(), object_centres(prediction).tolist()
        for row, class_name in enumerate(prediction.names):
            track_id = "" if prediction.track_ids is None else int(prediction.track_ids[row])
            place = [round(each, 2) for each in (*centres[row], *prediction.boxes[row].tolist())]
            score = round(float(prediction.scores[row]), 5)
            counted = _count_cells(counts, track_id)
            self._rows.writerow(
                [frame.index, name, time, track_id, class_name, score, areas[row], *place, *counted]
            )

    def finish(self) -> None:
        """A table without rows has its head all the same."""
        self._write_head(Counts())

    def _write_head(self, counts: Counts) -> None:
        if not self._has_head:
            self._rows.writerow([*COLUMNS, *_count_columns(counts)])
            self._has_head = True


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

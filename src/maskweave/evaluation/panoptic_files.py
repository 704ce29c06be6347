"""Read panoptic truth and results, image by image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from maskweave.annotations.options import Options
from maskweave.annotations.panoptic import read
from maskweave.annotations.record import Record
from maskweave.annotations.report import Report
from maskweave.annotations.store import RecordStore
from maskweave.evaluation.panoptic import PanopticMap, PanopticMetric, Segment
from maskweave.types.arrays import IntArray
from maskweave.types.masks import Masks


class PanopticFile:
    """One panoptic file (or its folder), kept on the disk until an image is asked for.

    Args:
        path: The JSON file, or a folder with ``panoptic.json``.
        report: Takes down what cannot be used.
        folder: Of the segments' PNGs; by default the JSON file's name without ``.json``.
        like: The truth, whose images and categories hold for a file of results that lists none.

    Attributes:
        class_names: Of all categories, in file order.
        is_thing: Of each class.
        images: Number of the record of each image id.
    """

    def __init__(
        self, path: Path, report: Report, *, folder: Path | None = None, like: PanopticFile | None = None
    ) -> None:
        self.path = path
        self._records = RecordStore()
        self.images: dict[int | str, int] = {}
        self.class_names: tuple[str, ...] = ()
        self.is_thing: tuple[bool, ...] = ()
        truth = None if like is None else like.json
        for record in read(path, Options(segments=folder, truth=truth), report):
            self.class_names = tuple(each.name for each in record.categories)
            self.is_thing = tuple(each.thing for each in record.categories)
            self.images[record.image_id if record.image_id is not None else len(self.images)] = len(
                self._records
            )
            self._records.append(record)

    @property
    def json(self) -> Path:
        """The JSON file."""
        return self.path / "panoptic.json" if self.path.is_dir() else self.path

    def record(self, image_id: int | str) -> Record:
        """What is known of one image."""
        return self._records[self.images[image_id]]


def panoptic_map(record: Record, class_names: tuple[str, ...]) -> PanopticMap:
    """The segments of a record, in the classes ``class_names``; those of other classes are void."""
    index = {name: row for row, name in enumerate(class_names)}
    known = record.select(np.array([name in index for name in record.instances.names], dtype=np.bool_))
    ids = _painted(known.instances.masks)
    segments = {
        row + 1: Segment(index[name], bool(crowd))
        for row, (name, crowd) in enumerate(zip(known.instances.names, known.crowds, strict=True))
    }
    if record.semantic is not None:
        outside = (record.instances.masks.union() == 0) & (record.semantic.class_map != 0)
        for number in np.unique(record.semantic.class_map[outside]).tolist():
            name = record.semantic.class_names[number]
            if name in index:
                key = len(segments) + 1
                segments[key] = Segment(index[name], False)
                ids = np.where(outside & (record.semantic.class_map == number), key, ids)
    present = set(np.unique(ids).tolist())
    return PanopticMap(ids, {key: each for key, each in segments.items() if key in present})


def _painted(masks: Masks) -> IntArray:
    """(H, W) row + 1 of the mask at each pixel, 0 where none is; segments do not overlap."""
    ids = np.zeros(masks.size, dtype=np.int64)
    for row, (crop, x, y) in enumerate(masks.placed()):
        ids[y : y + crop.shape[0], x : x + crop.shape[1]][crop] = row + 1
    return ids


def add_files(
    metric: PanopticMetric,
    truth: PanopticFile,
    results: PanopticFile,
    report: Report,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Give every image of ``truth`` and the result of the same image id to ``metric``.

    A result that is missing counts as an image in which nothing was found.

    Raises:
        BadRecord: Something is wrong with a record, and ``report`` is strict.
    """
    for image_id in [each for each in results.images if each not in truth.images]:
        name = results.record(image_id).file_name
        report.add(f"{results.path}: {name}: need an image of the truth, got id {image_id}; it is left out")
    for done, image_id in enumerate(truth.images, start=1):
        known = panoptic_map(truth.record(image_id), truth.class_names)
        metric.add(known, _found(truth, results, image_id, known, report))
        if progress is not None:
            progress(done, len(truth.images))


def _found(
    truth: PanopticFile, results: PanopticFile, image_id: int | str, known: PanopticMap, report: Report
) -> PanopticMap:
    nothing = PanopticMap(np.zeros(known.size, dtype=np.int64), {})
    name = truth.record(image_id).file_name
    if image_id not in results.images:
        report.add(f"{results.path}: {name} (id {image_id}) is missing; its segments count as not found")
        return nothing
    record = results.record(image_id)
    if record.size != known.size:
        report.add(
            f"{results.path}: {name}: need (height, width) {known.size}, got {record.size}; "
            "its segments count as not found"
        )
        return nothing
    return panoptic_map(record, truth.class_names)

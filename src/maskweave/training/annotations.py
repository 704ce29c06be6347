"""Read annotations of any format as the compact records that training uses.

Beside the objects three of COCO's optional keys are honored: the classes that an image has labeled exhaustively (any
other class is unknown, not absent), masks that may hold parts of neighbors, and objects of which only the box is
known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskweave.annotations.convert import detect_name, read_records
from maskweave.annotations.options import Options
from maskweave.annotations.record import Record
from maskweave.annotations.report import Report
from maskweave.annotations.values import Id
from maskweave.errors import InvalidValue, SourceError
from maskweave.evaluation.coco_truth import CocoTruth, truth_of
from maskweave.training.errors import TrainingDataError

OTHER = -1
"""Class index of an object whose category is not trained: it teaches boxes and masks, never a class."""


@dataclass(frozen=True, slots=True)
class MaskCrop:
    """A mask cut to its own extent.

    Attributes:
        bits: ``numpy.packbits`` of the crop, row by row.
        shape: (height, width) of the crop.
        corner: (x, y) of the crop's top-left pixel in the image.
    """

    bits: NDArray[np.uint8]
    shape: tuple[int, int]
    corner: tuple[int, int]

    @classmethod
    def of(cls, crop: NDArray[np.bool_], corner: tuple[int, int]) -> MaskCrop | None:
        """A bool crop at its corner; None where it has no pixel."""
        return cls(np.packbits(crop), (crop.shape[0], crop.shape[1]), corner) if crop.size else None

    def dense(self) -> NDArray[np.uint8]:
        """The crop as (height, width) uint8 of 0 and 1."""
        height, width = self.shape
        return np.unpackbits(self.bits, count=height * width).reshape(height, width)


@dataclass(frozen=True, slots=True)
class ObjectRecord:
    """One annotated object.

    Attributes:
        class_index: Index into the trained class names, or `OTHER`.
        box: x1, y1, x2, y2 in image pixels.
        mask: None when only the box is known.
        mask_exact: False when the mask may hold parts of neighbors of the same class.
        crowd: True for a region of uncounted objects; it teaches nothing and forbids nothing.
        trust: 1 for what a person labeled; less for what a teacher believes.
    """

    class_index: int
    box: tuple[float, float, float, float]
    mask: MaskCrop | None
    mask_exact: bool
    crowd: bool
    trust: float = 1.0


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One image with its objects; `labeled` is a bool (C,) array of the classes labeled exhaustively there."""

    image_id: Id
    path: Path
    size: tuple[int, int]
    labeled: NDArray[np.bool_]
    objects: tuple[ObjectRecord, ...]
    source: str


@dataclass(frozen=True)
class TrainingSet:
    """All images of one data set, in file order.

    Attributes:
        class_names: The trained classes.
        images: The images.
        problems: First lines of what could not be used.
        class_ids: The file's own id of each of its classes by name; empty where it has no ids.
        notes: What to say of it before training begins, as `notes_of` has it.
    """

    class_names: tuple[str, ...]
    images: tuple[ImageRecord, ...]
    problems: tuple[str, ...] = ()
    class_ids: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_training_set(
    annotations: Path,
    images: Path,
    *,
    class_names: Sequence[str] | None = None,
    exclude_sources: Sequence[str] = (),
    report: Report | None = None,
) -> TrainingSet:
    """Read annotations in any format with their images; of a ``data.yaml`` the training part.

    What cannot be used costs the object or image that has it, and is noted.

    Args:
        annotations: The file or folder.
        images: Folder that the file names (in a ``data.yaml``: the entries) are relative to.
        class_names: Classes to train; None takes every class of the file. Objects of other classes become `OTHER`.
        exclude_sources: Values of the images' ``source`` key to leave out.
        report: Takes down what cannot be used; a strict one raises at the first.

    Raises:
        TrainingDataError: The file is of no known format, is empty, names images that are missing, or lacks a class
            asked for.
    """
    report = report or Report()
    records: list[Record] = []
    known: dict[str, None] = {}
    objects: list[tuple[list[str], list[ObjectRecord]]] = []
    for record in _records(annotations, images, "train", report):
        if record.source in exclude_sources and record.source:
            continue
        known |= dict.fromkeys(record.instances.class_names)
        objects.append(_objects(record, report))
        records.append(record.select(np.zeros(len(record.instances), np.bool_)))
    names, index = class_indices(annotations, tuple(known), class_names)
    found = tuple(
        ImageRecord(
            image_id=number if record.image_id is None else record.image_id,
            path=record.image or images / record.file_name,
            size=record.size,
            labeled=_labeled(record, names),
            objects=tuple(
                replace(item, class_index=index.get(name, OTHER)) for name, item in zip(*rows, strict=True)
            ),
            source=record.source,
        )
        for number, (record, rows) in enumerate(zip(records, objects, strict=True))
    )
    check_records(annotations, images, names, found, report.messages)
    class_ids = {each.name: each.id for record in records for each in record.categories}
    return TrainingSet(names, found, tuple(report.messages), class_ids, notes_of(report))


def notes_of(report: Report, called: str = "annotations") -> tuple[str, ...]:
    """How much of annotations cannot be used, why the first of it cannot, and what else is worth knowing."""
    notes = report.notes()
    if report.problems:
        count = f"{report.problems:,} of the {called}' objects or images"
        notes.insert(0, f"{count} have a problem; the first: {report.messages[0]}")
    return tuple(notes)


def read_truths(
    annotations: Path, images: Path, class_names: Sequence[str], report: Report | None = None
) -> list[CocoTruth]:
    """The truth of a data set to validate on, of a ``data.yaml`` its ``val`` part; file names start from ``images``.

    ``report`` takes down what cannot be used.

    Raises:
        TrainingDataError: As `read_training_set`.
    """
    truths = []
    for record in _records(annotations, images, "val", report or Report()):
        truth = truth_of(record, class_names)
        truths.append(replace(truth, file_name=_name_from(images, record)))
    if not truths:
        raise TrainingDataError(f"{annotations}: the data set is empty. Give a file with at least one image.")
    return truths


def validation_images(annotations: Path, images: Path) -> Iterator[Path]:
    """The image files of a data set to validate on, read as `read_truths` does, once they are asked for."""
    for record in _records(annotations, images, "val", Report()):
        yield record.image or images / record.file_name


@contextmanager
def _training_errors() -> Iterator[None]:
    try:
        yield
    except (InvalidValue, SourceError) as error:
        raise TrainingDataError(str(error)) from error


def _records(annotations: Path, images: Path, part: str, report: Report) -> Iterator[Record]:
    options = Options(images=images, part=part, follow=True)
    with _training_errors():
        form = detect_name(annotations, default="coco")
        yield from read_records(annotations, form, options=options, report=report)


def _name_from(images: Path, record: Record) -> str:
    """Where a record's image is, from the folder of images."""
    if record.image is None:
        return record.file_name
    place = record.image.resolve()
    home = images.resolve()
    return place.relative_to(home).as_posix() if place.is_relative_to(home) else str(place)


def class_indices(
    annotations: Path, known: Sequence[str], class_names: Sequence[str] | None
) -> tuple[tuple[str, ...], dict[str, int]]:
    """The trained class names, and the index among them of each of a file's classes that is trained.

    Raises:
        TrainingDataError: A class asked for is not among the ``known`` names.
    """
    names = tuple(class_names) if class_names is not None else tuple(known)
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise TrainingDataError(
            f"{annotations}: classes {', '.join(unknown)} are not among its categories ({', '.join(known)}). "
            "Check the spelling or leave them out of --classes."
        )
    return names, {name: row for row, name in enumerate(names)}


def check_records(
    annotations: Path,
    images: Path,
    names: Sequence[str],
    records: Sequence[ImageRecord],
    problems: Sequence[str] = (),
) -> None:
    """Refuse a data set from which nothing can be learned.

    Raises:
        TrainingDataError: It has no image, lacks image files, or has no object of any class.
    """
    if not records:
        raise TrainingDataError(f"{annotations}: the data set is empty. Give a file with at least one image.")
    missing = [record.path for record in records if not record.path.is_file()]
    if missing:
        shown = ", ".join(path.name for path in missing[:3])
        raise TrainingDataError(
            f"{annotations}: {len(missing)} of {len(records)} images are missing from {images} (first: {shown}). "
            "Point --images at the folder that holds them."
        )
    counts = np.zeros(len(names), dtype=int)
    for record in records:
        for item in record.objects:
            if item.class_index >= 0 and not item.crowd:
                counts[item.class_index] += 1
    empty = [name for name, count in zip(names, counts, strict=True) if count == 0]
    if len(empty) == len(names):
        raise TrainingDataError(
            f"{annotations}: no image has an object of {', '.join(names)}. Nothing can be learned."
            + (f" First of {len(problems)} problems: {problems[0]}" if problems else "")
        )


def classes_without_objects(data: TrainingSet) -> tuple[str, ...]:
    """Names of the classes that no object of the set carries; the network would never learn them."""
    seen = {item.class_index for image in data.images for item in image.objects if not item.crowd}
    return tuple(name for index, name in enumerate(data.class_names) if index not in seen)


def _labeled(record: Record, names: Sequence[str]) -> NDArray[np.bool_]:
    """(C,) which of the trained classes are labeled exhaustively in an image."""
    return np.array([record.labeled is None or name in record.labeled for name in names], dtype=np.bool_)


def _objects(record: Record, report: Report) -> tuple[list[str], list[ObjectRecord]]:
    """The class names and objects of a record; one without a pixel inside the image teaches nothing."""
    instances, (height, width) = record.instances, record.size
    exact = np.ones(len(instances), np.bool_) if record.exact is None else record.exact
    names, objects = [], []
    for row, (crop, x, y) in enumerate(instances.masks.placed()):
        x1, y1, x2, y2 = instances.boxes[row].tolist()
        box = (max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height)))
        if box[2] - box[0] < 1 or box[3] - box[1] < 1:
            report.leave_out("objects of less than a pixel inside their image")
            continue
        names.append(instances.names[row])
        mask = MaskCrop.of(crop, (x, y))
        objects.append(ObjectRecord(OTHER, box, mask, bool(exact[row]), bool(record.crowds[row])))
    return names, objects

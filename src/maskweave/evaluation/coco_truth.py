"""Read ground truth for AP, from annotations in any format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskweave.annotations.convert import detect_name, read_records
from maskweave.annotations.objects import make_objects
from maskweave.annotations.options import Options
from maskweave.annotations.record import Record
from maskweave.annotations.report import Report
from maskweave.annotations.segmentation import solid_masks
from maskweave.annotations.store import RecordStore
from maskweave.errors import InvalidValue, SourceNotFound
from maskweave.types.arrays import FloatArray
from maskweave.types.instances import Instances


@dataclass(frozen=True)
class CocoTruth:
    """The labeled objects of one image.

    Attributes:
        instances: Objects of the measured classes; scores are 1.
        crowd: (N,) bool, True for a region of uncounted objects: finding something there costs nothing.
        labeled: Names of the classes labeled exhaustively in the image; None means all. What a model finds of
            another class is unknown rather than wrong.
        file_name: Of the image, relative to its folder.
        source: Where the image comes from, "" where the file does not say.
        image_id: The file's own; without one the number of the image, from 1.
        areas: (N,) square pixels as the file states them, by which COCO tells small objects from large ones; None
            where they are to be counted from the masks.
        box_only: (N,) bool, True for an object without a mask, whose rectangle stands in for it; None means no such.
    """

    instances: Instances
    crowd: NDArray[np.bool_]
    labeled: frozenset[str] | None
    file_name: str
    source: str = ""
    image_id: int | str = 0
    areas: FloatArray | None = None
    box_only: NDArray[np.bool_] | None = None


class CocoTruthFile:
    """Annotations with the truth. All records are read and checked at once, and kept on the disk until asked for.

    Args:
        path: A file or folder in any format that can be read; the validation part of a ``data.yaml``.
        report: Takes down what cannot be used: ids that come twice, images and categories that the file does not
            know, damaged masks.
        sources: Only images whose ``source`` is one of these.

    Attributes:
        class_names: Names of its classes, in file order.
        images: Number of the record, name and size of each image, in file order; without those of other sources.
        has_masks: Whether any object has a mask, rather than boxes alone.

    Raises:
        SourceNotFound: There is no such file.
        InvalidValue: It is of no known format, or no image is left.
    """

    def __init__(
        self,
        path: Path,
        *,
        report: Report | None = None,
        sources: Sequence[str] | None = None,
    ) -> None:
        self.path = path
        self.report = report or Report(strict=True)
        if not path.exists():
            raise SourceNotFound(f"{path}: no such annotation file")
        form = detect_name(path, default="coco")
        self._records = RecordStore()
        self.images: list[ImageEntry] = []
        names: dict[str, None] = {}
        keys: set[int | str] = set()
        self.has_masks = False
        for record in read_records(path, form, options=Options(part="val"), report=self.report):
            names |= dict.fromkeys(record.instances.class_names)
            self.has_masks |= bool((~record.box_only).any())
            if sources is None or record.source in sources:
                number = len(self._records)
                key = number + 1 if record.image_id is None else record.image_id
                if key in keys:  # of several files, which each begin with image 1
                    key = f"{number + 1}, {record.file_name}"
                keys.add(key)
                self.images.append(ImageEntry(number, key, record.file_name, record.size))
                self._records.append(record)
        self.class_names = tuple(names)
        if not self.images:
            raise InvalidValue(f"{path}: need at least one image to measure on, got none")

    def truths(self, class_names: Sequence[str] | None = None) -> Iterator[CocoTruth]:
        """Yield what is known of each image; objects of classes not in ``class_names`` are left out."""
        names = self.class_names if class_names is None else tuple(class_names)
        for entry in self.images:
            yield truth_of(self._records[entry.number], names, image_id=entry.image_id)


@dataclass(frozen=True)
class ImageEntry:
    """One image of a `CocoTruthFile`: the number of its record, its id, its name and its (height, width)."""

    number: int
    image_id: int | str
    file_name: str
    size: tuple[int, int]


def truth_of(record: Record, class_names: Sequence[str], *, image_id: int | str = 0) -> CocoTruth:
    """A record as the truth of an image, with the objects of ``class_names``, in these classes.

    A mask that is missing is the rectangle of the box.
    """
    index = {name: row for row, name in enumerate(class_names)}
    kept = record.select(np.array([name in index for name in record.instances.names], dtype=np.bool_))
    found = kept.instances
    return CocoTruth(
        instances=make_objects(
            solid_masks(found), [index[name] for name in found.names], class_names, boxes=found.boxes
        ),
        crowd=kept.crowds,
        labeled=record.labeled,
        file_name=record.file_name,
        source=record.source,
        image_id=image_id,
        areas=kept.stated_areas,
        box_only=kept.box_only,
    )


def read_coco_truth(
    annotations: Path, class_names: Sequence[str], *, sources: Sequence[str] | None = None
) -> list[CocoTruth]:
    """Read the truth of every image of annotations in any format, in file order.

    Objects of classes that are not in `class_names` are left out; so are images whose ``source`` is not in
    `sources`, where that is given.

    Raises:
        SourceNotFound: There is no such file.
        InvalidValue: It is of no known format, or no image is left.
        BadRecord: One of its records cannot be used.
    """
    return list(CocoTruthFile(annotations, sources=sources).truths(class_names))

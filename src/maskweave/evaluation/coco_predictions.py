"""Read predictions for the images of a truth: result lists, annotations with scores, or folders of these."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import numpy as np

from maskweave.annotations.coco_results import unique_names
from maskweave.annotations.convert import detect, detect_name, read_records
from maskweave.annotations.objects import make_objects
from maskweave.annotations.options import Options
from maskweave.annotations.record import Record
from maskweave.annotations.segmentation import solid_masks
from maskweave.annotations.store import RecordStore
from maskweave.errors import InvalidValue, SourceNotFound
from maskweave.evaluation.coco_truth import CocoTruth, CocoTruthFile, ImageEntry
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks, concatenate


class CocoPredictions:
    """The predictions for a `CocoTruthFile`; all are read at once, and kept on the disk until asked for.

    A *result list* (``[{"image_id", "category_id", "score", "segmentation" or "bbox"}, …]``) names images and
    categories by the truth's ids. Annotations in any other format, with a score for each object (1 where there is
    none), have images and classes of their own: classes are the truth's of the same name, an image is the one of the
    same id and file name, or else of the same file name.

    Args:
        path: The file, or a folder of such files.
        truth: Whose images and classes are meant; its `Report` takes down what cannot be used.

    Attributes:
        masked: Whether there are masks; otherwise only boxes can be measured.

    Raises:
        SourceNotFound: There is no such file, or no JSON file in the folder.
        InvalidValue: A file is of no known format.
    """

    def __init__(self, path: Path, truth: CocoTruthFile) -> None:
        self.path = path
        self._truth, self._report = truth, truth.report
        self._records = RecordStore()
        self._of: dict[int | str, list[int]] = {}
        self._by_id = {entry.image_id: entry for entry in truth.images}
        self._by_name = _by_names(truth.images)
        self._strangers: dict[str, int] = {}
        self.masked = False
        for file in _files(path):
            self._read(file)
        for what, count in self._strangers.items():
            more = "it is" if count == 1 else f"its {count:,} objects are"
            self._report.problem(f"{path}", f"{what} is not in the truth; {more} left out")
        for entry in truth.images:
            if entry.image_id not in self._of:
                self._report.problem(
                    f"{path}", f"image {entry.file_name} is missing; its objects count as not found"
                )

    def of(self, truth: CocoTruth) -> Instances:
        """What was found in one image, in the truth's classes."""
        names = self._truth.class_names
        found = [self._known(self._records[number]) for number in self._of.get(truth.image_id, ())]
        return _united([each for each in found if len(each)], truth.instances.size, names)

    def _read(self, file: Path) -> None:
        form = detect_name(file, default="coco-results")
        listed = form == "coco-results"
        options = Options(truth=self._truth.path if listed else None)
        for record in read_records(file, form, options=options, report=self._report):
            with self._report.record(f"{file.name}, {record.file_name}"):
                known = "" if record.image_id is None else record.image_id
                entry = self._by_id.get(known) if listed else self._entry(record)
                if entry is None:
                    continue
                self.masked |= bool((~record.box_only).any())
                self._count_strangers(record)
                self._of.setdefault(entry.image_id, []).append(len(self._records))
                self._records.append(record)

    def _entry(self, record: Record) -> ImageEntry:
        """The truth's image that a record of another file is of."""
        name = record.file_name
        entry = self._by_id.get(record.image_id) if record.image_id is not None else None
        if entry is None or entry.file_name != name:
            entry = self._by_name.get(name) or self._by_name.get(PurePosixPath(name).name)
        if entry is None:
            raise InvalidValue(f"need an image of the truth, got {name}; its objects are left out")
        if entry.size != record.size:
            raise InvalidValue(
                f"need {name} in (height, width) {entry.size}, got {record.size}; its objects are left out"
            )
        return entry

    def _count_strangers(self, record: Record) -> None:
        for name in record.instances.names:
            if name not in self._truth.class_names:
                what = f"class {name!r}"
                self._strangers[what] = self._strangers.get(what, 0) + 1

    def _known(self, record: Record) -> Instances:
        """A record's objects of the truth's classes; where masks are measured, those that have one."""
        instances = record.instances
        known = np.array([name in self._truth.class_names for name in instances.names], dtype=np.bool_)
        boxes = record.box_only & known
        if self.masked and boxes.any():
            self._report.problem(
                f"{self.path}, {record.file_name}",
                f"need a segmentation as other objects have it, got {int(boxes.sum())} with a bbox alone",
            )
            known &= ~boxes
        return instances[known]


def _united(found: list[Instances], size: tuple[int, int], names: tuple[str, ...]) -> Instances:
    """The objects of several records of one image, in the classes ``names``."""
    index = {name: row for row, name in enumerate(names)}
    return make_objects(
        concatenate([Masks.empty(size), *map(solid_masks, found)]),
        [index[name] for each in found for name in each.names],
        names,
        boxes=np.concatenate([np.zeros((0, 4)), *(each.boxes for each in found)]),
        scores=np.concatenate([np.zeros(0), *(each.scores for each in found)]),
    )


def _files(path: Path) -> list[Path]:
    """The file; of a folder that is none of the known formats its JSON files."""
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.glob("*.json") if not file.name.endswith(".tracks.json"))
    if files:
        return files
    try:
        detect(path)
    except InvalidValue as error:
        raise SourceNotFound(
            f"{path}: need a folder with JSON files of results, there is none in it"
        ) from error
    return [path]


def _by_names(images: Iterable[ImageEntry]) -> dict[str, ImageEntry]:
    """Images by file name, and by file name without its folder, where these are not ambiguous."""
    return unique_names(
        (name, image) for image in images for name in {image.file_name, PurePosixPath(image.file_name).name}
    )

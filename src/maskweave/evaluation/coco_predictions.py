"""What files say was found in the images of a COCO truth: result lists, instances files with scores, or folders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from maskweave.errors import InvalidValue, SourceNotFound
from maskweave.evaluation.coco_truth import CocoTruth, CocoTruthFile, load_json, outline
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks, concatenate


class _Row(NamedTuple):
    record: Mapping[str, Any]
    named: str
    class_id: int
    score: float


class CocoPredictions:
    """The predictions for a `CocoTruthFile`. Records are checked at once, masks are made image by image.

    A *result list* (``[{"image_id", "category_id", "score", "segmentation" or "bbox"}, …]``) names images and
    categories by the truth's ids. An *instances file* with a ``score`` in each annotation, as MaskWeave writes it,
    has images and categories of its own: categories are the truth's of the same name, an image is the one of the
    same id and file name, or else of the same file name.

    Args:
        path: The file, or a folder of such files.
        truth: Whose images and classes are meant; its `Problems` takes down records that cannot be used.

    Attributes:
        masked: Whether there are masks; otherwise only boxes can be measured.

    Raises:
        SourceNotFound: There is no such file, or no JSON file in the folder.
        InvalidValue: A file is neither a result list nor an instances file.
    """

    def __init__(self, path: Path, truth: CocoTruthFile) -> None:
        self.path = path
        self._truth = truth
        self._problems = truth.problems
        self._rows: dict[int, list[_Row]] = {}
        self._by_name = _unique(truth.images_by_id.values())
        seen: set[int] | None = set()
        for file in _files(path):
            data = load_json(file, "COCO results")
            if isinstance(data, list):
                self._take(file, data, truth.category_names, {i: i for i in truth.images_by_id})
                seen = None  # such a list does not say in which images nothing was found
            else:
                images = self._take_instances(file, data)
                seen = None if seen is None else seen | images
        if seen is not None:
            self._tell_missing(seen)
        self.masked = any(row.record.get("segmentation") for rows in self._rows.values() for row in rows)

    def of(self, truth: CocoTruth) -> Instances:
        """What was found in one image, in the truth file's classes."""
        names, size = self._truth.class_names, truth.instances.size
        kept: list[tuple[_Row, Masks, list[float]]] = []
        for row in self._rows.get(truth.image_id, []):
            with self._problems.naming(f"{row.named} (image {truth.file_name})"):
                if self.masked and row.record.get("bbox") and not row.record.get("segmentation"):
                    raise InvalidValue("need a segmentation as other records have it, got a bbox alone")
                kept.append((row, *outline(row.record, size)))
        masks = [mask for _, mask, _ in kept]
        return Instances(
            masks=concatenate(masks) if masks else Masks.empty(size),
            boxes=np.array([box for _, _, box in kept], dtype=np.float64).reshape(-1, 4),
            scores=np.array([row.score for row, _, _ in kept]),
            class_ids=np.array([row.class_id for row, _, _ in kept], dtype=np.int64),
            class_names=names,
        )

    def _take_instances(self, file: Path, data: Any) -> set[int]:
        """Take the records of an instances file; returns the truth's ids of its images."""
        wanted = ("images", "annotations", "categories")
        if not isinstance(data, dict) or not all(isinstance(data.get(key), list) for key in wanted):
            raise InvalidValue(
                f"{file}: need a list of COCO results, or the lists {', '.join(wanted)}; got neither"
            )
        categories = {}
        for number, each in enumerate(data["categories"]):
            with self._problems.naming(f"{file}: category {number}"):
                categories[int(each["id"])] = str(each["name"])
        images: dict[int, int | None] = {}
        for number, each in enumerate(data["images"]):
            with self._problems.naming(f"{file}: image {number}"):
                images[int(each["id"])] = None
                images[int(each["id"])] = self._image(each)
        self._take(file, data["annotations"], categories, images)
        return {image for image in images.values() if image is not None}

    def _image(self, image: Mapping[str, Any]) -> int:
        """The truth's id of an image of another file."""
        name = str(image["file_name"])
        known = self._truth.images_by_id.get(int(image["id"]))
        if known is None or known["file_name"] != name:
            found = self._by_name.get(name, self._by_name.get(PurePosixPath(name).name))
            if found is None:
                raise InvalidValue(f"need an image of the truth, got {name}; its records are left out")
            known = self._truth.images_by_id[found]
        sizes = [(int(each["height"]), int(each["width"])) for each in (known, image) if "height" in each]
        if sizes[0] != sizes[-1]:
            raise InvalidValue(
                f"need {name} in (height, width) {sizes[0]}, got {sizes[-1]}; its records are left out"
            )
        return int(known["id"])

    def _take(
        self,
        file: Path,
        records: Sequence[Any],
        categories: Mapping[int, str],
        images: Mapping[int, int | None],
    ) -> None:
        """Sort records by image; an image that is None was named already."""
        classes = {name: index for index, name in enumerate(self._truth.class_names)}
        strangers: dict[str, list[str]] = {}
        ids: set[int] = set()
        for number, record in enumerate(records):
            named = f"{file}: record {number}"
            with self._problems.naming(named):
                if not isinstance(record, dict):
                    raise InvalidValue(f"need an object with image_id and category_id, got {record!r}")
                image, category = int(record["image_id"]), int(record["category_id"])
                name = categories.get(category)
                if image not in images:
                    strangers.setdefault(f"image {image} is not in the truth", []).append(named)
                elif name not in classes:
                    told = f"category {category}" + (f" {name!r}" if name else "")
                    strangers.setdefault(f"{told} is not in the truth", []).append(named)
                elif (known := images[image]) is not None:
                    _check_id(record, ids)
                    row = _Row(record, named, classes[name], _score(record))
                    self._rows.setdefault(known, []).append(row)
        for what, named_records in strangers.items():
            count = len(named_records)
            more = "it is" if count == 1 else f"its {count:,} records are"
            self._problems.add(f"{named_records[0]}: {what}; {more} left out")

    def _tell_missing(self, seen: set[int]) -> None:
        for image in self._truth.images:
            if int(image["id"]) not in seen:
                self._problems.add(
                    f"{self.path}: image {image['file_name']} is missing; its objects count as not found"
                )


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.glob("*.json") if not file.name.endswith(".tracks.json"))
    if not files:
        raise SourceNotFound(f"{path}: need a folder with JSON files of results, there is none in it")
    return files


def _unique(images: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Image ids by file name, and by file name without its folder, where these are not ambiguous."""
    found: dict[str, int | None] = {}
    for image in images:
        whole = str(image["file_name"])
        for name in {whole, PurePosixPath(whole).name}:
            found[name] = None if name in found else int(image["id"])
    return {name: image_id for name, image_id in found.items() if image_id is not None}


def _check_id(record: Mapping[str, Any], ids: set[int]) -> None:
    if "id" not in record:
        return
    if int(record["id"]) in ids:
        raise InvalidValue(f"need each id once, got {record['id']} again")
    ids.add(int(record["id"]))


def _score(record: Mapping[str, Any]) -> float:
    score = float(record["score"])
    if not 0 <= score <= 1:
        raise InvalidValue(f"need a score in 0..1, got {score:g}")
    return score

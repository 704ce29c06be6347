"""What is known about images to be measured on, read from COCO instances files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue, SourceNotFound
from maskweave.evaluation.problems import Problems
from maskweave.ops.polygons import Polygon, fill_polygons
from maskweave.ops.rle import decode_masks
from maskweave.types.arrays import FloatArray, Size
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks, concatenate


@dataclass(frozen=True)
class CocoTruth:
    """The labelled objects of one image.

    Attributes:
        instances: Objects of the measured classes; scores are 1.
        crowd: (N,) bool, True for a region of uncounted objects: finding something there costs nothing.
        labelled: Names of the classes labelled exhaustively in the image; None means all. What a model finds of
            another class is unknown rather than wrong.
        file_name: Of the image, relative to its folder.
        source: Where the image comes from, "" where the file does not say.
        image_id: The file's own.
        areas: (N,) square pixels as the file states them, by which COCO tells small objects from large ones; None
            where they are to be counted from the masks.
        box_only: (N,) bool, True for an object without a mask, whose rectangle stands in for it; None means no such.
    """

    instances: Instances
    crowd: NDArray[np.bool_]
    labelled: frozenset[str] | None
    file_name: str
    source: str = ""
    image_id: int = 0
    areas: FloatArray | None = None
    box_only: NDArray[np.bool_] | None = None


class CocoTruthFile:
    """A COCO instances file. Its records are checked at once, masks are made image by image.

    Args:
        path: The JSON file.
        problems: Takes down records that cannot be used: ids that come twice, images and categories that the file
            does not know, damaged masks.
        sources: Only images whose ``source`` is one of these.

    Attributes:
        class_names: Names of its categories, in file order.
        images: Its image records, in file order; without those of other sources.
        has_masks: Whether any object has a mask, rather than boxes alone.

    Raises:
        SourceNotFound: There is no such file.
        InvalidValue: It is no COCO instances file, or no image is left.
    """

    def __init__(
        self, path: Path, *, problems: Problems | None = None, sources: Sequence[str] | None = None
    ) -> None:
        self.path = path
        self.problems = problems or Problems(strict=True)
        data = load_coco(path)
        self.category_names = self._categories(data["categories"])
        self.class_names = tuple(self.category_names.values())
        self.images_by_id = self._unique_images(data["images"])
        self.images = [
            image
            for image in self.images_by_id.values()
            if sources is None or image.get("source", "") in sources
        ]
        if not self.images:
            raise InvalidValue(f"{path}: need at least one image to measure on, got none")
        self._objects = self._group(data["annotations"])
        self.has_masks = any(each.get("segmentation") for rows in self._objects.values() for each in rows)

    def truths(self, class_names: Sequence[str] | None = None) -> Iterator[CocoTruth]:
        """Yield what is known of each image; objects of categories not in ``class_names`` are left out."""
        names = self.class_names if class_names is None else tuple(class_names)
        for image in self.images:
            yield self._truth(image, names)

    def _categories(self, records: Sequence[Mapping[str, Any]]) -> dict[int, str]:
        names: dict[int, str] = {}
        for number, each in enumerate(records):
            with self.problems.naming(f"{self.path}: category {number}"):
                category, name = int(each["id"]), str(each["name"])
                if category in names or name in names.values():
                    raise InvalidValue(f"need each id and name once, got {category} {name!r} again")
                names[category] = name
        return names

    def _unique_images(self, records: Sequence[Mapping[str, Any]]) -> dict[int, Mapping[str, Any]]:
        images: dict[int, Mapping[str, Any]] = {}
        for number, image in enumerate(records):
            with self.problems.naming(f"{self.path}: image {number}"):
                image_id, name = int(image["id"]), str(image["file_name"])
                if image_id in images:
                    raise InvalidValue(f"need each id once, got {image_id} ({name}) again")
                if int(image["height"]) < 1 or int(image["width"]) < 1:
                    raise InvalidValue(
                        f"need a size of at least 1, got {image['height']} x {image['width']} ({name})"
                    )
                images[image_id] = image
        return images

    def _group(self, records: Sequence[Mapping[str, Any]]) -> dict[int, list[Mapping[str, Any]]]:
        by_image: dict[int, list[Mapping[str, Any]]] = {}
        seen: set[int] = set()
        for number, each in enumerate(records):
            with self.problems.naming(self._named(each, number)):
                image_id, category = int(each["image_id"]), int(each["category_id"])
                if image_id not in self.images_by_id:
                    raise InvalidValue(f"need an image of the file, got {image_id}")
                if category not in self.category_names:
                    raise InvalidValue(f"need a category of the file, got {category}")
                if "id" in each and int(each["id"]) in seen:
                    raise InvalidValue("need each id once, it comes again")
                seen.add(int(each.get("id", -1 - number)))
                by_image.setdefault(image_id, []).append(each)
        return by_image

    def _named(self, annotation: Mapping[str, Any], number: int | None = None) -> str:
        name = annotation.get("id", f"number {number}") if isinstance(annotation, Mapping) else number
        return f"{self.path}: annotation {name}"

    def _truth(self, image: Mapping[str, Any], names: tuple[str, ...]) -> CocoTruth:
        size = (int(image["height"]), int(image["width"]))
        rows: list[tuple[Mapping[str, Any], Masks, list[float], float]] = []
        for each in self._objects.get(int(image["id"]), []):
            if self.category_names[int(each["category_id"])] not in names:
                continue
            with self.problems.naming(f"{self._named(each)} (image {image['file_name']})"):
                mask, box = outline(each, size)
                rows.append((each, mask, box, float(each.get("area", mask.areas[0]))))
        labelled = None
        if "labelled_categories" in image:
            known = self.category_names
            labelled = frozenset(known[int(c)] for c in image["labelled_categories"] if int(c) in known)
        masks = [mask for _, mask, _, _ in rows]
        class_ids = [names.index(self.category_names[int(each["category_id"])]) for each, *_ in rows]
        return CocoTruth(
            instances=Instances(
                masks=concatenate(masks) if masks else Masks.empty(size),
                boxes=np.array([box for _, _, box, _ in rows], dtype=np.float64).reshape(-1, 4),
                scores=np.ones(len(rows)),
                class_ids=np.array(class_ids, dtype=np.int64),
                class_names=names,
            ),
            crowd=np.array([bool(each.get("iscrowd", 0)) for each, *_ in rows], dtype=bool),
            labelled=labelled,
            file_name=str(image["file_name"]),
            source=str(image.get("source", "")),
            image_id=int(image["id"]),
            areas=np.array([area for *_, area in rows], dtype=np.float64),
            box_only=np.array([not each.get("segmentation") for each, *_ in rows], dtype=bool),
        )


def read_coco_truth(
    annotations: Path, class_names: Sequence[str], *, sources: Sequence[str] | None = None
) -> list[CocoTruth]:
    """Read the truth of every image of a COCO instances file, in file order.

    Objects of categories that are not in `class_names` are left out; so are images whose ``source`` is not in
    `sources`, where that is given.

    Raises:
        SourceNotFound: There is no such file.
        InvalidValue: It is no COCO instances file, or no image is left.
        BadRecord: One of its records cannot be used.
    """
    return list(CocoTruthFile(annotations, sources=sources).truths(class_names))


def load_coco(path: Path) -> dict[str, Any]:
    """The lists of a COCO instances file.

    Raises:
        SourceNotFound: There is no such file.
        InvalidValue: It is no COCO instances file.
    """
    data = load_json(path, "a COCO instances file")
    wanted = ("images", "annotations", "categories")
    missing = [key for key in wanted if not isinstance(data, dict) or not isinstance(data.get(key), list)]
    if missing:
        raise InvalidValue(f"{path}: need the COCO lists {', '.join(wanted)}; missing {', '.join(missing)}")
    return dict(data)


def load_json(path: Path, what: str) -> Any:
    """The content of a JSON file that should be ``what``; raises `SourceNotFound` or `InvalidValue`."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise SourceNotFound(f"{path}: no such annotation file") from error
    except (ValueError, RecursionError, OSError) as error:
        raise InvalidValue(f"{path}: need {what}, got no JSON ({error})") from error


def outline(record: Mapping[str, Any], size: Size) -> tuple[Masks, list[float]]:
    """Mask and box (x1, y1, x2, y2) of one COCO annotation or result in an image of ``size``.

    A mask that is missing is the rectangle of the box, a box that is missing lies around the mask.

    Raises:
        InvalidValue: Both are missing, or one is damaged.
    """
    segmentation, box = record.get("segmentation"), record.get("bbox")
    if not segmentation and not box:
        raise InvalidValue("need a segmentation or a bbox, got neither")
    masks = segmentation_to_masks(segmentation, size) if segmentation else None
    if not box:
        return masks, masks.boxes[0].tolist()  # type: ignore[return-value, union-attr]
    numbers = np.asarray(box, dtype=np.float64)
    if numbers.shape != (4,) or not np.isfinite(numbers).all() or (numbers[2:] < 0).any():
        raise InvalidValue(f"need a bbox of x, y, width, height, got {box}")
    x, y, width, height = numbers.tolist()
    corners = [x, y, x + width, y + height]
    return rectangle(corners, size) if masks is None else masks, corners


def rectangle(box: Sequence[float], size: Size) -> Masks:
    """The pixels whose centres lie in a box (x1, y1, x2, y2), as `Masks` of length 1."""
    x1, x2 = (int(np.clip(np.ceil(edge - 0.5), 0, size[1])) for edge in box[0::2])
    y1, y2 = (int(np.clip(np.ceil(edge - 0.5), 0, size[0])) for edge in box[1::2])
    return Masks([np.ones((y2 - y1, x2 - x1), dtype=bool)], [(x1, y1)], size)


def segmentation_to_masks(segmentation: Any, size: Size) -> Masks:
    """One object's COCO segmentation, run lengths or polygons, as `Masks` of length 1.

    ``size`` is the image's (height, width). Polygons' parts outside the image are cut off.

    Raises:
        InvalidValue: Damaged run lengths, or of another size; a polygon that is no list of at least three points.
    """
    if isinstance(segmentation, dict):
        return decode_masks([segmentation], size)  # type: ignore[list-item]
    polygons = []
    for polygon in segmentation:
        points = np.asarray(polygon, dtype=np.float64)
        if points.ndim != 1 or len(points) < 6 or len(points) % 2:
            raise InvalidValue(f"polygon: need x, y of at least 3 points, got {points.size} numbers")
        polygons.append(Polygon(points.reshape(-1, 2)))
    return fill_polygons(polygons, size)

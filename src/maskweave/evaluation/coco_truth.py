"""What is known about an image to be measured on, read from COCO annotation files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue, SourceNotFound
from maskweave.ops.polygons import rings_to_mask
from maskweave.ops.rle import decode_masks
from maskweave.types.arrays import Size
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
    """

    instances: Instances
    crowd: NDArray[np.bool_]
    labelled: frozenset[str] | None
    file_name: str
    source: str = ""


def read_coco_truth(
    annotations: Path, class_names: Sequence[str], *, sources: Sequence[str] | None = None
) -> list[CocoTruth]:
    """Read the truth of every image of a COCO instances file, in file order.

    Objects of categories that are not in `class_names`, and objects without a mask, are left out; so are images whose
    ``source`` is not in `sources`, where that is given.

    Raises:
        SourceNotFound: There is no such file.
        InvalidValue: It is no COCO instances file, or no image is left.
    """
    data = _load(annotations)
    category_names = {int(c["id"]): str(c["name"]) for c in data["categories"]}
    by_image: dict[int, list[Mapping[str, Any]]] = {}
    for each in data["annotations"]:
        by_image.setdefault(int(each["image_id"]), []).append(each)
    images = [image for image in data["images"] if sources is None or image.get("source", "") in sources]
    if not images:
        raise InvalidValue(f"{annotations}: need at least one image to measure on, got none")
    names = tuple(class_names)
    return [_truth(image, by_image.get(int(image["id"]), []), category_names, names) for image in images]


def _load(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SourceNotFound(f"{path}: no such annotation file") from error
    except ValueError as error:
        raise InvalidValue(f"{path}: need a COCO instances file, got no JSON ({error})") from error
    wanted = ("images", "annotations", "categories")
    missing = [key for key in wanted if not isinstance(data, dict) or not isinstance(data.get(key), list)]
    if missing:
        raise InvalidValue(f"{path}: need the COCO lists {', '.join(wanted)}; missing {', '.join(missing)}")
    return dict(data)


def _truth(
    image: Mapping[str, Any],
    annotations: Sequence[Mapping[str, Any]],
    category_names: Mapping[int, str],
    class_names: tuple[str, ...],
) -> CocoTruth:
    size = (int(image["height"]), int(image["width"]))
    kept = [
        each
        for each in annotations
        if each.get("segmentation") and category_names.get(int(each["category_id"])) in class_names
    ]
    masks = [segmentation_to_masks(each["segmentation"], size) for each in kept]
    boxes = np.array([each["bbox"] for each in kept], dtype=np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    class_ids = [class_names.index(category_names[int(each["category_id"])]) for each in kept]
    labelled = None
    if "labelled_categories" in image:
        labelled = frozenset(category_names[int(c)] for c in image["labelled_categories"])
    return CocoTruth(
        instances=Instances(
            masks=concatenate(masks) if masks else Masks.empty(size),
            boxes=boxes,
            scores=np.ones(len(kept)),
            class_ids=np.array(class_ids, dtype=np.int64),
            class_names=class_names,
        ),
        crowd=np.array([bool(each.get("iscrowd", 0)) for each in kept], dtype=bool),
        labelled=labelled,
        file_name=str(image["file_name"]),
        source=str(image.get("source", "")),
    )


def segmentation_to_masks(segmentation: Any, size: Size) -> Masks:
    """One object's COCO segmentation, run lengths or polygons, as `Masks` of length 1.

    ``size`` is the image's (height, width). Polygons' parts outside the image are cut off.

    Raises:
        InvalidValue: Damaged run lengths, or of another size; a polygon that is no list of at least three points.
    """
    if isinstance(segmentation, dict):
        return decode_masks([segmentation], size)  # type: ignore[list-item]
    union = np.zeros(size, dtype=bool)
    for polygon in segmentation:
        points = np.asarray(polygon, dtype=np.float64)
        if points.ndim != 1 or len(points) < 6 or len(points) % 2:
            raise InvalidValue(f"polygon: need x, y of at least 3 points, got {points.size} numbers")
        union |= rings_to_mask([points.reshape(-1, 2)], size)
    return Masks.from_dense(union[None])

"""COCO-format annotations as the compact records that training reads.

Beside plain COCO three optional keys are honoured: an image's ``labelled_categories`` (ids labelled
exhaustively there; any other class is unknown, not absent), an annotation's ``mask_exact`` and a missing
``segmentation`` (box only).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskweave.evaluation.coco_truth import segmentation_to_masks
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
        mask_exact: False when the mask may hold parts of neighbours of the same class.
        crowd: True for a region of uncounted objects; it teaches nothing and forbids nothing.
    """

    class_index: int
    box: tuple[float, float, float, float]
    mask: MaskCrop | None
    mask_exact: bool
    crowd: bool


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One image with its objects; `labelled` is a bool (C,) array of the classes labelled exhaustively there."""

    image_id: int
    path: Path
    size: tuple[int, int]
    labelled: NDArray[np.bool_]
    objects: tuple[ObjectRecord, ...]
    source: str


@dataclass(frozen=True)
class TrainingSet:
    """All images of one annotation file, in file order."""

    class_names: tuple[str, ...]
    images: tuple[ImageRecord, ...]


def read_training_set(
    annotations: Path,
    images: Path,
    *,
    class_names: Sequence[str] | None = None,
    exclude_sources: Sequence[str] = (),
) -> TrainingSet:
    """Read a COCO instances file, or the training part of a ``data.yaml`` (see `annotations_yolo`).

    Args:
        annotations: The JSON or YAML file.
        images: Folder the file names (in YAML: the entries) are relative to.
        class_names: Classes to train; None takes every category of the file. Objects of other categories become
            `OTHER`.
        exclude_sources: Values of the images' ``source`` key to leave out.

    Raises:
        TrainingDataError: The file is no COCO file, is empty, names images that are missing, or lacks a class
            asked for.
    """
    from maskweave.training.annotations_yolo import is_data_yaml, read_yolo_set  # it needs the records above

    if is_data_yaml(annotations):
        return read_yolo_set(annotations, images, class_names=class_names)
    data = _load(annotations)
    known = {int(c["id"]): str(c["name"]) for c in data["categories"]}
    names, index = class_indices(annotations, known, class_names)
    by_image: dict[int, list[Mapping[str, Any]]] = {}
    for annotation in data["annotations"]:
        by_image.setdefault(int(annotation["image_id"]), []).append(annotation)
    kept = [image for image in data["images"] if image.get("source", "") not in exclude_sources]
    records = tuple(
        _image_record(image, by_image.get(int(image["id"]), []), index, len(names), images) for image in kept
    )
    check_records(annotations, images, names, records)
    return TrainingSet(names, records)


def class_indices(
    annotations: Path, known: Mapping[int, str], class_names: Sequence[str] | None
) -> tuple[tuple[str, ...], dict[int, int]]:
    """The trained class names, and the index among them of each of a file's categories that is trained.

    Raises:
        TrainingDataError: A class asked for is not among the `known` names.
    """
    names = tuple(class_names) if class_names is not None else tuple(known.values())
    unknown = sorted(set(names) - set(known.values()))
    if unknown:
        raise TrainingDataError(
            f"{annotations}: classes {', '.join(unknown)} are not among its categories "
            f"({', '.join(known.values())}). "
            "Check the spelling or leave them out of --classes."
        )
    return names, {category: names.index(name) for category, name in known.items() if name in names}


def _load(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise TrainingDataError(f"{path}: no such annotation file.") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise TrainingDataError(f"{path}: not a JSON file ({error}). Give a COCO instances file.") from error
    if not isinstance(data, dict):
        raise TrainingDataError(
            f"{path}: need a COCO object with images, annotations, categories; got a {type(data).__name__}."
        )
    missing = [key for key in ("images", "annotations", "categories") if not isinstance(data.get(key), list)]
    if missing:
        raise TrainingDataError(
            f"{path}: need the COCO lists images, annotations, categories; missing {', '.join(missing)}."
        )
    return data


def check_records(
    annotations: Path, images: Path, names: Sequence[str], records: Sequence[ImageRecord]
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
        )


def classes_without_objects(data: TrainingSet) -> tuple[str, ...]:
    """Names of the classes that no object of the set carries; the network would never learn them."""
    seen = {item.class_index for image in data.images for item in image.objects if not item.crowd}
    return tuple(name for index, name in enumerate(data.class_names) if index not in seen)


def _image_record(
    image: Mapping[str, Any],
    annotations: Sequence[Mapping[str, Any]],
    index: Mapping[int, int],
    classes: int,
    folder: Path,
) -> ImageRecord:
    size = (int(image["height"]), int(image["width"]))
    labelled = np.ones(classes, dtype=bool)
    if "labelled_categories" in image:
        labelled[:] = False
        labelled[[index[c] for c in image["labelled_categories"] if c in index]] = True
    objects = tuple(item for a in annotations if (item := _object_record(a, index, size)) is not None)
    path = folder / str(image["file_name"])
    return ImageRecord(int(image["id"]), path, size, labelled, objects, str(image.get("source", "")))


def _object_record(
    annotation: Mapping[str, Any], index: Mapping[int, int], size: tuple[int, int]
) -> ObjectRecord | None:
    """None for an object without a pixel inside the image."""
    height, width = size
    x, y, w, h = (float(v) for v in annotation["bbox"])
    box = (max(x, 0.0), max(y, 0.0), min(x + w, float(width)), min(y + h, float(height)))
    if box[2] - box[0] < 1 or box[3] - box[1] < 1:
        return None
    segmentation = annotation.get("segmentation")
    return ObjectRecord(
        class_index=index.get(int(annotation["category_id"]), OTHER),
        box=box,
        mask=mask_crop(segmentation, size) if segmentation else None,
        mask_exact=bool(annotation.get("mask_exact", True)),
        crowd=bool(annotation.get("iscrowd", 0)),
    )


def mask_crop(segmentation: Any, size: tuple[int, int]) -> MaskCrop | None:
    """A COCO segmentation as a crop.

    None when the mask has no pixel inside the image (the box is then all that is known).
    """
    masks = segmentation_to_masks(segmentation, size)
    crop = masks.crops[0]
    if not crop.size:
        return None
    x, y = masks.corners[0].tolist()
    return MaskCrop(np.packbits(crop), (crop.shape[0], crop.shape[1]), (x, y))

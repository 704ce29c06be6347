"""The YOLO segmentation layout (see `maskweave.sources.yolo_layout`) as the records that training reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue, SourceError
from maskweave.evaluation.coco_truth import CocoTruth
from maskweave.sources import yolo_layout
from maskweave.sources.images import picture_size
from maskweave.sources.yolo_layout import DataYaml, is_data_yaml, label_numbers, label_path, part_entries
from maskweave.training.annotations import (
    OTHER,
    ImageRecord,
    MaskCrop,
    ObjectRecord,
    TrainingSet,
    check_records,
    class_indices,
    mask_crop,
)
from maskweave.training.errors import TrainingDataError
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks

__all__ = ["is_data_yaml", "read_data_yaml", "read_labels", "read_yolo_set", "read_yolo_truths"]


@contextmanager
def _training_errors() -> Iterator[None]:
    try:
        yield
    except (InvalidValue, SourceError) as error:
        raise TrainingDataError(str(error)) from error


def read_data_yaml(path: Path) -> DataYaml:
    """Read a ``data.yaml``; its images and labels are not looked at.

    Raises:
        TrainingDataError: There is no such file, it is no YAML, or lacks class names.
        MissingDependency: PyYAML is not installed.
    """
    with _training_errors():
        return yolo_layout.read_data_yaml(path)


def read_yolo_set(
    path: Path, root: Path, *, part: str = "train", class_names: Sequence[str] | None = None
) -> TrainingSet:
    """Read the images of one part ("train" or "val") of a ``data.yaml`` with their labels.

    Args:
        path: The ``data.yaml``.
        root: Folder that its entries start from; `DataYaml.root` is what the file says.
        part: Which entry to read.
        class_names: Classes to train; None takes all. Objects of others become `OTHER`.

    Raises:
        TrainingDataError: Images or labels are missing, or a label file is malformed (file and line are named).
    """
    data = read_data_yaml(path)
    names, index = class_indices(path, dict(enumerate(data.names)), class_names)
    with _training_errors():
        found = (image for entry in part_entries(data, root, part) for image in sorted(entry))
        images = list(dict.fromkeys(found))
    labels = [label_path(image) for image in images]
    folders = sorted({label.parent for label in labels})
    if images and not any(folder.is_dir() for folder in folders):
        raise TrainingDataError(
            f"{path}: no labels for its {part} images: there is no folder {folders[0]}. "
            "Labels of …/images/a.jpg belong into …/labels/a.txt."
        )
    missing = [image for image in images if not image.is_file()]
    if missing:
        raise TrainingDataError(
            f"{path}: {len(missing)} of {len(images)} {part} images are missing (first: {missing[0]})."
        )
    everything = np.ones(len(names), dtype=bool)
    records = []
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        with _training_errors():
            size = picture_size(image)
        objects = read_labels(label, size, index, len(data.names)) if label.is_file() else ()
        records.append(ImageRecord(number, image, size, everything, objects, ""))
    if part == "train" or not records:
        check_records(path, root, names, records)
    return TrainingSet(names, tuple(records))


def read_yolo_truths(path: Path, root: Path, class_names: Sequence[str]) -> list[CocoTruth]:
    """The ``val`` part of a ``data.yaml`` to measure on.

    An object of which only the box is known neither counts nor costs: it is a crowd that fills its box.

    Raises:
        TrainingDataError: As `read_yolo_set`, or there is no ``val`` entry.
    """
    data = read_yolo_set(path, root, part="val", class_names=class_names)
    return [_truth(record, data.class_names, root) for record in data.images]


def read_labels(
    path: Path, size: tuple[int, int], index: Mapping[int, int], classes: int
) -> tuple[ObjectRecord, ...]:
    """The objects of one label file; those without a pixel inside the image are left out.

    Args:
        path: The label file.
        size: (height, width) of its image.
        index: From the file's class numbers to trained classes; the others become `OTHER`.
        classes: How many class numbers there are.

    Raises:
        TrainingDataError: A line is malformed; it is named.
    """
    objects = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        fields = line.split()
        if not fields:
            continue
        try:
            class_id, values = label_numbers(fields, classes)
        except InvalidValue as error:
            raise TrainingDataError(f"{path}, line {number}: {error}.") from error
        found = _outlined(values, size) if len(values) > 4 else _boxed(values, size)
        if found is not None:
            box, mask = found
            objects.append(ObjectRecord(index.get(class_id, OTHER), box, mask, mask_exact=True, crowd=False))
    return tuple(objects)


_Found: TypeAlias = tuple[tuple[float, float, float, float], MaskCrop | None]


def _outlined(values: NDArray[np.float64], size: tuple[int, int]) -> _Found | None:
    """Box and mask of an outline; what lies outside the image is cut off."""
    height, width = size
    points = values.reshape(-1, 2) * (width, height)
    mask = mask_crop([points.ravel().tolist()], size)
    low, high = points.min(0), points.max(0)
    if (low < 0).any() or (high > (width, height)).any():  # what is left can be narrower than the outline
        if mask is None:
            return None
        (x, y), (rows, columns) = mask.corner, mask.shape
        return (float(x), float(y), float(x + columns), float(y + rows)), mask
    return _clipped(low, high, size, mask)


def _boxed(values: NDArray[np.float64], size: tuple[int, int]) -> _Found | None:
    scale = np.array([size[1], size[0]])
    centre, half = values[:2] * scale, values[2:] * scale / 2
    return _clipped(centre - half, centre + half, size, None)


def _clipped(
    low: NDArray[np.float64], high: NDArray[np.float64], size: tuple[int, int], mask: MaskCrop | None
) -> _Found | None:
    x1, y1 = np.maximum(low, 0).tolist()
    x2, y2 = np.minimum(high, (size[1], size[0])).tolist()
    return ((x1, y1, x2, y2), mask) if x2 - x1 >= 1 and y2 - y1 >= 1 else None


def _truth(record: ImageRecord, names: tuple[str, ...], root: Path) -> CocoTruth:
    objects = [item for item in record.objects if item.class_index >= 0]
    boxes = [item.box for item in objects]
    crops, corners = [], []
    for item in objects:
        if item.mask is not None:
            crops.append(item.mask.dense().astype(bool))
            corners.append(item.mask.corner)
            continue
        x1, y1, x2, y2 = (round(edge) for edge in item.box)
        crops.append(np.ones((y2 - y1, x2 - x1), dtype=bool))
        corners.append((x1, y1))
    return CocoTruth(
        instances=Instances(
            masks=Masks(crops, corners, record.size),
            boxes=np.array(boxes, dtype=np.float64).reshape(-1, 4),
            scores=np.ones(len(objects)),
            class_ids=np.array([item.class_index for item in objects], dtype=np.int64),
            class_names=names,
        ),
        crowd=np.array([item.mask is None for item in objects], dtype=bool),
        labelled=None,
        file_name=str(record.path.relative_to(root) if record.path.is_relative_to(root) else record.path),
    )

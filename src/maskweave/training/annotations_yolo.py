"""The YOLO segmentation layout as the records that training reads.

A ``data.yaml`` names the classes and where the images of ``train`` and ``val`` are: a folder, a text file that lists
images, or a list of these. The labels of ``…/images/a.jpg`` are in ``…/labels/a.txt`` (beside the image where no
folder is called images), a line an object: the class's number, then x y of every corner of its outline, as shares of
the image's width and height. Four numbers are a box: centre x, centre y, width, height. An image without a label file
has no objects. Source: https://docs.ultralytics.com/datasets/segment/.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures

from maskweave.errors import MissingDependency
from maskweave.evaluation.coco_truth import CocoTruth
from maskweave.sources.kinds import IMAGE_SUFFIXES
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

_SUFFIXES = (".yaml", ".yml")
_FARTHEST = 10.0  # shares: an outline may reach over the image's edge, but not that far
_ORIENTATION, _TURNED = 0x0112, (5, 6, 7, 8)  # EXIF: the values that exchange width and height


def is_data_yaml(path: Path) -> bool:
    """Whether a file is taken for a ``data.yaml`` rather than for COCO JSON: by its suffix."""
    return path.suffix.lower() in _SUFFIXES


@dataclass(frozen=True)
class DataYaml:
    """What a ``data.yaml`` says.

    Attributes:
        path: The file.
        root: Folder that the entries start from.
        names: Class names by number.
        entries: What it lists under "train" and "val"; a part it lacks is missing here.
    """

    path: Path
    root: Path
    names: tuple[str, ...]
    entries: Mapping[str, tuple[str, ...]]


def read_data_yaml(path: Path) -> DataYaml:
    """Read a ``data.yaml``; its images and labels are not looked at.

    Raises:
        TrainingDataError: There is no such file, it is no YAML, or lacks class names.
        MissingDependency: PyYAML is not installed.
    """
    content = _load(path)
    entries = {
        part: tuple(str(each) for each in (entry if isinstance(entry, list) else [entry]))
        for part in ("train", "val")
        if (entry := content.get(part))
    }
    return DataYaml(path, _root(path, content.get("path")), _names(path, content.get("names")), entries)


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
    images = _find_images(data, root, part)
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
        size = _image_size(image)
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


def label_path(image: Path) -> Path:
    """Where the labels of an image are: its last folder called images exchanged for labels, suffix .txt."""
    parts = list(image.with_suffix(".txt").parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] == "images":
            parts[place] = "labels"
            break
    return Path(*parts)


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
            class_id, values = _numbers(fields, classes)
        except ValueError as error:
            raise TrainingDataError(f"{path}, line {number}: {error}.") from error
        found = _outlined(values, size) if len(values) > 4 else _boxed(values, size)
        if found is not None:
            box, mask = found
            objects.append(ObjectRecord(index.get(class_id, OTHER), box, mask, mask_exact=True, crowd=False))
    return tuple(objects)


def _numbers(fields: Sequence[str], classes: int) -> tuple[int, NDArray[np.float64]]:
    """Class number and coordinates of a line; raises `ValueError` that says what is wrong."""
    if not fields[0].isdecimal() or int(fields[0]) >= classes:
        raise ValueError(f"need a class number of 0 to {classes - 1}, got {fields[0]!r}")
    try:
        values = np.array([float(field) for field in fields[1:]])
    except ValueError:
        raise ValueError("need numbers after the class, got something else") from None
    if len(values) != 4 and (len(values) < 6 or len(values) % 2):
        raise ValueError(
            f"need 4 numbers of a box, or x y of at least 3 points, after the class; got {len(values)} numbers"
        )
    if not np.isfinite(values).all():
        raise ValueError("need finite coordinates, got NaN or infinity")
    if np.abs(values).max() > _FARTHEST:
        raise ValueError(
            f"need shares of the image's width and height, 0 to 1, got {values.max():g}; are these pixels?"
        )
    return int(fields[0]), values


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


def _load(path: Path) -> dict[str, Any]:
    try:
        import yaml
    except ImportError as error:
        raise MissingDependency(
            "a data.yaml needs PyYAML, which is not installed. Use `pip install maskweave[train]`."
        ) from error
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise TrainingDataError(f"{path}: no such file.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        why = " ".join(str(error).split())
        raise TrainingDataError(f"{path}: not a YAML file ({why}).") from error
    if not isinstance(content, dict):
        raise TrainingDataError(
            f"{path}: need the keys train, val and names, got a {type(content).__name__}."
        )
    return content


def _root(path: Path, told: Any) -> Path:
    """The folder a file says its entries start from; its own where that is not on this machine."""
    here = path.resolve().parent
    candidates = [] if not isinstance(told, str) else [here / told, Path(told).resolve()]
    return next((folder.resolve() for folder in candidates if folder.is_dir()), here)


def _names(path: Path, told: Any) -> tuple[str, ...]:
    if isinstance(told, dict) and sorted(told, key=str) != sorted(range(len(told)), key=str):
        raise TrainingDataError(
            f"{path}: need names numbered 0 to {len(told) - 1}, got {', '.join(map(str, told))}."
        )
    names = [told[number] for number in range(len(told))] if isinstance(told, dict) else told
    if not isinstance(names, list) or not names:
        raise TrainingDataError(f"{path}: need names, a list of class names; got {told!r}.")
    return tuple(str(name) for name in names)


def _find_images(data: DataYaml, root: Path, part: str) -> list[Path]:
    if part not in data.entries:
        raise TrainingDataError(f"{data.path}: has no {part} entry. Say where its {part} images are.")
    images: list[Path] = []
    for entry in data.entries[part]:
        place = _place(root, entry)
        if place is None:
            raise TrainingDataError(
                f"{data.path}: {part}: there is no {root / entry}. Correct the entry, or `path` in that file."
            )
        images += _images_of(place, root)
    return list(dict.fromkeys(images))


def _place(root: Path, entry: str) -> Path | None:
    """The folder or list an entry means; exports of some tools write one ../ too many."""
    candidates = (root / entry, root / entry.removeprefix("../"))
    return next((place for place in candidates if place.exists()), None)


def _images_of(place: Path, root: Path) -> list[Path]:
    """The images of a folder and its sub-folders, or of a list of paths, sorted by path."""
    if place.is_dir():
        return sorted(each for each in place.rglob("*") if each.suffix.lower() in IMAGE_SUFFIXES)
    lines = (line.strip() for line in place.read_text(encoding="utf-8").splitlines())
    beside = ((place.parent / line, root / line) for line in lines if line)
    return sorted(near if near.is_file() else far for near, far in beside)


def _image_size(path: Path) -> tuple[int, int]:
    """(height, width) as the image is decoded, EXIF orientation applied; only its head is read."""
    try:
        with Pictures.open(path) as picture:
            width, height = picture.size
            turned = picture.getexif().get(_ORIENTATION) in _TURNED
    except (OSError, ValueError) as error:
        raise TrainingDataError(
            f"{path}: not a readable image. Repair it or take it out of the data set."
        ) from error
    return (width, height) if turned else (height, width)


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

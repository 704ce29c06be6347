"""Turn what teachers see in training images into objects that count as much as the teachers are sure.

One JSON object a line: ``{"image_id": …, "boxes": [[x1, y1, x2, y2, score, category_id, verdict], …]}`` in pixels of
the image, and beside it, where a teacher gives masks, ``"masks"``: a COCO run-length encoding for each box. The
verdict of a person who looked at the box is 1 (right), -1 (wrong), 0 (unsure) or null (not looked at).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from maskweave.models.loading import load_model
from maskweave.ops.boxes import box_iou
from maskweave.ops.rle import decode_masks, encode_masks
from maskweave.training.annotations import ImageRecord, MaskCrop, ObjectRecord, TrainingSet
from maskweave.training.cache import read_rgb
from maskweave.training.errors import TrainingDataError
from maskweave.training.run_folder import whole_file
from maskweave.types.instances import Instances

_TRUSTED = 0.45
"""Scores from which on a box is an object: fused teachers are right about four fifths of those."""
_SAME = 0.5
"""IoU with a labeled object from which on a box says nothing new."""


def add_soft_objects(data: TrainingSet, path: Path, index: Mapping[int, int]) -> TrainingSet:
    """Add what teachers believe, where annotations do not say better.

    Classes that are labeled exhaustively in an image stay as labeled; so do boxes of labeled objects.

    Args:
        data: The annotated images.
        path: JSON lines as in the module's docstring.
        index: Class index of each category id.

    Raises:
        TrainingDataError: The file cannot be read.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            seen = {each["image_id"]: each for each in map(json.loads, lines)}
        images = tuple(
            _with_objects(image, seen[image.image_id], index) if image.image_id in seen else image
            for image in data.images
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingDataError(f"{path}: need JSON lines of image_id and boxes, got {error}.") from error
    return replace(data, images=images)


def _with_objects(image: ImageRecord, seen: Mapping[str, Any], index: Mapping[int, int]) -> ImageRecord:
    height, width = image.size
    known = np.array([each.box for each in image.objects], dtype=float).reshape(-1, 4)
    masks = seen.get("masks", [None] * len(seen["boxes"]))
    added = []
    for (x1, y1, x2, y2, score, category, verdict), mask in zip(seen["boxes"], masks, strict=True):
        class_index = index.get(int(category))
        trusted = verdict == 1 or (verdict is None and score >= _TRUSTED)
        if class_index is None or not trusted or image.labeled[class_index]:
            continue
        box = (max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height)))
        if box[2] - box[0] < 1 or box[3] - box[1] < 1:
            continue
        if len(known) and box_iou(np.array([box]), known).max() > _SAME:
            continue
        crop = None if mask is None else _mask_crop(mask, image.size)
        trust = 1.0 if verdict == 1 else float(score)
        added.append(ObjectRecord(class_index, box, crop, mask_exact=False, crowd=False, trust=trust))
    return replace(image, objects=image.objects + tuple(added))


def _mask_crop(rle: Any, size: tuple[int, int]) -> MaskCrop | None:
    crop, x, y = next(decode_masks([rle], size).placed())
    return MaskCrop.of(crop, (x, y))


def write_soft_objects(
    data: TrainingSet,
    teacher: str,
    path: Path,
    class_ids: Mapping[str, int],
    report: Callable[[str], None] = lambda _: None,
) -> None:
    """Let a model look at the images of a training set, and write what it sees of the set's classes.

    Args:
        data: Images to look at; only those with a class that is not labeled exhaustively.
        teacher: A catalog name or a model file of any family that finds instances.
        path: JSON lines to write; appears only when whole.
        class_ids: Category id of each class name.
        report: Called with a sentence on what the teacher cannot teach.

    Raises:
        TrainingDataError: The model finds no instances, or knows none of the classes.
    """
    model = load_model(teacher)
    try:
        taught = [name for name in data.class_names if name in model.class_names]
        if not taught:
            raise TrainingDataError(
                f"{teacher}: knows none of the classes {', '.join(data.class_names)}; "
                f"it could teach {', '.join(model.class_names[:20])}."
            )
        untaught = [name for name in data.class_names if name not in model.class_names]
        if untaught:
            report(f"the teacher knows no {', '.join(untaught)}: annotations alone teach these")
        if all(image.labeled.all() for image in data.images):
            report("every image is labeled for all classes: there is nothing left for the teacher to teach")
        with whole_file(path) as partial, partial.open("w", encoding="utf-8") as out:
            for image in data.images:
                if not image.labeled.all():
                    out.write(json.dumps(_seen_in(image, model, class_ids)) + "\n")
    finally:
        model.close()


def _seen_in(image: ImageRecord, model: Any, class_ids: Mapping[str, int]) -> dict[str, Any]:
    found = model.predict(read_rgb(image.path))
    if not isinstance(found, Instances):
        raise TrainingDataError(
            f"a teacher needs to find instances, got {type(found).__name__} of {model.name}."
        )
    rows = [row for row, name in enumerate(found.names) if name in class_ids]
    boxes = [
        [*found.boxes[row].tolist(), float(found.scores[row]), class_ids[found.names[row]], None]
        for row in rows
    ]
    masks = encode_masks(found[np.array(rows, dtype=int)].masks)
    return {"image_id": image.image_id, "boxes": boxes, "masks": masks}

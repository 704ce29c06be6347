"""Check labels against the size of their images: a label of another size would put its objects elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from maskweave.annotations.record import Record
from maskweave.annotations.report import Report
from maskweave.errors import SourceError
from maskweave.types.arrays import FloatArray, Size
from maskweave.types.masks import Masks
from maskweave.types.semantic import SemanticMap

Turn = Callable[[NDArray[Any]], NDArray[Any]]
_SAME_SHAPE = (
    0.02  # relative difference of width to height up to which an image is taken for the same, scaled
)


def fit_to_image(record: Record, report: Report) -> Record | None:
    """The record in the size of its image file, where that was found; a difference is a problem and is named.

    Labels of the image as it is stored, before its EXIF orientation turns it, are turned; labels of the same image in
    another size are scaled. Any others are left out (None): where their objects would lie is not known.
    """
    from maskweave.sources.images import stored_size
    from maskweave.sources.pixels import upright

    if record.image is None:
        return record
    try:
        stored, orientation = stored_size(record.image)
    except SourceError:  # a video, or damaged: there is nothing to compare with
        return record
    shown = stored[::-1] if orientation in (5, 6, 7, 8) else stored
    if record.size == shown:
        return record
    sizes = f"labels are of {_named(record.size)}, the image is of {_named(shown)}"
    if record.size == stored and orientation != 1:
        report.problem(record.file_name, f"{sizes}; they are turned as its EXIF orientation says")
        return _moved(record, shown, lambda pixels: upright(pixels[:, :, None], orientation)[:, :, 0])
    if abs(record.size[0] * shown[1] / (record.size[1] * shown[0]) - 1) < _SAME_SHAPE:
        report.problem(record.file_name, f"{sizes}; they are scaled to it")
        return _moved(record, shown, lambda pixels: _scaled(pixels, shown))
    report.problem(record.file_name, f"need labels of the image's size; {sizes}; they are left out")
    return None


def _named(size: Size) -> str:
    return f"{size[1]} x {size[0]} pixels"


def _scaled(pixels: NDArray[Any], size: Size) -> NDArray[Any]:
    values = pixels.astype(np.uint8)
    return cv2.resize(values, size[::-1], interpolation=cv2.INTER_NEAREST).astype(pixels.dtype)


def _moved(record: Record, size: Size, move: Turn) -> Record:
    """A record whose pixels were turned or scaled; areas are counted again."""
    crops, corners = [], []
    for row in range(len(record.instances)):
        moved = move(record.instances.masks[row : row + 1].union())
        crops.append(np.ascontiguousarray(moved).astype(np.bool_))
        corners.append((0, 0))
    masks = Masks(crops, corners, size)
    boxes = np.where(
        record.box_only[:, None], _moved_boxes(record.instances.boxes, record.size, size, move), masks.boxes
    )
    semantic = record.semantic
    if semantic is not None:
        semantic = SemanticMap(np.ascontiguousarray(move(semantic.class_map)), semantic.class_names)
    instances = record.instances.replace(masks=masks, boxes=boxes)
    return replace(record, instances=instances, semantic=semantic, areas=None)


def _moved_boxes(boxes: FloatArray, before: Size, after: Size, move: Turn) -> FloatArray:
    """Boxes moved as pixels are: what the move does to three corners of the image says what it does to any point."""
    corners = np.zeros((3, 2))
    for row, (x, y) in enumerate(((0, 0), (before[1] - 1, 0), (0, before[0] - 1))):
        marked = np.zeros(before, dtype=np.uint8)
        marked[y, x] = 1
        spots = np.argwhere(move(marked))
        corners[row] = spots.mean(axis=0)[::-1] if len(spots) else (0, 0)
    across, down = np.sign(corners[1] - corners[0]), np.sign(corners[2] - corners[0])
    turn = np.stack([across, down], axis=1)
    swapped = abs(turn[0, 0]) < 0.5
    scale = np.array(after[::-1]) / (np.array(before) if swapped else np.array(before[::-1]))
    middle = np.array(before[::-1]) / 2
    points = (boxes.reshape(-1, 2) - middle) @ turn.T * scale + np.array(after[::-1]) / 2
    pairs = points.reshape(-1, 2, 2)
    return np.concatenate([pairs.min(axis=1), pairs.max(axis=1)], axis=1)

"""From a box or points on one picture to the object that is meant, with no network made for that."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue
from maskweave.ops.boxes import box_iou
from maskweave.types.arrays import FloatArray, Image, Mask
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks
from maskweave.types.prompt import Box, Point, Prompt

OBJECT_NAMES = ("object",)
"""The class of what is pointed at."""

_WORKING_SIDE = 480
_ROUNDS = 5
_SAME_OBJECT = 0.6
"""IoU of boxes from which on a detected object is the one in the box."""
_POINT_REACH = 0.18
"""Half side of the square around points in which an object is looked for, as a share of the long side."""
_SPOT = 1 / 6
"""Radius round a point that is surely like the point, as a share of the reach; likely so up to three times that."""


def objects_at(image: Image, prompt: Prompt, detected: Instances) -> Instances:
    """One object for each box of a prompt, or one for its points: a detected one that fits, else GrabCut's.

    A detected object fits a box where their boxes overlap by an IoU of 0.6, and points where its mask has all of
    them right; its score is kept. GrabCut (C. Rother et al., SIGGRAPH 2004) gives no score: what it finds has 1.
    ``image``: (H, W, 3) uint8 RGB. Raises `InvalidValue` when nothing stands out there.
    """
    found = [_object_at(image, box, prompt.points, detected) for box in prompt.boxes or (None,)]
    masks = Masks.from_dense(np.stack([mask for mask, _ in found]))
    scores = np.array([score for _, score in found])
    return Instances(masks, masks.boxes, scores, np.zeros(len(found), np.int64), OBJECT_NAMES)


def corrected_mask(image: Image, mask: Mask, points: Sequence[Point]) -> Mask:
    """(H, W) mask of an object corrected by points: what is under one inside belongs to it, under one outside not.

    GrabCut decides again in squares round the points (`_POINT_REACH`); farther away the mask stays as it is, and
    without points all of it. Raises `InvalidValue` when nothing is left.
    """
    if not points:
        return mask
    height, width = mask.shape
    reach = _POINT_REACH * max(height, width)
    near = np.zeros((height, width), dtype=bool)
    for point in points:
        x1, x2 = np.clip([point.x - reach, point.x + reach + 1], 0, width).astype(int)
        y1, y2 = np.clip([point.y - reach, point.y + reach + 1], 0, height).astype(int)
        near[y1:y2, x1:x2] = True
    likely = np.where(mask, cv2.GC_PR_FGD, cv2.GC_PR_BGD)
    labels = np.where(near, likely, np.where(mask, cv2.GC_FGD, cv2.GC_BGD)).astype(np.uint8)
    _mark(labels, points, reach)
    what = "points " + " ".join(f"{p.x:g},{p.y:g}" for p in points)
    found: Mask = np.where(near, _cut(image, labels, what), mask)
    for point in points:  # a thin thing may be lost where GrabCut works on a reduced picture
        found[int(point.y), int(point.x)] = point.inside
    if not found.any():
        raise InvalidValue(f"{what}: nothing is left of the mask; draw another box or points")
    return found


def _object_at(
    image: Image, box: Box | None, points: Sequence[Point], detected: Instances
) -> tuple[Mask, float]:
    for row in _candidates(image, box, detected):
        mask = detected.masks[row].union()
        if all(bool(mask[int(point.y), int(point.x)]) == point.inside for point in points):
            return mask, float(detected.scores[row])
    told = "" if box is None else f"box {box.x1:g},{box.y1:g},{box.x2:g},{box.y2:g} "
    told += f"points {' '.join(f'{p.x:g},{p.y:g}' for p in points)}" if points else ""
    around = _around(image, points) if box is None else _clipped(image, box)
    return _cut(image, _labels(image, around, points, is_box=box is not None), told.strip()), 1.0


def _candidates(image: Image, box: Box | None, detected: Instances) -> list[int]:
    """Rows of detected objects that may be meant, the likeliest first."""
    if box is None or not len(detected):
        rows: list[int] = np.argsort(-detected.scores, kind="stable").tolist()
        return rows
    overlap = box_iou(_clipped(image, box)[None], detected.boxes)[0]
    return [int(row) for row in np.argsort(-overlap, kind="stable") if overlap[row] >= _SAME_OBJECT]


def _clipped(image: Image, box: Box) -> FloatArray:
    height, width = image.shape[:2]
    return np.array([max(0, box.x1), max(0, box.y1), min(width, box.x2), min(height, box.y2)])


def _around(image: Image, points: Sequence[Point]) -> FloatArray:
    """The part of the picture in which the object under points is looked for."""
    height, width = image.shape[:2]
    reach = _POINT_REACH * max(height, width)
    places = np.array([(point.x, point.y) for point in points if point.inside])
    corners = np.concatenate([places.min(axis=0) - reach, places.max(axis=0) + reach])
    clipped: FloatArray = corners.clip(0, [width, height, width, height])
    return clipped


def _labels(image: Image, around: FloatArray, points: Sequence[Point], *, is_box: bool) -> NDArray[np.uint8]:
    """(H, W) of what GrabCut is told: nothing outside ``around``, the object likely in a box, and the points."""
    height, width = image.shape[:2]
    x1, y1, x2, y2 = _whole(around)
    labels = np.full((height, width), cv2.GC_BGD, dtype=np.uint8)
    labels[y1:y2, x1:x2] = cv2.GC_PR_FGD if is_box else cv2.GC_PR_BGD
    reach = min(x2 - x1, y2 - y1) / 2 if is_box else _POINT_REACH * max(height, width)
    marked = labels.copy()
    _mark(marked, points, reach)
    if is_box:
        labels[y1:y2, x1:x2] = marked[y1:y2, x1:x2]
        return labels
    return marked


def _mark(labels: NDArray[np.uint8], points: Sequence[Point], reach: float) -> None:
    """Draw points into GrabCut's labels: surely so close by, likely so around."""
    spot = max(2, round(reach * _SPOT))
    for point in points:
        sure, likely = (cv2.GC_FGD, cv2.GC_PR_FGD) if point.inside else (cv2.GC_BGD, cv2.GC_PR_BGD)
        centre = (int(point.x), int(point.y))
        cv2.circle(labels, centre, 3 * spot, likely, -1)
        cv2.circle(labels, centre, spot, sure, -1)


def _whole(box: FloatArray) -> tuple[int, int, int, int]:
    x1, y1 = (int(np.floor(value)) for value in box[:2])
    return x1, y1, max(x1 + 1, int(np.ceil(box[2]))), max(y1 + 1, int(np.ceil(box[3])))


def _cut(image: Image, labels: NDArray[np.uint8], what: str) -> Mask:
    """GrabCut on a reduced picture from (H, W) labels."""
    height, width = labels.shape
    scale = min(1.0, _WORKING_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    marks = np.asarray(cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST), dtype=np.uint8)
    possible = (marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD)
    if possible.any() and not possible.all():
        cv2.setRNGSeed(0)
        models = np.zeros((2, 1, 65))
        cv2.grabCut(small, marks, (0, 0, 1, 1), models[0], models[1], _ROUNDS, cv2.GC_INIT_WITH_MASK)
    found = ((marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD)).astype(np.float32)
    mask: Mask = cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
    if not mask.any():
        raise InvalidValue(f"{what}: nothing stands out there; draw a mask, or another box or points")
    return mask

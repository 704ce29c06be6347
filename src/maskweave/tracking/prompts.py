"""From a box or points on one frame to the mask of the object that is meant."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue
from maskweave.ops.boxes import box_iou
from maskweave.types.arrays import Image, Mask
from maskweave.types.instances import Instances
from maskweave.types.prompt import Box, Point

_WORKING_SIDE = 480
_ROUNDS = 5
_SAME_OBJECT = 0.6
"""IoU of boxes from which on a detected object is the one in the box."""
_POINT_REACH = 0.18
"""Half side of the square around points in which an object is looked for, as a share of the long side."""


def mask_from_box(image: Image, box: Box, instances: Instances) -> Mask:
    """(H, W) mask of the object in a box of an (H, W, 3) image: a detected one that fits it, else GrabCut's.

    GrabCut: C. Rother et al., SIGGRAPH 2004. Raises `InvalidValue` when nothing stands out in the box.
    """
    height, width = image.shape[:2]
    corners = np.array([[max(0, box.x1), max(0, box.y1), min(width, box.x2), min(height, box.y2)]])
    if len(instances):
        overlap = box_iou(corners, instances.boxes)[0]
        if overlap.max() >= _SAME_OBJECT:
            return instances.masks[int(overlap.argmax())].union()
    labels = np.full((height, width), cv2.GC_BGD, dtype=np.uint8)
    x1, y1, x2, y2 = _whole(corners[0])
    labels[y1:y2, x1:x2] = cv2.GC_PR_FGD
    return _cut(image, labels, f"box {box.x1:g},{box.y1:g},{box.x2:g},{box.y2:g}")


def mask_from_points(image: Image, points: Sequence[Point], instances: Instances) -> Mask:
    """(H, W) mask of the object under the points: the best detected one with all of them right, else GrabCut's.

    Raises `InvalidValue` when nothing stands out around the points.
    """
    for row in np.argsort(-instances.scores, kind="stable"):
        mask = instances.masks[int(row)].union()
        if all(bool(mask[int(point.y), int(point.x)]) == point.inside for point in points):
            return mask
    height, width = image.shape[:2]
    reach = _POINT_REACH * max(height, width)
    labels = np.full((height, width), cv2.GC_BGD, dtype=np.uint8)
    inside = [point for point in points if point.inside]
    around = np.array(
        [
            min(p.x for p in inside) - reach,
            min(p.y for p in inside) - reach,
            max(p.x for p in inside) + reach,
            max(p.y for p in inside) + reach,
        ]
    ).clip(0, [width, height, width, height])
    x1, y1, x2, y2 = _whole(around)
    labels[y1:y2, x1:x2] = cv2.GC_PR_BGD
    _mark(labels, points, reach)
    return _cut(image, labels, "points " + " ".join(f"{p.x:g},{p.y:g}" for p in points))


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


def _mark(labels: NDArray[np.uint8], points: Sequence[Point], reach: float) -> None:
    """Draw points into GrabCut's labels: surely so close by, likely so around."""
    spot = max(2, round(reach / 6))
    for point in points:
        sure, likely = (cv2.GC_FGD, cv2.GC_PR_FGD) if point.inside else (cv2.GC_BGD, cv2.GC_PR_BGD)
        centre = (int(point.x), int(point.y))
        cv2.circle(labels, centre, 3 * spot, likely, -1)
        cv2.circle(labels, centre, spot, sure, -1)


def _whole(box: NDArray[np.floating]) -> tuple[int, int, int, int]:
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

"""The object that clicks mean: found by a promptable model where one is asked for, and never against the clicks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maskweave.api import Segmenter
from maskweave.ops.iou import dense_iou
from maskweave.types.arrays import Image, Mask
from maskweave.types.prompt import Point, agrees

_SAME_OBJECT = 0.5
"""IoU with the mask that is corrected from which on what a promptable model finds is still that object."""
_BOX_POINTS = 2
"""Points that a box counts as."""

_Corners = tuple[float, float, float, float]


def object_at(segmenter: Segmenter, image: Image, *, box: _Corners | None, points: Sequence[Point]) -> Mask:
    """(H, W) mask of the object in a box, or under points: the model's, corrected where it has points wrong.

    A promptable model that takes fewer points is told the latest. Raises `InvalidValue` when nothing stands out
    there.
    """
    found = _asked(segmenter, image, box, points)
    if segmenter.model.needs_prompt and not agrees(found, points):
        return segmenter.model.correct(image, found, points)
    return found


def corrected_object(segmenter: Segmenter, image: Image, mask: Mask, points: Sequence[Point]) -> Mask:
    """(H, W) mask of an object corrected by points: a promptable model's, where it is told of one, else the guide's.

    The model is told the points and the box of the mask, stretched to the points on the object. What it finds is
    taken where it has all points right and is still that object. Raises `InvalidValue` when nothing is left.
    """
    if segmenter.model.needs_prompt and points and mask.any():
        found = _asked(segmenter, image, _box_around(mask, points), points)
        if agrees(found, points) and dense_iou(found, mask) >= _SAME_OBJECT:
            return found
    return segmenter.model.correct(image, mask, points)


def _asked(segmenter: Segmenter, image: Image, box: _Corners | None, points: Sequence[Point]) -> Mask:
    max_points = segmenter.model.max_points
    prompts = list(points)
    if max_points is not None:
        inside = [point for point in points if point.inside]
        room = max_points - (0 if box is None else _BOX_POINTS)
        too_early = inside[: max(0, len(inside) - room)]
        prompts = [point for point in points if point not in too_early]
    prompt_points = [(point.x, point.y, int(point.inside)) for point in prompts]
    result = segmenter.prompt(image, boxes=() if box is None else (box,), points=prompt_points)
    return result.instances.masks.union()


def _box_around(mask: Mask, points: Sequence[Point]) -> _Corners:
    """The box of a mask's pixels and of the pixels under points on the object; x2 and y2 excluded."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    xs = [int(columns[0]), int(columns[-1]), *(int(point.x) for point in points if point.inside)]
    ys = [int(rows[0]), int(rows[-1]), *(int(point.y) for point in points if point.inside)]
    return min(xs), min(ys), max(xs) + 1, max(ys) + 1

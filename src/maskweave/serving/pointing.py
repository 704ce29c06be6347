"""Find the object that clicks mean, with a promptable model where one is asked for, never against the clicks."""

from __future__ import annotations

from collections.abc import Sequence

from maskweave.api import Segmenter
from maskweave.types.arrays import Image, Mask
from maskweave.types.prompt import Point, agrees, latest_points

_Corners = tuple[float, float, float, float]


def object_at(segmenter: Segmenter, image: Image, *, box: _Corners | None, points: Sequence[Point]) -> Mask:
    """(H, W) mask of the object in a box, or under points: the model's, corrected where it has points wrong.

    A promptable model that takes fewer points is told the latest. Raises `InvalidValue` when nothing stands out
    there.
    """
    latest = latest_points(points, segmenter.model.max_points, boxes=0 if box is None else 1)
    prompt_points = [(point.x, point.y, int(point.inside)) for point in latest]
    result = segmenter.prompt(image, boxes=() if box is None else (box,), points=prompt_points)
    found = result.instances.masks.union()
    if segmenter.model.needs_prompt and not agrees(found, points):
        return segmenter.model.correct(image, found, points)
    return found

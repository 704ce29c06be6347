"""Decode COCO's segmentations: run lengths, polygons, or only a box."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from maskweave.annotations.values import number, shown
from maskweave.errors import BadRecord
from maskweave.ops.coco_polygons import fill_coco_polygons
from maskweave.ops.masks import unite
from maskweave.ops.rle import Rle, decode_masks
from maskweave.types.arrays import FloatArray, Mask, Size
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks, concatenate


def no_pixels(size: Size) -> Masks:
    """One object of which no pixel is known."""
    return Masks([np.zeros((0, 0), dtype=bool)], [(0, 0)], size)


def segmentation_to_masks(segmentation: Any, size: Size) -> Masks:
    """One object's segmentation in an image of ``size`` (height, width), as `Masks` of length 1.

    Polygons are filled as cocoapi fills them; their parts outside the image are cut off.

    Raises:
        InvalidValue: Damaged run lengths, or of another size.
        BadRecord: A polygon that is no list of at least three points.
    """
    if isinstance(segmentation, dict):
        return decode_masks([checked_rle(segmentation)], size)
    if not isinstance(segmentation, list | tuple):
        raise BadRecord(f"need run lengths or polygons, got {shown(segmentation)}")
    if segmentation and all(isinstance(each, dict) for each in segmentation):  # run lengths of parts
        return unite(decode_masks([checked_rle(each) for each in segmentation], size))
    rings = [segmentation] if _is_ring(segmentation) else segmentation
    return fill_coco_polygons([_ring(each) for each in _with_area(rings)], size)


def _is_ring(segmentation: Sequence[Any]) -> bool:
    """Whether a list is one polygon: of numbers, or of three or more pairs of such."""
    first = segmentation[0] if segmentation else []
    pairs = len(segmentation) > 2 and all(
        isinstance(each, list | tuple) and len(each) == 2 for each in segmentation
    )
    return not isinstance(first, list | tuple) or (pairs and not isinstance(first[0], list | tuple))


def _with_area(rings: Sequence[Any]) -> Sequence[Any]:
    """The rings of three points or more: others enclose nothing, and cost nothing where there are such."""
    found = [each for each in rings if not isinstance(each, list | tuple) or np.size(each) >= 6]
    return found or rings


def checked_rle(segmentation: dict[str, Any]) -> Rle:
    """Run lengths with their size as whole numbers; raises `BadRecord` where one of both is missing."""
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if not isinstance(size, list | tuple) or len(size) != 2 or counts is None:
        raise BadRecord("need run lengths with size and counts, one is missing")
    if isinstance(counts, str) and counts[:2] in ("b'", 'b"'):  # bytes of Python, saved as they are shown
        with suppress(ValueError, SyntaxError, AttributeError):
            counts = ast.literal_eval(counts).decode("ascii")
    if isinstance(counts, list):
        counts = [int(number(each, "run length")) for each in counts]
    return Rle(size=[int(number(each, "size")) for each in size], counts=counts)


def _ring(polygon: Any) -> FloatArray:
    """(P, 2) points of one polygon, whose numbers stand in a row or in pairs."""
    try:
        points: FloatArray = np.asarray(polygon, dtype=np.float64).ravel()
    except (TypeError, ValueError):  # not plain numbers; where they are spelled otherwise this takes longer
        points = _flat(polygon)
    if len(points) < 6 or len(points) % 2:
        raise BadRecord(f"polygon: need x, y of at least 3 points, got {points.size} numbers")
    return points.reshape(-1, 2)


def _flat(polygon: Any) -> FloatArray:
    if not isinstance(polygon, list | tuple):
        raise BadRecord(f"polygon: need numbers x, y, got {shown(polygon)}")
    if any(isinstance(each, list | tuple) for each in polygon):
        return points_of(polygon, "corner of a polygon").ravel()
    return np.array([number(each, "corner of a polygon") for each in polygon], dtype=np.float64)


def points_of(pairs: Any, what: str = "point") -> FloatArray:
    """(P, 2) points from pairs of numbers in any spelling; raises `BadRecord` for anything else."""
    if not isinstance(pairs, list | tuple) or not all(
        isinstance(each, list | tuple) and len(each) == 2 for each in pairs
    ):
        raise BadRecord("need points x, y")
    return np.array([[number(each, what) for each in pair] for pair in pairs], dtype=np.float64).reshape(
        -1, 2
    )


def corners_of(box: Any) -> list[float]:
    """x1 y1 x2 y2 of a COCO box (x, y, width, height); raises `BadRecord` for what is none."""
    if not isinstance(box, list | tuple) or len(box) != 4:
        raise BadRecord(f"need a bbox of x, y, width, height, got {shown(box)}")
    x, y, width, height = (number(each, "bbox") for each in box)
    if width < 0 or height < 0:
        raise BadRecord(f"need a bbox of x, y, width, height, got {list(box)}")
    return [x, y, x + width, y + height]


def rectangle(box: Sequence[float], size: Size) -> Masks:
    """The pixels whose centers lie in a box (x1, y1, x2, y2), as `Masks` of length 1."""
    x1, x2 = (int(np.clip(np.ceil(edge - 0.5), 0, size[1])) for edge in box[0::2])
    y1, y2 = (int(np.clip(np.ceil(edge - 0.5), 0, size[0])) for edge in box[1::2])
    return Masks([np.ones((y2 - y1, x2 - x1), dtype=bool)], [(x1, y1)], size)


def solid_masks(instances: Instances) -> Masks:
    """The mask of each object; of one without pixels the rectangle of its box."""
    boxes, areas = instances.boxes.tolist(), instances.masks.areas.tolist()
    found = (
        instances.masks[row : row + 1] if area else rectangle(boxes[row], instances.size)
        for row, area in enumerate(areas)
    )
    return concatenate([Masks.empty(instances.size), *found])


def placed_bitmap(bitmap: Mask, left: int, top: int, size: Size) -> Masks:
    """A bitmap whose first pixel lies at ``left``, ``top``, as `Masks` of length 1; what lies outside is cut off.

    Raises:
        BadRecord: Nothing of it lies inside the image.
    """
    cut = bitmap[max(0, -top) : max(0, size[0] - top), max(0, -left) : max(0, size[1] - left)]
    if not cut.any():
        raise BadRecord(
            f"need a mask with pixels inside the image of {size[1]} x {size[0]}, "
            f"got one of {bitmap.shape[1]} x {bitmap.shape[0]} at {left}, {top}"
        )
    return Masks([cut], [(max(0, left), max(0, top))], size)

"""Make semantic maps and foreground maps of instances."""

from __future__ import annotations

import numpy as np

from maskweave.types.arrays import FloatArray, IntArray
from maskweave.types.instances import Instances
from maskweave.types.semantic import FOREGROUND_NAMES, IGNORE, SemanticMap


def is_background(name: str) -> bool:
    """Whether a class of that name is the background, in any spelling of common data sets.

    >>> [is_background(name) for name in ("background", "__background__", "BG", "backpack")]
    [True, True, True, False]
    """
    return name.strip().strip("_").casefold() in ("background", "bg")


def paint_numbers(
    instances: Instances, numbers: IntArray, *, rows: tuple[int, int] | None = None
) -> IntArray:
    """(H, W) unsigned: 0 where nothing is, else the number of the object there; better scores lie on top.

    ``numbers``: (N,) integers from 0, one for each object. The type is as narrow as they allow. ``rows``: paint only
    those from the first to before the second.
    """
    top, bottom = rows or (0, instances.size[0])
    painted = np.zeros((bottom - top, instances.size[1]), dtype=np.min_scalar_type(max(numbers, default=0)))
    extents = instances.masks.boxes
    order = np.argsort(instances.scores, kind="stable")
    for row in order[(extents[order, 1] < bottom) & (extents[order, 3] > top)]:
        x, y = instances.masks.corners[row]
        crop = instances.masks.crops[row][max(0, top - y) : bottom - y]
        first = max(y, top) - top
        painted[first : first + crop.shape[0], x : x + crop.shape[1]][crop] = numbers[row]
    return painted


def semantic_from_instances(instances: Instances) -> SemanticMap:
    """Paint instances into one class map, better scores on top; class 0 is "background".

    Class ``i`` of the instances becomes class ``i + 1`` of the map.
    """
    class_map = paint_numbers(instances, instances.class_ids + 1)
    return SemanticMap(class_map, ("background", *instances.class_names))


def foreground_from_instances(instances: Instances) -> SemanticMap:
    """Mark every pixel of any instance as foreground."""
    return SemanticMap(instances.masks.union().view(np.uint8), FOREGROUND_NAMES)


def foreground_from_semantic(semantic: SemanticMap) -> SemanticMap:
    """Mark every pixel of a class that is no background as foreground; `IGNORE` is not. Keeps alpha."""
    inside = semantic.class_map != IGNORE
    for index, name in enumerate(semantic.class_names):
        if is_background(name):
            inside &= semantic.class_map != index
    return SemanticMap(inside.astype(np.uint8), FOREGROUND_NAMES, alpha=semantic.alpha)


def foreground_from_alpha(alpha: FloatArray, *, threshold: float = 0.5) -> SemanticMap:
    """A map of foreground from (H, W) float in [0, 1]: where it is greater than ``threshold``. Keeps alpha."""
    return SemanticMap((alpha > threshold).astype(np.uint8), FOREGROUND_NAMES, alpha=alpha)

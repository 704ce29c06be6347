"""Panoptic results from instances and a semantic map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maskweave.errors import InvalidValue
from maskweave.types.arrays import IntArray
from maskweave.types.instances import Instances
from maskweave.types.panoptic import VOID, Panoptic, Segment
from maskweave.types.semantic import SemanticMap

STUFF_AREA = 64 * 64


def panoptic(
    instances: Instances,
    semantic: SemanticMap,
    *,
    overlap: float = 0.5,
    stuff_area: int = STUFF_AREA,
    stuff: Sequence[str] | None = None,
) -> Panoptic:
    """Merge objects and classes of one image, so that each pixel has one segment or none.

    Objects go first, best score first, each with the pixels that no better one has; one of whose pixels more than the
    share ``overlap`` is taken is dropped. Then comes the rest of each class of the semantic map that has no objects,
    where it has at least ``stuff_area`` pixels. ``stuff``: names of these classes; None takes all of the map that no
    class of the instances is called like, but "background". Leave objects of low score out before: all that are given
    are used.

    Raises `InvalidValue` for results of different sizes, an ``overlap`` outside [0, 1] or an unknown name. The rule
    is that of https://github.com/cocodataset/panopticapi, ``combine_semantic_and_instance_predictions.py``.
    """
    if instances.size != semantic.size:
        raise InvalidValue(f"panoptic: need results of one size, got {instances.size} and {semantic.size}")
    if not 0 <= overlap <= 1:
        raise InvalidValue(f"overlap: need a share in [0, 1], got {overlap}")
    names = _stuff_names(instances, semantic, stuff)
    id_map = np.full(instances.size, VOID, np.int32)
    segments = _things(instances, id_map, overlap)
    first_stuff = len(instances.class_names)
    for number, name in enumerate(names):
        mine = semantic.mask(name) & (id_map == VOID)
        area = int(np.count_nonzero(mine))
        if area and area >= stuff_area:
            segments.append(Segment(len(segments) + 1, first_stuff + number, area))
            id_map[mine] = segments[-1].id
    is_thing = (True,) * first_stuff + (False,) * len(names)
    return Panoptic(id_map, tuple(segments), (*instances.class_names, *names), is_thing)


def _things(instances: Instances, id_map: IntArray, overlap: float) -> list[Segment]:
    """Paint the objects into the map, in place."""
    segments: list[Segment] = []
    for row in np.argsort(-instances.scores, kind="stable").tolist():
        crop, (x, y) = instances.masks.crops[row], instances.masks.corners[row].tolist()
        region = id_map[y : y + crop.shape[0], x : x + crop.shape[1]]
        free = crop & (region == VOID)
        area, whole = int(np.count_nonzero(free)), int(instances.masks.areas[row])
        if not area or (whole - area) / whole > overlap:
            continue
        class_id, score = int(instances.class_ids[row]), float(instances.scores[row])
        segments.append(Segment(len(segments) + 1, class_id, area, score))
        region[free] = segments[-1].id
    return segments


def _stuff_names(instances: Instances, semantic: SemanticMap, stuff: Sequence[str] | None) -> tuple[str, ...]:
    things = {*instances.class_names, "background"}
    if stuff is None:
        return tuple(name for name in semantic.class_names if name not in things)
    for name in stuff:
        if name not in semantic.class_names or name in instances.class_names:
            raise InvalidValue(
                f"stuff: need classes of the semantic map that the instances do not have, got {name!r}"
            )
    return tuple(stuff)

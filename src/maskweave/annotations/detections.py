"""Convert objects to and from the types of the package supervision. Needs the extra ``[supervision]``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue
from maskweave.optional import optional
from maskweave.types.arrays import Size
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks

_NAMES = "class_name"
"""Where supervision keeps the names of classes."""


def to_detections(instances: Instances) -> Any:
    """``supervision.Detections`` with dense masks, confidences, class ids, class names and, where there are, ids.

    Raises `MissingDependency` when supervision is not installed.
    """
    with optional("to_supervision", extra="supervision"):
        import supervision
    return supervision.Detections(
        xyxy=np.array(instances.boxes, dtype=np.float32),
        mask=instances.masks.dense(),
        confidence=np.array(instances.scores, dtype=np.float32),
        class_id=np.array(instances.class_ids, dtype=int),
        tracker_id=None if instances.track_ids is None else np.array(instances.track_ids, dtype=int),
        data={_NAMES: np.array(instances.names, dtype=np.str_)},
    )


def from_detections(detections: Any, size: Size, *, class_names: Sequence[str] | None = None) -> Instances:
    """The objects of ``supervision.Detections`` in an image of ``size`` (height, width).

    ``class_names``: what class ids are indices into. None takes the names that the detections carry, else
    "class 0", "class 1" and so on. Without confidences scores are 1.

    Raises `InvalidValue` for detections without masks, or masks of another size.
    """
    count = len(detections)
    if detections.mask is None and count:
        raise InvalidValue("supervision: need detections with masks, got boxes alone")
    dense = np.zeros((0, *size), dtype=bool) if not count else np.asarray(detections.mask).astype(bool)
    if dense.shape[1:] != size:
        raise InvalidValue(f"supervision: need masks of the image's size {size}, got {dense.shape[1:]}")
    class_ids = np.zeros(count, dtype=np.int64)
    if detections.class_id is not None:
        class_ids = np.asarray(detections.class_id, dtype=np.int64)
    if class_names is None:
        class_ids, names = _named(detections, class_ids)
    else:
        names = tuple(class_names)
    tracked = detections.tracker_id is not None
    return Instances(
        masks=Masks.from_dense(dense),
        boxes=np.asarray(detections.xyxy, dtype=np.float64),
        scores=np.ones(count) if detections.confidence is None else np.clip(detections.confidence, 0, 1),
        class_ids=class_ids,
        class_names=names,
        track_ids=np.asarray(detections.tracker_id, dtype=np.int64) if tracked else None,
    )


def _named(detections: Any, class_ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Class ids and names. Where numbers and names do not pair up one to one, the names are the classes."""
    given = detections.data.get(_NAMES)
    if given is None:
        return class_ids, tuple(f"class {number}" for number in range(int(class_ids.max(initial=-1)) + 1))
    of_each = [str(name) for name in given]
    pairs = set(zip(class_ids.tolist(), of_each, strict=True))
    if detections.class_id is None or len({key for key, _ in pairs}) < len(pairs):
        names = tuple(dict.fromkeys(of_each))
        return np.array([names.index(name) for name in of_each], dtype=np.int64), names
    known = dict(pairs)
    highest = int(class_ids.max(initial=-1))
    return class_ids, tuple(known.get(number, f"class {number}") for number in range(highest + 1))

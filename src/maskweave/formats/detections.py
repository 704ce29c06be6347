"""Objects as the package supervision has them, and back. Needs the extra ``[supervision]``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from maskweave.errors import InvalidValue, MissingDependency
from maskweave.types.arrays import Size
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks

_NAMES = "class_name"
"""Where supervision keeps the names of classes."""


def to_detections(instances: Instances) -> Any:
    """``supervision.Detections`` with dense masks, confidences, class ids, class names and, where there are, ids.

    Raises `MissingDependency` when supervision is not installed.
    """
    try:
        import supervision
    except ImportError as error:
        raise MissingDependency(
            "supervision is not installed. Use `pip install maskweave[supervision]`."
        ) from error
    return supervision.Detections(
        xyxy=np.array(instances.boxes, dtype=np.float32),
        mask=instances.masks.dense(),
        confidence=np.array(instances.scores, dtype=np.float32),
        class_id=np.array(instances.class_ids, dtype=int),
        tracker_id=None if instances.track_ids is None else np.array(instances.track_ids, dtype=int),
        data={_NAMES: np.array(instances.names, dtype=np.str_)},
    )


def from_detections(detections: Any, size: Size, *, class_names: Sequence[str] | None = None) -> Instances:
    """The objects of ``supervision.Detections`` in a picture of ``size`` (height, width).

    ``class_names``: what class ids are indices into. None takes the names that the detections carry, else
    "class 0", "class 1" and so on. Without confidences scores are 1.

    Raises `InvalidValue` for detections without masks, or masks of another size.
    """
    count = len(detections)
    if detections.mask is None and count:
        raise InvalidValue("supervision: need detections with masks, got boxes alone")
    dense = np.zeros((0, *size), dtype=bool) if not count else np.asarray(detections.mask).astype(bool)
    if dense.shape[1:] != size:
        raise InvalidValue(f"supervision: need masks of the picture's size {size}, got {dense.shape[1:]}")
    class_ids = np.zeros(count, dtype=np.int64)
    if detections.class_id is not None:
        class_ids = np.asarray(detections.class_id, dtype=np.int64)
    names = _class_names(detections, class_ids) if class_names is None else tuple(class_names)
    tracked = detections.tracker_id is not None
    return Instances(
        masks=Masks.from_dense(dense),
        boxes=np.asarray(detections.xyxy, dtype=np.float64),
        scores=np.ones(count) if detections.confidence is None else np.clip(detections.confidence, 0, 1),
        class_ids=class_ids,
        class_names=names,
        track_ids=np.asarray(detections.tracker_id, dtype=np.int64) if tracked else None,
    )


def _class_names(detections: Any, class_ids: np.ndarray[Any, np.dtype[np.int64]]) -> tuple[str, ...]:
    told = detections.data.get(_NAMES)
    names = [f"class {number}" for number in range(int(class_ids.max(initial=-1)) + 1)]
    for class_id, name in zip(class_ids.tolist(), [] if told is None else told, strict=told is not None):
        names[class_id] = str(name)
    return tuple(names)

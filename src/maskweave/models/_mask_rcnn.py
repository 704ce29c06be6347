"""For the Mask R-CNN families: turn the chosen detections into instances."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskweave.ops.boxes import clip_boxes, usable_boxes
from maskweave.ops.paste import paste_masks
from maskweave.types.arrays import FloatArray, Size
from maskweave.types.instances import Instances

_MAX_GRID = 112  # cells a side of a mask that is still to be pasted; exports that paste give image sizes


@dataclass(frozen=True)
class Detections:
    """N detections of one image: boxes (N, 4) xyxy in source pixels, not clipped, masks (N, M, M) in 0..1."""

    boxes: FloatArray
    scores: FloatArray
    class_ids: NDArray[np.int64]
    mask_probs: FloatArray


def to_instances(
    found: Detections, size: Size, class_names: tuple[str, ...], *, mask_threshold: float
) -> Instances:
    """Paste the masks, then clip the boxes: the other order would squeeze objects at the image's edge.

    Objects without a pixel in the image of ``size`` (height, width) are dropped, and so are boxes and scores that
    are not `usable_boxes`.
    """
    real = usable_boxes(found.boxes, found.scores)
    boxes = found.boxes[real].astype(np.float64)
    with np.errstate(invalid="ignore"):  # a mask of NaN has no pixel
        masks = paste_masks(found.mask_probs[real], boxes, size, threshold=mask_threshold)
    instances = Instances(
        masks=masks,
        boxes=clip_boxes(boxes, size),
        scores=np.clip(found.scores[real], 0, 1),
        class_ids=found.class_ids[real],
        class_names=class_names,
    )
    return instances[masks.areas > 0]


def roles_of(tensors: Iterable[tuple[str, tuple[int | None, ...], str]]) -> dict[str, str]:
    """The role of each output, by rank, type and last dimension: {role: name}, as far as that is clear."""
    roles: dict[str, str] = {}
    for name, shape, dtype in tensors:
        role = _role(shape, dtype.startswith("int"))
        if role is None or role in roles:
            return {}
        roles[role] = name
    return roles


def _role(shape: tuple[int | None, ...], whole: bool) -> str | None:
    if len(shape) == 1:
        return "labels" if whole else "scores"
    if whole:
        return None
    if len(shape) == 2 and shape[1] in (4, None):
        return "boxes"
    return "masks" if len(shape) == 4 and shape[1] in (1, None) else None


def is_grid(shape: tuple[int | None, ...]) -> bool:
    """Whether a mask tensor's shape is that of small square grids rather than of whole images."""
    height, width = shape[2:]
    return height is not None and height == width and height <= _MAX_GRID

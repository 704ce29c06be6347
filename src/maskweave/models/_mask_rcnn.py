"""What the Mask R-CNN families share: from chosen detections to instances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskweave.ops.boxes import clip_boxes, usable_boxes
from maskweave.ops.paste import paste_masks
from maskweave.types.arrays import FloatArray, Size
from maskweave.types.instances import Instances


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

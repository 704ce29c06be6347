"""For families whose masks cover the whole network input: turn the chosen detections into instances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskweave.ops.boxes import clip_boxes, usable_boxes
from maskweave.ops.letterbox import Letterbox
from maskweave.ops.paste import paste_canvas_masks, shown_extents
from maskweave.types.arrays import FloatArray
from maskweave.types.instances import Instances


@dataclass(frozen=True)
class CanvasDetections:
    """N detections of one image.

    ``boxes``: (N, 4) xyxy in input pixels, not clipped. ``masks``: (N, h, w) over the whole input, logits or
    probabilities.
    """

    boxes: FloatArray
    scores: FloatArray
    class_ids: NDArray[np.int64]
    masks: FloatArray


def canvas_instances(
    found: CanvasDetections,
    letterbox: Letterbox,
    class_names: tuple[str, ...],
    *,
    threshold: float,
    cut: bool,
) -> Instances:
    """Interpolate the masks at the centers of source pixels and compare them with ``threshold``.

    ``cut`` to their boxes, where the network's masks mean something inside only. Detections of class -1 are dropped,
    those without a pixel, and those whose boxes and scores are not `usable_boxes`.
    """
    real = usable_boxes(found.boxes, found.scores) & (found.class_ids >= 0)
    boxes = letterbox.to_source(found.boxes[real])
    grids, extent = found.masks[real], letterbox.canvas_extent
    with np.errstate(invalid="ignore", over="ignore"):  # a mask of NaN has no pixel
        windows = boxes if cut else shown_extents(grids, extent=extent, threshold=threshold)
        masks = paste_canvas_masks(
            grids, windows, extent=extent, size=letterbox.source_size, threshold=threshold
        )
    instances = Instances(
        masks=masks,
        boxes=clip_boxes(boxes, letterbox.source_size),
        scores=np.clip(found.scores[real], 0, 1),
        class_ids=found.class_ids[real],
        class_names=class_names,
    )
    return instances[masks.areas > 0]

"""D-FINE-seg: a transformer whose export has the choice of the best detections built in.

Input ``input`` (1, 3, H, W): RGB / 255, the image squashed bilinearly between pixel centers. Outputs: ``labels``
(1, K); ``boxes`` (1, K, 4), x1, y1, x2, y2 in input pixels, rounded outwards to whole ones and held to 0..W-1 and
0..H-1 by the export itself; ``scores`` (1, K); ``masks`` (1, K, h, w) probabilities of the whole image, usually a
quarter of its size, an object where the interpolated value is above 0.5 and inside the box. An end at W-1 or H-1 is
taken to be the edge, or objects there would lose their last pixels.

One query may answer with several classes, so overlaps above 0.7 are suppressed whatever their class, as the project's
own inference does. The labels of the published weights are COCO's 80 in order. A file exported to keep the aspect
needs a sidecar with ``resize = "letterbox"``.
Source: https://github.com/ArgoHA/D-FINE-seg, ``dl/export.py`` and ``infer/onnx_model.py``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maskweave.errors import EngineError
from maskweave.models._canvas import CanvasDetections, canvas_instances
from maskweave.models._labels import LabelSpace, names_of
from maskweave.models._network_input import NetworkInput, OneInputModel, network_input, takes_one_image
from maskweave.models._outputs import first_image, seen
from maskweave.ops.boxes import check_nms_iou, non_maximum_suppression, usable_boxes
from maskweave.ops.coco_names import COCO_NAMES
from maskweave.ops.letterbox import Letterbox
from maskweave.ops.preprocessing import Preprocessing
from maskweave.runtimes.base import Runtime, RuntimeInfo, Tensors
from maskweave.types.arrays import Array, FloatArray, Size
from maskweave.types.instances import Instances

PREPROCESSING = Preprocessing()
_RANKS = {"labels": 2, "boxes": 3, "scores": 2, "masks": 4}
_USUAL_SIZE = 640


def recognize(info: RuntimeInfo) -> str | None:
    """Say why the network is of this family, or None when it is not."""
    shapes = {tensor.name: tensor.shape for tensor in info.outputs}
    if not takes_one_image(info, batched=True) or shapes.get("boxes", ())[-1:] not in ((4,), (None,)):
        return None
    if any(len(shapes.get(name, ())) != rank for name, rank in _RANKS.items()):
        return None
    return "it gives labels (1, K), boxes (1, K, 4), scores (1, K) and masks (1, K, h, w), as D-FINE-seg names them"


def build(
    runtime: Runtime,
    *,
    name: str,
    class_names: Sequence[str] | None = None,
    size: int | None = None,
    nms_iou: float = 0.7,
    preprocessing: Preprocessing = PREPROCESSING,
) -> DFINESeg:
    """Make a model from a loaded network.

    ``class_names``: of labels 0, 1, …, "" for one never reported; None takes COCO's 80, with a warning. ``size``: of
    an input that is not fixed; None takes 640. ``nms_iou``: larger overlaps are suppressed.

    Raises `UnknownLayout` for another input, `InvalidValue` for a size or an overlap that cannot be.
    """
    names = names_of(name, given=class_names, in_file=None, documented=COCO_NAMES, count=None)
    fed = network_input(name, runtime.describe(), preprocessing, size=size, usual=_USUAL_SIZE)
    return DFINESeg(runtime, name=name, labels=LabelSpace.of(names), fed=fed, nms_iou=check_nms_iou(nms_iou))


class DFINESeg(OneInputModel):
    """A loaded D-FINE-seg; see the module for its contract."""

    def __init__(
        self, runtime: Runtime, *, name: str, labels: LabelSpace, fed: NetworkInput, nms_iou: float
    ) -> None:
        super().__init__(runtime, name=name, class_names=labels.class_names, fed=fed)
        self.labels = labels
        self.nms_iou = nms_iou

    def decode(self, outputs: Tensors, letterbox: Letterbox, *, score: float) -> Instances:
        """Keep detections of at least ``score``, suppress doubles, and cut the masks to their boxes."""
        labels, boxes, scores, masks = self._tensors(outputs)
        rows = np.flatnonzero(usable_boxes(boxes, scores) & (scores >= score))
        boxes = _unheld(boxes[rows], letterbox.input_size)
        any_class = np.zeros(len(rows), np.int64)
        kept = non_maximum_suppression(boxes, scores[rows], any_class, iou=self.nms_iou)
        rows = rows[kept]
        detections = CanvasDetections(
            boxes=boxes[kept],
            scores=scores[rows],
            class_ids=self.labels.look_up(labels[rows], model=self.name),
            masks=masks[rows],
        )
        return canvas_instances(detections, letterbox, self.class_names, threshold=0.5, cut=True)

    def _tensors(self, outputs: Tensors) -> tuple[Array, FloatArray, FloatArray, FloatArray]:
        """Labels (K,), boxes (K, 4), scores (K,), masks (K, h, w), checked."""
        labels, boxes, scores, masks = first_image(self.name, outputs, _RANKS)
        rows = len(boxes)
        if (
            boxes.shape != (rows, 4)
            or {len(labels), len(scores), len(masks)} != {rows}
            or 0 in masks.shape[1:]
        ):
            raise EngineError(
                f"{self.name}: need labels (1, K), boxes (1, K, 4), scores (1, K) and masks (1, K, h, w), "
                f"got {seen(outputs)}"
            )
        return labels, boxes, scores, masks


def _unheld(boxes: FloatArray, canvas: Size) -> FloatArray:
    """Boxes whose ends the export held to the last pixel reach the edge again."""
    edges = np.array([canvas[1], canvas[0]], dtype=np.float64)
    free = boxes.astype(np.float64)
    free[:, 2:] = np.where(free[:, 2:] >= edges - 1, edges, free[:, 2:])
    return free

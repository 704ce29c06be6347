"""MaskWeave's own one-stage network: boxes, class scores and mask coefficients at every point, prototypes once.

The contract of its ONNX file: input ``image`` (N, H, W, 3) uint8 RGB, H and W multiples of 32; outputs ``boxes``
(N, P, 4) xyxy in input pixels, ``scores`` (N, P, C) in [0, 1], ``coefficients`` (N, P, K), ``prototypes``
(N, K, H/4, W/4) and, where asked for, ``features`` (N, F, H/8, W/8). The mask of a point is where the product
of its coefficients and the prototypes is positive, inside its box. Class names, input size and thresholds are in
the file's metadata. Prototype masks: YOLACT, https://arxiv.org/abs/1904.02689.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np

from maskweave.errors import EngineError, InvalidValue, UnknownLayout
from maskweave.models.base import Model, Prepared
from maskweave.ops.boxes import clip_boxes, non_maximum_suppression
from maskweave.ops.paste import paste_canvas_masks
from maskweave.ops.placement import Placement
from maskweave.runtimes.base import Runtime, RuntimeInfo, Tensors
from maskweave.types.arrays import FloatArray, Image
from maskweave.types.instances import Instances

_OUTPUTS = ("boxes", "scores", "coefficients", "prototypes")
_MULTIPLE = 32
_PAD_VALUE = 114
_CANDIDATES = 300  # points that enter suppression, best first
_OBJECTS = 100  # objects reported at most, as in COCO's evaluation


def recognise(info: RuntimeInfo) -> str | None:
    """Say why the file is of this family, or None when it is not."""
    if info.metadata.get("maskweave.family") == "compact":
        return "its metadata says maskweave.family = compact"
    return None


def build(runtime: Runtime, *, name: str, size: int | None = None) -> CompactModel:
    """Make a model from a loaded network whose metadata describes it; ``size`` overrides the input's long side.

    Raises `UnknownLayout` when metadata or outputs are missing, `InvalidValue` for a size that cannot be.
    """
    info = runtime.describe()
    missing = [output for output in _OUTPUTS if output not in {tensor.name for tensor in info.outputs}]
    if missing:
        raise UnknownLayout(
            f"{name}: need outputs {', '.join(_OUTPUTS)} of a compact model, {', '.join(missing)} missing"
        )
    try:
        class_names = tuple(str(each) for each in json.loads(info.metadata["maskweave.class_names"]))
        long_side = int(info.metadata["maskweave.size"]) if size is None else size
        nms_iou = float(info.metadata.get("maskweave.nms_iou", "0.6"))
        default_score = float(info.metadata.get("maskweave.score_threshold", "0.3"))
    except (KeyError, ValueError) as error:
        raise UnknownLayout(f"{name}: need class_names and size in the metadata, got {error}") from error
    if not _MULTIPLE <= long_side <= 4096:
        raise InvalidValue(f"size: need {_MULTIPLE} to 4096 pixels, got {long_side}")
    return CompactModel(
        runtime,
        name=name,
        class_names=class_names,
        default_score=default_score,
        long_side=long_side,
        nms_iou=nms_iou,
    )


class CompactModel(Model):
    """A loaded compact network; see the module for its contract."""

    def __init__(
        self,
        runtime: Runtime,
        *,
        name: str,
        class_names: tuple[str, ...],
        default_score: float = 0.3,
        long_side: int = 384,
        nms_iou: float = 0.6,
    ) -> None:
        super().__init__(runtime, name=name, class_names=class_names, default_score=default_score)
        self.long_side = long_side
        self.nms_iou = nms_iou

    def prepare(self, image: Image) -> Prepared:
        """Letterbox (H, W, 3) uint8 RGB to the input size, image at the top left, grey beyond."""
        placement = Placement.letterbox((image.shape[0], image.shape[1]), self.long_side, multiple=_MULTIPLE)
        return Prepared({"image": placement.apply(image, pad_value=_PAD_VALUE)[None]}, placement)

    def decode(self, outputs: Tensors, placement: Placement, *, score: float) -> Instances:
        """Keep points above ``score``, suppress doubles within a class, and cut their masks to source pixels."""
        boxes, scores, coefficients, prototypes = self._tensors(outputs)
        class_ids = scores.argmax(axis=1)
        best = scores[np.arange(len(scores)), class_ids]
        points = np.flatnonzero(best >= score)
        points = points[np.argsort(-best[points], kind="stable")][:_CANDIDATES]
        kept = non_maximum_suppression(boxes[points], best[points], class_ids[points], iou=self.nms_iou)
        points = points[kept[:_OBJECTS]]
        placed = placement.to_source(boxes[points])
        masks = paste_canvas_masks(
            np.tensordot(coefficients[points], prototypes, axes=1),
            placed,
            extent=_canvas_extent(placement),
            size=placement.source_size,
        )
        found = Instances(
            masks=masks,
            boxes=clip_boxes(placed, placement.source_size),
            scores=np.clip(best[points], 0, 1),
            class_ids=class_ids[points],
            class_names=self.class_names,
        )
        return found[masks.areas > 0]

    def _tensors(self, outputs: Mapping[str, FloatArray]) -> tuple[FloatArray, ...]:
        """The four tensors of the first image, shapes checked."""
        boxes, scores, coefficients, prototypes = (outputs[name][0] for name in _OUTPUTS)
        points, channels = len(boxes), len(prototypes)
        if scores.shape != (points, len(self.class_names)) or coefficients.shape != (points, channels):
            raise EngineError(
                f"{self.name}: need scores ({points}, {len(self.class_names)}) and coefficients "
                f"({points}, {channels}), got {scores.shape} and {coefficients.shape}"
            )
        ordered = np.concatenate([boxes[:, :2], np.maximum(boxes[:, 2:], boxes[:, :2])], axis=1)
        return ordered, scores, coefficients, prototypes


def _canvas_extent(placement: Placement) -> tuple[float, float, float, float]:
    """The whole input, padding included, in source pixels."""
    height, width = placement.input_size
    x1, y1, x2, y2 = placement.to_source(np.array([[0, 0, width, height]], dtype=np.float64))[0].tolist()
    return x1, y1, x2, y2

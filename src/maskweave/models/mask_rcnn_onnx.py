"""Mask R-CNN R-50-FPN as the ONNX model zoo publishes it, and exports of the same layout.

Input ``image`` (3, H, W) float32, no batch: BGR 0..255 less the means, short side 800, long side at most
1333, zeros on the right and below up to a multiple of 32. Outputs: boxes ``6568`` (n, 4) xyxy in input pixels
with the end *included* (the network comes from Detectron's family, whose box decoder ends with "- 1", so 1 is
added here); labels ``6570`` (n,) int64, 1..80; scores ``6572`` (n,); masks ``6887`` (n, 1, 28, 28)
probabilities. An export whose H and W are fixed gets each image scaled to fit inside, zeros around.

Source: https://github.com/onnx/models/tree/main/validated/vision/object_detection_segmentation/mask-rcnn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maskweave.errors import EngineError, InvalidValue, UnknownLayout
from maskweave.models._mask_rcnn import Detections, is_grid, roles_of, to_instances
from maskweave.models.base import Model, Prepared, fixed_canvas
from maskweave.ops.coco_names import COCO_NAMES
from maskweave.ops.letterbox import Letterbox, fit_inside
from maskweave.runtimes.base import Runtime, RuntimeInfo, Tensors
from maskweave.types.arrays import Array, Image, Size
from maskweave.types.instances import Instances

CLASS_NAMES = COCO_NAMES
"""COCO's 80 names in order: the network's labels 1..80, less one."""

_NAMES = {"boxes": "6568", "labels": "6570", "scores": "6572", "masks": "6887"}
_MEANS = np.array([102.9801, 115.9465, 122.7717], dtype=np.float32)  # of blue, green, red
_SHORT, _MAX_SIDE, _MULTIPLE = 800, 1333, 32


def recognize(info: RuntimeInfo) -> str | None:
    """Say why the network is of this family, or None when it is not."""
    if not _takes_one_image(info):
        return None
    if set(_NAMES.values()) <= {tensor.name for tensor in info.outputs}:
        return f"its outputs are named {', '.join(_NAMES.values())}, as in the ONNX zoo's Mask R-CNN"
    roles = roles_of((tensor.name, tensor.shape, tensor.dtype) for tensor in info.outputs)
    masks = next((tensor for tensor in info.outputs if tensor.name == roles.get("masks")), None)
    if len(roles) < len(_NAMES) or masks is None or not is_grid(masks.shape):
        return None
    return "it takes one (3, H, W) image and gives boxes (n, 4), labels, scores and small masks (n, 1, M, M)"


def build(
    runtime: Runtime, *, name: str, class_names: Sequence[str] = CLASS_NAMES, mask_threshold: float = 0.5
) -> MaskRCNNOnnx:
    """Make a model from a loaded network; ``class_names`` are those of labels 1, 2, …

    Raises `UnknownLayout` when its tensors are others or only one side of its input is fixed, `InvalidValue`
    for a threshold outside [0, 1].
    """
    info = runtime.describe()
    if not _takes_one_image(info):
        seen = ", ".join(f"{tensor.name} {tensor.shape} {tensor.dtype}" for tensor in info.inputs)
        raise UnknownLayout(f"{name}: need one input (3, H, W) float32, got {seen or 'none'}")
    if not 0 <= mask_threshold <= 1:
        raise InvalidValue(f"mask_threshold: need a number in [0, 1], got {mask_threshold}")
    return MaskRCNNOnnx(
        runtime,
        name=name,
        class_names=tuple(class_names),
        mask_threshold=mask_threshold,
        input_name=info.inputs[0].name,
        canvas=fixed_canvas(name, *info.inputs[0].shape[1:]),
    )


class MaskRCNNOnnx(Model):
    """A loaded Mask R-CNN of the ONNX zoo's layout; see the module for its contract."""

    def __init__(
        self,
        runtime: Runtime,
        *,
        name: str,
        class_names: tuple[str, ...],
        mask_threshold: float,
        input_name: str,
        canvas: Size | None = None,
    ) -> None:
        super().__init__(runtime, name=name, class_names=class_names)
        self.mask_threshold = mask_threshold
        self.input_name = input_name
        self.canvas = canvas
        size = f"short side {_SHORT}, long side at most {_MAX_SIDE}"
        if canvas is not None:
            size = f"{canvas[0]}x{canvas[1]}"
        self.preprocessing = f"BGR 0..255, less the means; aspect kept, at the top left of zeros; {size}"

    def prepare(self, image: Image) -> Prepared:
        """Scale (H, W, 3) uint8 RGB, take the means off, and pad with zeros."""
        letterbox = self._placement((image.shape[0], image.shape[1]))
        canvas = letterbox.apply(image)[:, :, ::-1].astype(np.float32) - _MEANS
        height, width = letterbox.scaled_size
        canvas[height:] = 0
        canvas[:, width:] = 0
        return Prepared({self.input_name: np.ascontiguousarray(canvas.transpose(2, 0, 1))}, letterbox)

    def _placement(self, size: Size) -> Letterbox:
        if self.canvas is not None:
            return fit_inside(size, self.canvas)
        return Letterbox.short_side(size, _SHORT, max_side=_MAX_SIDE, multiple=_MULTIPLE)

    def decode(self, outputs: Tensors, letterbox: Letterbox, *, score: float) -> Instances:
        """Keep detections of at least ``score`` and paste each mask into its box."""
        boxes, labels, scores, masks = self._tensors(outputs)
        kept = (scores >= score) & (labels > 0)
        ends_excluded = boxes[kept].astype(np.float64) + np.array([0, 0, 1, 1])
        found = Detections(
            boxes=letterbox.to_source(ends_excluded),
            scores=scores[kept],
            class_ids=labels[kept].astype(np.int64) - 1,
            mask_probs=masks[kept, 0],
        )
        return to_instances(
            found, letterbox.source_size, self.class_names, mask_threshold=self.mask_threshold
        )

    def _tensors(self, outputs: Tensors) -> tuple[Array, Array, Array, Array]:
        """Boxes (n, 4), labels (n,), scores (n,), masks (n, 1, M, M), checked."""
        names = _NAMES
        if not set(names.values()) <= set(outputs):
            names = roles_of((name, array.shape, array.dtype.name) for name, array in outputs.items())
        seen = ", ".join(f"{name} {array.shape}" for name, array in outputs.items())
        need = "boxes (n, 4), labels (n,), scores (n,) and masks (n, 1, M, M)"
        if len(names) < len(_NAMES):
            raise EngineError(f"{self.name}: need {need}, got {seen}")
        boxes, labels, scores, masks = (outputs[names[role]] for role in _NAMES)
        rows = len(boxes)
        if boxes.shape != (rows, 4) or labels.shape != (rows,) or scores.shape != (rows,):
            raise EngineError(f"{self.name}: need {need}, got {seen}")
        if masks.ndim != 4 or masks.shape[:2] != (rows, 1) or 0 in masks.shape[2:]:
            raise EngineError(f"{self.name}: need {need}, got {seen}")
        if rows and labels.max() > len(self.class_names):
            raise UnknownLayout(
                f"{self.name}: need a name for every class, got {len(self.class_names)} names and "
                f"label {int(labels.max())}; give class_names"
            )
        return boxes, labels, scores, masks


def _takes_one_image(info: RuntimeInfo) -> bool:
    if len(info.inputs) != 1:
        return False
    shape, dtype = info.inputs[0].shape, info.inputs[0].dtype
    return len(shape) == 3 and shape[0] in (3, None) and dtype == "float32"

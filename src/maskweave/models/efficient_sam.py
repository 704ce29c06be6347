"""EfficientSAM: the object that a box or points mean.

Inputs ``batched_images`` (1, 3, 1024, 1024) float32 RGB 0..1, the image stretched over it; ``batched_point_coords``
(1, 1, P, 2) x, y in pixels of that input; ``batched_point_labels`` (1, 1, P), in OpenCV's export (1, 1, P, 1): 1 a
point on the object, 2 and 3 the top-left and the bottom-right corner of a box, -1 no point, up to P = 6. Outputs
``output_masks`` (1, 1, M, h, w) logits of M candidates over the whole image, from 0 on the object, and
``iou_predictions`` (1, 1, M), the IoU with the object that the network expects of each.

The network was trained without points beside the object. As in OpenCV's sample they choose among the candidates: the
one of the best expected IoU that has all points right, those on the object too, or, where none has, the best one.

Source: https://github.com/yformer/EfficientSAM,
https://github.com/opencv/opencv_zoo/tree/main/models/image_segmentation_efficientsam.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maskweave.errors import EngineError, InvalidValue, UnknownLayout
from maskweave.models._fixed_input import fixed_canvas
from maskweave.models.base import Model, Prepared
from maskweave.ops.letterbox import Letterbox
from maskweave.ops.paste import paste_canvas_masks
from maskweave.ops.preprocessing import UNIT, Preprocessing
from maskweave.runtimes.base import Runtime, RuntimeInfo, Tensors, TensorSpec
from maskweave.types.arrays import FloatArray, Image, Size
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks, concatenate
from maskweave.types.prompt import OBJECT_NAMES, Box, Point, Prompt, agrees

_IMAGES, _COORDS, _LABELS = "batched_images", "batched_point_coords", "batched_point_labels"
_MASKS, _IOUS = "output_masks", "iou_predictions"
_SIDE = 1024
_POINTS = 6
_INSIDE, _TOP_LEFT, _BOTTOM_RIGHT, _NONE = 1, 2, 3, -1
_JUST_BELOW_ZERO = -1e-30  # a logit of 0 is on the object


def recognize(info: RuntimeInfo) -> str | None:
    """Say why the network is of this family, or None when it is not."""
    if {_IMAGES, _COORDS, _LABELS} <= {tensor.name for tensor in info.inputs}:
        return f"it takes {_IMAGES}, {_COORDS} and {_LABELS}, as EfficientSAM does"
    return None


def build(
    runtime: Runtime,
    *,
    name: str,
    class_names: Sequence[str] = OBJECT_NAMES,
    preprocessing: Preprocessing = UNIT,
) -> EfficientSam:
    """Make a model from a loaded network; ``class_names`` is one name, of whatever is pointed at.

    Raises `UnknownLayout` when tensors are others, or there are more names.
    """
    info = runtime.describe()
    if recognize(info) is None:
        seen = ", ".join(tensor.name for tensor in info.inputs) or "none"
        raise UnknownLayout(f"{name}: need inputs {_IMAGES}, {_COORDS} and {_LABELS}, got {seen}")
    if len(class_names) != 1:
        raise UnknownLayout(f"{name}: need one class name, got {', '.join(class_names) or 'none'}")
    inputs = {tensor.name: tensor for tensor in info.inputs}
    return EfficientSam(
        runtime,
        name=name,
        class_names=tuple(class_names),
        shapes=_shapes(name, inputs),
        fed_as=preprocessing,
    )


@dataclass(frozen=True)
class _Shapes:
    """What the file says of its inputs: the image's (height, width), points at most, axes of their labels."""

    canvas: Size
    points: int
    label_axes: int


def _shapes(name: str, inputs: dict[str, TensorSpec]) -> _Shapes:
    image, coords = inputs[_IMAGES].shape, inputs[_COORDS].shape
    if len(image) != 4 or len(coords) != 4:
        raise UnknownLayout(
            f"{name}: need {_IMAGES} (1, 3, H, W) and {_COORDS} (1, 1, P, 2), got {image} and {coords}"
        )
    return _Shapes(
        fixed_canvas(name, *image[2:]) or (_SIDE, _SIDE),
        coords[2] or _POINTS,
        len(inputs[_LABELS].shape),
    )


class EfficientSam(Model):
    """A loaded EfficientSAM; see the module for its contract."""

    needs_prompt = True

    def __init__(
        self,
        runtime: Runtime,
        *,
        name: str,
        class_names: tuple[str, ...],
        shapes: _Shapes,
        fed_as: Preprocessing,
    ) -> None:
        super().__init__(runtime, name=name, class_names=class_names, default_score=0)
        self._shapes = shapes
        self.max_points = shapes.points
        self._fed_as = fed_as
        self.preprocessing = f"{fed_as.in_words()}; {shapes.canvas[0]}x{shapes.canvas[1]}"

    def prepare(self, image: Image) -> Prepared:
        """Stretch (H, W, 3) uint8 RGB over the input; the points are still to be added."""
        placement = Letterbox.squash((image.shape[0], image.shape[1]), self._shapes.canvas)
        return Prepared({_IMAGES: self._fed_as.planes(image, placement)[None]}, placement)

    def find_prompted(self, image: Image, prompt: Prompt) -> Instances:
        """One object for each box, or one for all points; a pass of the network each.

        Raises `InvalidValue` for more points than the network takes.
        """
        prepared = self.prepare(image)
        found = []
        for box in prompt.boxes or (None,):
            inputs = prepared.inputs | self._prompt_tensors(box, prompt.points, prepared.letterbox)
            masks, ious = self._candidates(self.infer(inputs), prepared.letterbox)
            found.append((masks, ious, _choose(masks, ious, prompt.points)))
        return self._instances(
            concatenate([masks[row] for masks, _, row in found]),
            np.array([ious[row] for _, ious, row in found]),
        )

    def decode(self, outputs: Tensors, placement: Letterbox, *, score: float) -> Instances:
        """The candidate of the best expected IoU, where that is at least ``score``."""
        masks, ious = self._candidates(outputs, placement)
        row = _choose(masks, ious, ())
        found = self._instances(masks[row], ious[row : row + 1])
        return found[found.scores >= score]

    def _instances(self, masks: Masks, scores: FloatArray) -> Instances:
        return Instances(masks, masks.boxes, scores, np.zeros(len(masks), np.int64), self.class_names)

    def _prompt_tensors(self, box: Box | None, points: Sequence[Point], placement: Letterbox) -> Tensors:
        """The coordinates and labels of what is pointed at, filled up with "no point"."""
        labeled_points = [(point.x, point.y, _INSIDE) for point in points if point.inside]
        if box is not None:
            labeled_points += [(box.x1, box.y1, _TOP_LEFT), (box.x2, box.y2, _BOTTOM_RIGHT)]
        max_points = self._shapes.points
        if len(labeled_points) > max_points:
            raise InvalidValue(
                f"prompt: need at most {max_points} points for {self.name}, a box counting as two; "
                f"got {len(labeled_points)}"
            )
        scale = placement.scale
        coords = np.zeros((1, 1, max_points, 2), np.float32)
        labels = np.full((1, 1, max_points), _NONE, np.float32)
        for row, (x, y, label) in enumerate(labeled_points):
            coords[0, 0, row] = x * scale[1], y * scale[0]
            labels[0, 0, row] = label
        return {_COORDS: coords, _LABELS: labels[..., None] if self._shapes.label_axes == 4 else labels}

    def _candidates(self, outputs: Tensors, placement: Letterbox) -> tuple[Masks, FloatArray]:
        """M masks in source pixels, and the (M,) IoU that the network expects of each."""
        masks, ious = outputs.get(_MASKS), outputs.get(_IOUS)
        if masks is None or ious is None or masks.ndim != 5 or not masks.size or ious.size != masks.shape[2]:
            seen = ", ".join(f"{name} {array.shape}" for name, array in outputs.items())
            raise EngineError(f"{self.name}: need {_MASKS} (1, 1, M, h, w) and {_IOUS} (1, 1, M), got {seen}")
        height, width = placement.source_size
        whole = (0.0, 0.0, float(width), float(height))
        pasted = paste_canvas_masks(
            masks[0, 0],
            np.array([whole] * masks.shape[2]),
            extent=whole,
            size=placement.source_size,
            threshold=_JUST_BELOW_ZERO,
        )
        return pasted, np.clip(np.nan_to_num(ious.reshape(-1).astype(np.float64)), 0, 1)


def _choose(masks: Masks, ious: FloatArray, points: Sequence[Point]) -> int:
    """The row of the best expected IoU that has all points right; of the best of all where none has."""
    order = np.argsort(-ious, kind="stable").tolist()
    for row in order:
        if agrees(masks[row].union(), points):
            return int(row)
    return int(order[0])

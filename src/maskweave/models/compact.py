"""MaskWeave's own one-stage network: boxes, class scores and mask coefficients at every point, prototypes once.

The contract of its ONNX file: input ``image`` (N, H, W, 3) uint8 RGB, H and W multiples of 32; outputs ``boxes``
(N, P, 4) xyxy in input pixels, ``scores`` (N, P, C) in [0, 1], ``coefficients`` (N, P, K), ``prototypes``
(N, K, H/4, W/4) and, where asked for, ``features`` (N, F, H/8, W/8). The mask of a point is where the product
of its coefficients and the prototypes is positive, inside its box. Class names, input size and thresholds are in
the file's metadata. An export whose H and W are fixed gets every picture letterboxed into that size, whatever the
metadata say. Prototype masks: YOLACT, https://arxiv.org/abs/1904.02689.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskweave.errors import EngineError, InvalidValue, UnknownLayout
from maskweave.models._fixed_input import fixed_canvas
from maskweave.models.base import Model, Prepared
from maskweave.ops.boxes import clip_boxes, non_maximum_suppression, usable_boxes
from maskweave.ops.iou import mask_containment, mask_iou
from maskweave.ops.paste import paste_canvas_masks
from maskweave.ops.placement import Placement, fit_inside
from maskweave.runtimes.base import Runtime, RuntimeInfo, Tensors, TensorSpec
from maskweave.types.arrays import FloatArray, Image, Size
from maskweave.types.instances import Instances

_OUTPUTS = ("boxes", "scores", "coefficients", "prototypes")
_FEATURES = "features"
_FEATURE_STRIDE = 8
_INPUT = "image"
_MULTIPLE = 32
_LARGEST = 4096
_PAD_VALUE = 114
_CANDIDATES = 3  # times the objects reported at most: points that enter suppression, best first
_PART_LOSS = 0.8  # of the score of an object that lies wholly inside a better one of its class
PART_LOSS_OF_GUESSES = 0.2  # the same where all that an object may be is asked for: parts are guesses, too
_SAME_OBJECT = 0.7  # IoU of masks from which on two classes are two names for one object
_OBJECTS = 100  # objects reported at most where the file does not say, as in COCO's evaluation


def recognise(info: RuntimeInfo) -> str | None:
    """Say why the file is of this family, or None when it is not."""
    if info.metadata.get("maskweave.family") == "compact":
        return "its metadata says maskweave.family = compact"
    return None


def build(runtime: Runtime, *, name: str, size: int | None = None) -> CompactModel:
    """Make a model from a loaded network whose metadata describes it; ``size`` overrides the input's long side.

    Raises `UnknownLayout` when metadata, input or outputs are not as in the contract, `InvalidValue` for a size
    that cannot be, or that a fixed input does not have.
    """
    info = runtime.describe()
    missing = [output for output in _OUTPUTS if output not in {tensor.name for tensor in info.outputs}]
    if missing:
        raise UnknownLayout(
            f"{name}: need outputs {', '.join(_OUTPUTS)} of a compact model, {', '.join(missing)} missing"
        )
    canvas = _canvas(name, info.inputs)
    if size is not None:
        _check_size(name, size, canvas)
    settings = _settings(name, info.metadata)
    return CompactModel(
        runtime,
        name=name,
        class_names=settings.class_names,
        default_score=settings.score,
        long_side=settings.size if size is None else size,
        nms_iou=settings.nms_iou,
        max_objects=settings.max_objects,
        canvas=canvas,
    )


@dataclass(frozen=True)
class _Settings:
    """What the metadata say."""

    class_names: tuple[str, ...]
    size: int
    nms_iou: float
    score: float
    max_objects: int


def _settings(name: str, metadata: Mapping[str, str]) -> _Settings:
    try:
        class_names = json.loads(metadata["maskweave.class_names"])
        found = _Settings(
            class_names=tuple(class_names) if isinstance(class_names, list) else (),
            size=int(metadata["maskweave.size"]),
            nms_iou=float(metadata.get("maskweave.nms_iou", "0.6")),
            score=float(metadata.get("maskweave.score_threshold", "0.3")),
            max_objects=int(metadata.get("maskweave.max_objects", _OBJECTS)),
        )
    except (KeyError, ValueError, RecursionError) as error:
        raise UnknownLayout(f"{name}: need class_names and size in the metadata, got {error}") from error
    if not found.class_names or not all(isinstance(each, str) for each in found.class_names):
        told = metadata["maskweave.class_names"][:60]
        raise UnknownLayout(f"{name}: need maskweave.class_names to be a JSON list of names, got {told!r}")
    if not _MULTIPLE <= found.size <= _LARGEST:
        raise UnknownLayout(f"{name}: need maskweave.size of {_MULTIPLE} to {_LARGEST}, got {found.size}")
    if not (0 <= found.nms_iou <= 1 and 0 <= found.score <= 1):
        raise UnknownLayout(
            f"{name}: need maskweave.nms_iou and maskweave.score_threshold in [0, 1], "
            f"got {found.nms_iou} and {found.score}"
        )
    if found.max_objects < 1:
        raise UnknownLayout(f"{name}: need maskweave.max_objects of at least 1, got {found.max_objects}")
    return found


def _canvas(name: str, inputs: Sequence[TensorSpec]) -> Size | None:
    """The input's (height, width) where they are fixed; None where they are free, or the engine tells nothing."""
    if not inputs:
        return None
    shape = inputs[0].shape
    if (
        [(tensor.name, tensor.dtype) for tensor in inputs] != [(_INPUT, "uint8")]
        or len(shape) != 4
        or shape[0] not in (1, None)
        or shape[3] not in (3, None)
    ):
        seen = ", ".join(f"{tensor.name} {tensor.shape} {tensor.dtype}" for tensor in inputs)
        raise UnknownLayout(f"{name}: need one input {_INPUT} (1, H, W, 3) uint8, got {seen}")
    canvas = fixed_canvas(name, shape[1], shape[2])
    if canvas is not None and (canvas[0] % _MULTIPLE or canvas[1] % _MULTIPLE):
        raise UnknownLayout(
            f"{name}: need an input of multiples of {_MULTIPLE}, got {canvas[0]}x{canvas[1]}; export it anew"
        )
    return canvas


def _check_size(name: str, size: int, canvas: Size | None) -> None:
    if not _MULTIPLE <= size <= _LARGEST:
        raise InvalidValue(f"size: need {_MULTIPLE} to {_LARGEST} pixels, got {size}")
    if canvas is not None and size != max(canvas):
        raise InvalidValue(
            f"size: the input of {name} is always {canvas[0]}x{canvas[1]}, got {size}; leave --size out"
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
        max_objects: int = _OBJECTS,
        canvas: Size | None = None,
    ) -> None:
        super().__init__(runtime, name=name, class_names=class_names, default_score=default_score)
        self.long_side = long_side if canvas is None else max(canvas)
        self.canvas = canvas
        self.nms_iou = nms_iou
        self.max_objects = max_objects
        size = f"long side {self.long_side}" if canvas is None else f"{canvas[0]}x{canvas[1]}"
        self.preprocessing = f"RGB 0..255; aspect kept, at the top left of grey {_PAD_VALUE}; {size}"

    def prepare(self, image: Image) -> Prepared:
        """Letterbox (H, W, 3) uint8 RGB to the input size, image at the top left, grey beyond."""
        placement = self._placement((image.shape[0], image.shape[1]))
        return Prepared({_INPUT: placement.apply(image, pad_value=_PAD_VALUE)[None]}, placement)

    def _placement(self, size: Size) -> Placement:
        if self.canvas is not None:
            return fit_inside(size, self.canvas)
        return Placement.letterbox(size, self.long_side, multiple=_MULTIPLE)

    def decode(self, outputs: Tensors, placement: Placement, *, score: float) -> Instances:
        """Keep points above ``score``, suppress doubles within a class, and cut their masks to source pixels.

        A point counts under every class that it scores enough for.
        """
        return self._decoded(outputs, placement, score=score, every_class=True)

    def result(
        self, outputs: Tensors, placement: Placement, *, score: float, every_class: bool = False
    ) -> Instances:
        """`decode`, or each object once: then points count under their best class only, which spares the masks."""
        found = self._decoded(outputs, placement, score=score, every_class=every_class)
        return found if every_class else _once_each(found)

    def _decoded(
        self, outputs: Tensors, placement: Placement, *, score: float, every_class: bool
    ) -> Instances:
        boxes, scores, coefficients, prototypes = self._tensors(outputs)
        points, class_ids, sure = self._candidates(boxes, scores, score, every_class=every_class)
        near = boxes[points].astype(np.float64)  # areas of single precision may overflow
        kept = non_maximum_suppression(near, sure, class_ids, iou=self.nms_iou)[: self.max_objects]
        points, class_ids, sure = points[kept], class_ids[kept], sure[kept]
        placed = placement.to_source(boxes[points])
        with np.errstate(invalid="ignore", over="ignore"):  # a mask of NaN has no pixel
            masks = paste_canvas_masks(
                np.tensordot(coefficients[points], prototypes, axes=1),
                placed,
                extent=placement.canvas_extent,
                size=placement.source_size,
            )
        found = Instances(
            masks=masks,
            boxes=clip_boxes(placed, placement.source_size),
            scores=np.clip(sure, 0, 1),
            class_ids=class_ids,
            class_names=self.class_names,
        )
        loss = PART_LOSS_OF_GUESSES if every_class else _PART_LOSS
        found = found.replace(scores=found.scores * part_factors(found, loss))
        return found[(masks.areas > 0) & (found.scores >= score)]

    def _candidates(
        self, boxes: FloatArray, scores: FloatArray, score: float, *, every_class: bool
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], FloatArray]:
        """Points, classes and scores of the pairs that reach ``score``, best first, as many as suppression takes."""
        best = scores.max(axis=1)
        points = np.flatnonzero(usable_boxes(boxes, best) & (best >= score))
        class_ids = scores[points].argmax(axis=1)
        if every_class:
            rows, class_ids = np.nonzero(scores[points] >= score)
            points = points[rows]
        sure = scores[points, class_ids]
        order = np.argsort(-sure, kind="stable")[: _CANDIDATES * self.max_objects]
        return points[order], class_ids[order], sure[order]

    def features(self, outputs: Tensors, placement: Placement) -> FloatArray | None:
        """(F, rows, columns) of the stride-8 map over the image, padding cut off; None where the export has none."""
        if _FEATURES not in outputs:
            return None
        height, width = placement.scaled_size
        rows, columns = -(-height // _FEATURE_STRIDE), -(-width // _FEATURE_STRIDE)
        found: FloatArray = outputs[_FEATURES][0, :, :rows, :columns]
        return found

    def _tensors(self, outputs: Mapping[str, FloatArray]) -> tuple[FloatArray, ...]:
        """The four tensors of the first image, shapes checked."""
        for name, rank in zip(_OUTPUTS, (3, 3, 3, 4), strict=True):
            shape = outputs[name].shape if name in outputs else "nothing"
            if len(shape) != rank or not shape[0]:
                raise EngineError(
                    f"{self.name}: need output {name} of {rank} axes for one image, got {shape}"
                )
        boxes, scores, coefficients, prototypes = (outputs[name][0] for name in _OUTPUTS)
        points, channels = len(boxes), len(prototypes)
        need = {
            "boxes": (boxes, (points, 4)),
            "scores": (scores, (points, len(self.class_names))),
            "coefficients": (coefficients, (points, channels)),
        }
        for name, (array, shape) in need.items():
            if array.shape != shape:
                raise EngineError(f"{self.name}: need {name} {shape}, got {array.shape}")
        return boxes, scores, coefficients, prototypes


def _once_each(found: Instances) -> Instances:
    """Drop objects whose mask is nearly that of a better one of another class."""
    if len(np.unique(found.class_ids)) < 2:
        return found
    same = mask_iou(found.masks, found.masks) >= _SAME_OBJECT
    kept: list[int] = []
    for row in np.argsort(-found.scores, kind="stable").tolist():
        if not same[row, kept].any():
            kept.append(row)
    return found[np.sort(kept)]


def part_factors(found: Instances, loss: float) -> FloatArray:
    """(N,) factors in 1 - loss..1 for the scores: an object whose mask lies inside a better one of its class loses.

    Boxes of an object and of a part of it overlap too little for suppression; their masks tell. Falls from 1 where
    half of the mask is covered to 1 - loss where all of it is, in the manner of Soft-NMS,
    https://arxiv.org/abs/1704.04503. The figures were chosen on validation images.
    """
    inside = mask_containment(found.masks, found.masks)
    inside *= found.class_ids[:, None] == found.class_ids[None]
    inside *= found.scores[:, None] < found.scores[None]
    covered: FloatArray = inside.max(axis=1, initial=0.0)
    return 1 - loss * np.clip(2 * covered - 1, 0, 1)

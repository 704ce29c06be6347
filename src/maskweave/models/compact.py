"""MaskWeave's own one-stage network: classes, a box and the kernel of a mask network at every point, prototypes once.

The contract of its ONNX file: input ``image`` (N, H, W, 3) uint8 RGB, H and W multiples of 32; outputs ``scores``
(N, C, P) in [0, 1], ``distances`` (N, 32, P), ``kernels`` (N, K, P), ``prototypes`` (N, M, H/4, W/4) and, where asked
for, ``features`` (N, F, H/8, W/8). The P points are those of four maps of strides 8, 16, 32 and 64, rows first; point
(row, column) of a map lies at pixel (column * stride, row * stride). Distances are logits of four distributions over
0..7 strides, left, top, right, bottom of the point: the means are the box (https://arxiv.org/abs/2006.04388). A mask
is where the point's little network, fed with the prototypes and the position in the box, is positive, inside the box
(CondInst, https://arxiv.org/abs/2003.05664). Class names, input size and thresholds are in the file's metadata. An
export whose H and W are fixed gets every image letterboxed into that size, whatever the metadata say.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskweave.errors import EngineError, InvalidValue, UnknownLayout
from maskweave.models.base import Model, Prepared, fixed_canvas
from maskweave.ops.boxes import clip_boxes, non_maximum_suppression, usable_boxes
from maskweave.ops.iou import mask_containment, mask_iou
from maskweave.ops.letterbox import Letterbox, fit_inside
from maskweave.ops.paste import paste_canvas_masks
from maskweave.runtimes.base import Runtime, RuntimeInfo, Tensors, TensorSpec
from maskweave.types.arrays import FloatArray, Image, Size
from maskweave.types.instances import Instances

_OUTPUTS = ("scores", "distances", "kernels", "prototypes")
_STRIDES = np.array([8, 16, 32, 64])
_PROTOTYPE_STRIDE = 4
_BINS = 8
_HIDDEN = 8  # width of the mask network's two hidden layers
_COORDINATES = 4.0  # a mask network sees the sides of its box at plus and minus half of this
_FEATURES = "features"
_FEATURE_STRIDE = 8
_INPUT = "image"
_MULTIPLE = 32
_MAX_SIZE = 4096
_PAD_VALUE = 114
_CANDIDATES = 3  # times the objects reported at most: points that enter suppression, best first
_PART_LOSS = 0.8  # of the score of an object that lies wholly inside a better one of its class
PART_LOSS_OF_GUESSES = 0.2  # the same where all that an object may be is asked for: parts are guesses, too
_SAME_OBJECT = 0.7  # IoU of masks from which on two classes are two names for one object
_OBJECTS = 100  # objects reported at most where the file does not say, as in COCO's evaluation


def recognize(info: RuntimeInfo) -> str | None:
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
        text = metadata["maskweave.class_names"][:60]
        raise UnknownLayout(f"{name}: need maskweave.class_names to be a JSON list of names, got {text!r}")
    if not _MULTIPLE <= found.size <= _MAX_SIZE:
        raise UnknownLayout(f"{name}: need maskweave.size of {_MULTIPLE} to {_MAX_SIZE}, got {found.size}")
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
            f"{name}: need an input of multiples of {_MULTIPLE}, got {canvas[0]}x{canvas[1]}; export it again"
        )
    return canvas


def _check_size(name: str, size: int, canvas: Size | None) -> None:
    if not _MULTIPLE <= size <= _MAX_SIZE:
        raise InvalidValue(f"size: need {_MULTIPLE} to {_MAX_SIZE} pixels, got {size}")
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
        self.preprocessing = f"RGB 0..255; {size}, the other one rounded to a multiple of {_MULTIPLE}"

    def prepare(self, image: Image) -> Prepared:
        """Scale (H, W, 3) uint8 RGB to the input size; see `_placement`."""
        letterbox = self._placement((image.shape[0], image.shape[1]))
        return Prepared({_INPUT: letterbox.apply(image, pad_value=_PAD_VALUE)[None]}, letterbox)

    def _placement(self, size: Size) -> Letterbox:
        """The long side as asked for, the other one rounded to a multiple: a slight squash instead of a margin."""
        if self.canvas is not None:
            return fit_inside(size, self.canvas)
        scale = self.long_side / max(size)
        height, width = (max(1, round(side * scale / _MULTIPLE)) * _MULTIPLE for side in size)
        return Letterbox.squash(size, (height, width))

    def decode(self, outputs: Tensors, letterbox: Letterbox, *, score: float) -> Instances:
        """Keep points above ``score``, suppress doubles within a class, and cut their masks to source pixels.

        A point counts under every class that it scores enough for.
        """
        return self._decoded(outputs, letterbox, score=score, multi_label=True)

    def result(
        self, outputs: Tensors, letterbox: Letterbox, *, score: float, multi_label: bool = False
    ) -> Instances:
        """`decode`, or each object once: then points count under their best class only, which spares the masks."""
        found = self._decoded(outputs, letterbox, score=score, multi_label=multi_label)
        return found if multi_label else _once_each(found)

    def _decoded(
        self, outputs: Tensors, letterbox: Letterbox, *, score: float, multi_label: bool
    ) -> Instances:
        scores, distances, kernels, prototypes = self._tensors(outputs, letterbox.input_size)
        points, class_ids, confidences = self._candidates(scores, score, multi_label=multi_label)
        boxes = _boxes(distances, points, letterbox.input_size)
        usable = np.flatnonzero(usable_boxes(boxes, confidences))
        kept = non_maximum_suppression(
            boxes[usable], confidences[usable], class_ids[usable], iou=self.nms_iou
        )
        best = usable[kept[: self.max_objects]]
        points, class_ids, confidences, boxes = points[best], class_ids[best], confidences[best], boxes[best]
        placed = letterbox.to_source(boxes)
        with np.errstate(invalid="ignore", over="ignore"):  # a mask of NaN has no pixel
            masks = paste_canvas_masks(
                _mask_logits(prototypes, kernels[:, points].T, boxes),
                placed,
                extent=letterbox.canvas_extent,
                size=letterbox.source_size,
            )
        found = Instances(
            masks=masks,
            boxes=clip_boxes(placed, letterbox.source_size),
            scores=np.clip(confidences, 0, 1),
            class_ids=class_ids,
            class_names=self.class_names,
        )
        loss = PART_LOSS_OF_GUESSES if multi_label else _PART_LOSS
        found = found.replace(scores=found.scores * part_factors(found, loss))
        return found[(masks.areas > 0) & (found.scores >= score)]

    def _candidates(
        self, scores: FloatArray, score: float, *, multi_label: bool
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], FloatArray]:
        """Points, classes and scores of the pairs that reach ``score``, best first, as many as suppression takes."""
        if multi_label:
            class_ids, points = np.nonzero(scores >= score)
        else:
            points = np.flatnonzero(scores.max(axis=0) >= score)
            class_ids = scores[:, points].argmax(axis=0)
        confidences = scores[class_ids, points]
        order = np.argsort(-confidences, kind="stable")[: _CANDIDATES * self.max_objects]
        return points[order], class_ids[order], confidences[order]

    def features(self, outputs: Tensors, letterbox: Letterbox) -> FloatArray | None:
        """(F, rows, columns) of the stride-8 map over the image, padding cut off; None where the export has none."""
        if _FEATURES not in outputs:
            return None
        height, width = letterbox.scaled_size
        rows, columns = -(-height // _FEATURE_STRIDE), -(-width // _FEATURE_STRIDE)
        found: FloatArray = outputs[_FEATURES][0, :, :rows, :columns]
        return found

    def _tensors(self, outputs: Mapping[str, FloatArray], size: Size) -> tuple[FloatArray, ...]:
        """The four tensors of the first image, shapes checked against an input of (height, width)."""
        for name, rank in zip(_OUTPUTS, (3, 3, 3, 4), strict=True):
            shape = outputs[name].shape if name in outputs else "nothing"
            if len(shape) != rank or not shape[0]:
                raise EngineError(
                    f"{self.name}: need output {name} of {rank} axes for one image, got {shape}"
                )
        tensors = tuple(outputs[name][0] for name in _OUTPUTS)
        channels = len(tensors[3])
        points = sum(-(-size[0] // stride) * -(-size[1] // stride) for stride in _STRIDES.tolist())
        need = (
            (len(self.class_names), points),
            (4 * _BINS, points),
            (_kernel_size(channels), points),
            (channels, size[0] // _PROTOTYPE_STRIDE, size[1] // _PROTOTYPE_STRIDE),
        )
        for name, array, shape in zip(_OUTPUTS, tensors, need, strict=True):
            if array.shape != shape:
                raise EngineError(f"{self.name}: need {name} {shape}, got {array.shape}")
        return tensors


def _kernel_size(prototypes: int) -> int:
    """K: weights and biases of a mask network's three layers."""
    return _HIDDEN * (prototypes + 2 + 1) + _HIDDEN * (_HIDDEN + 1) + _HIDDEN + 1


def _boxes(distances: FloatArray, points: NDArray[np.intp], size: Size) -> NDArray[np.float64]:
    """(N, 4) xyxy in input pixels of some points of an input of (height, width)."""
    x, y, stride = _positions(points, size)
    logits = distances[:, points].reshape(4, _BINS, -1).astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):  # boxes of NaN are not used
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        left, top, right, bottom = (
            np.tensordot(np.arange(_BINS), weights, (0, 1)) / weights.sum(axis=1) * stride
        )
    return np.stack((x - left, y - top, x + right, y + bottom), axis=1)


def _positions(points: NDArray[np.intp], size: Size) -> tuple[FloatArray, FloatArray, FloatArray]:
    """x, y and stride (N,) of some points of an input of (height, width)."""
    rows, columns = (-(-side // _STRIDES) for side in size)
    ends = np.cumsum(rows * columns)
    level = np.searchsorted(ends, points, side="right")
    row, column = np.divmod(points - (ends - rows * columns)[level], columns[level])
    strides = _STRIDES[level].astype(np.float64)
    return column * strides, row * strides, strides


def _mask_logits(prototypes: FloatArray, kernels: FloatArray, boxes: FloatArray) -> FloatArray:
    """(N, h, w) logits, each object's mask network run in and just around its box; very negative elsewhere.

    ``prototypes``: (M, h, w). ``kernels``: (N, K). ``boxes``: (N, 4) xyxy in input pixels.
    """
    count, rows, columns = prototypes.shape
    logits = np.full((len(boxes), rows, columns), -1e4, dtype=np.float32)
    cells = boxes / _PROTOTYPE_STRIDE
    first = np.floor(cells[:, :2] - 1).astype(int).clip(0, (columns - 1, rows - 1))
    last = (np.ceil(cells[:, 2:]) + 1).astype(int).clip(first + 1, (columns, rows))
    middle = ((cells[:, :2] + cells[:, 2:]) / 2).astype(np.float32)
    extent = np.maximum(cells[:, 2:] - cells[:, :2], 1 / _PROTOTYPE_STRIDE).astype(np.float32)
    for row, (kernel, (x1, y1), (x2, y2)) in enumerate(
        zip(kernels, first.tolist(), last.tolist(), strict=True)
    ):
        inputs = np.empty((count + 2, y2 - y1, x2 - x1), dtype=np.float32)
        inputs[:count] = prototypes[:, y1:y2, x1:x2]
        across = (np.arange(x1, x2, dtype=np.float32) + 0.5 - middle[row, 0]) / extent[row, 0]
        down = (np.arange(y1, y2, dtype=np.float32) + 0.5 - middle[row, 1]) / extent[row, 1]
        inputs[count], inputs[count + 1] = across * _COORDINATES, down[:, None] * _COORDINATES
        inputs[count:].clip(-_COORDINATES, _COORDINATES, out=inputs[count:])
        logits[row, y1:y2, x1:x2] = _run_kernel(kernel, inputs.reshape(count + 2, -1)).reshape(
            y2 - y1, x2 - x1
        )
    return logits


def _run_kernel(kernel: FloatArray, x: FloatArray) -> FloatArray:
    """Three layers of weights (outputs, inputs) and biases on (inputs, S) columns; (S,) logits."""
    first = 0
    for outputs in (_HIDDEN, _HIDDEN, 1):
        last = first + outputs * len(x)
        x = kernel[first:last].reshape(outputs, -1) @ x
        x += kernel[last : last + outputs, None]
        if outputs > 1:
            np.maximum(x, 0, out=x)
        first = last + outputs
    logits: FloatArray = x[0]
    return logits


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

"""For promptable networks: points, a box and an old mask as inputs, and the choice among candidate masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maskweave.errors import EngineError, InvalidValue, UnknownLayout
from maskweave.models._outputs import seen
from maskweave.models.base import Model, Prepared, fixed_canvas
from maskweave.ops.guidance import grid_to_image, warp_image
from maskweave.ops.iou import dense_iou
from maskweave.ops.letterbox import Letterbox, fit_inside
from maskweave.ops.paste import paste_canvas_masks, shown_extents
from maskweave.ops.preprocessing import Preprocessing
from maskweave.runtimes.base import Runtime, RuntimeInfo, Tensors, TensorSpec
from maskweave.types.arrays import FloatArray, Image, Mask, Size
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks, concatenate
from maskweave.types.prompt import Box, Point, Prompt, agrees, latest_points

_IOUS, _LOW_RES = "iou_predictions", "low_res_masks"
_MASK, _HAS_MASK, _IMAGE_SIZE = "mask_input", "has_mask_input", "orig_im_size"
_INSIDE, _OUTSIDE, _TOP_LEFT, _BOTTOM_RIGHT, _NONE = 1, 0, 2, 3, -1
_SIDE = 1024
_CELL = 4
"""Pixels of the input for each cell of a mask of low resolution."""
_SUREST = 6.9
"""Logit of a pixel of an old mask: of a probability of 0.999, as micro_sam feeds masks."""
_SAME_OBJECT = 0.5
"""IoU with the mask that is corrected from which on the answer is still that object."""
_ALL_CANDIDATES = 4
"""Candidates of SAM where the first is meant for a prompt that leaves no doubt, and the others for a single point."""


@dataclass(frozen=True)
class PromptLayout:
    """The inputs and outputs of a family of promptable networks.

    - ``coords``, ``labels``: inputs: x, y in pixels of the image's input, and what each point is.
    - ``masks``: outputs with the candidates' logits; the first that the file has is read.
    - ``preprocessing``: of an image that is not fed as raw values; with "keep-aspect" it lies at the top left of a
      square of normalized zeros.
    - ``max_points``: how many the network takes; None: any number. An input of fixed length is filled up with
      "no point", and takes as many.
    - ``ends``: whether "no point" ends points that come without a box.
    - ``outside``: whether the network knows points beside the object.
    - ``size_of_input``: whether "orig_im_size" is the size that points are in, not the image's own.
    - ``threshold``: logits above it are on the object.
    """

    coords: str
    labels: str
    masks: tuple[str, ...]
    preprocessing: Preprocessing
    max_points: int | None = None
    ends: bool = False
    outside: bool = True
    size_of_input: bool = False
    threshold: float = 0.0

    @property
    def keeps_aspect(self) -> bool:
        """Whether images keep their aspect, at the top left of a square."""
        return self.preprocessing.resize == "keep-aspect"


@dataclass(frozen=True)
class _Tensors:
    """What a file says of its tensors.

    - ``image``: its input; ``canvas``: (height, width) of that, None where it is free.
    - ``prompts``: inputs by name, without the image.
    - ``masks``: the output that is read.
    """

    image: TensorSpec
    canvas: Size | None
    prompts: dict[str, TensorSpec]
    masks: str

    @property
    def channels_last(self) -> bool:
        """Whether the image is (H, W, 3); then it is fed as raw values, and the network normalizes it."""
        return self.image.shape[-1] == 3


def read_tensors(name: str, info: RuntimeInfo, layout: PromptLayout) -> _Tensors:
    """Read a network called ``name``; raises `UnknownLayout` when it is not of the layout."""
    known = {layout.coords, layout.labels, _MASK, _HAS_MASK, _IMAGE_SIZE}
    prompts = {tensor.name: tensor for tensor in info.inputs if tensor.name in known}
    images = [tensor for tensor in info.inputs if tensor.name not in known]
    outputs = [tensor.name for tensor in info.outputs]
    shapes = [tensor.shape for tensor in (*images, *prompts.values())]
    fits = len(images) == 1 and len(shapes[0]) in (3, 4) and {layout.coords, layout.labels} <= set(prompts)
    if not fits or len(prompts[layout.coords].shape) not in (3, 4):
        got = ", ".join(f"{tensor.name} {tensor.shape}" for tensor in info.inputs) or "none"
        raise UnknownLayout(
            f"{name}: need an image (1, 3, H, W) or (H, W, 3), {layout.coords} (1, …, P, 2) and {layout.labels} "
            f"(1, …, P), got {got}"
        )
    image = images[0]
    sides = image.shape[-3:-1] if image.shape[-1] == 3 else image.shape[-2:]
    masks = next((each for each in layout.masks if each in outputs), layout.masks[0])
    return _Tensors(image, fixed_canvas(name, *sides), prompts, masks)


class PromptedModel(Model):
    """A loaded network that finds what a box or points mean; see its family's module for the contract."""

    needs_prompt = True

    def __init__(
        self, runtime: Runtime, *, name: str, class_names: Sequence[str], layout: PromptLayout
    ) -> None:
        if len(class_names) != 1:
            raise UnknownLayout(f"{name}: need one class name, got {', '.join(class_names) or 'none'}")
        super().__init__(runtime, name=name, class_names=tuple(class_names), default_score=0)
        self._layout = layout
        self._tensors = read_tensors(name, runtime.describe(), layout)
        self._fixed_points = self._tensors.prompts[layout.coords].shape[-2]
        self.max_points = self._fixed_points or layout.max_points
        canvas = self._tensors.canvas or (_SIDE, _SIDE)
        way = layout.preprocessing.in_words().replace("of gray 0", "of normalized zeros")
        if self._is_raw:
            way = f"RGB 0..255, which the network scales; aspect {'kept' if layout.keeps_aspect else 'not kept'}"
        self.preprocessing = f"{way}; {canvas[0]}x{canvas[1]}"

    @property
    def _is_raw(self) -> bool:
        return self._tensors.channels_last or self._tensors.image.dtype == "uint8"

    def prepare(self, image: Image) -> Prepared:
        """Lay (H, W, 3) uint8 RGB into the input; the prompt is still to be added."""
        letterbox = self._place((image.shape[0], image.shape[1]))
        tensors = self._tensors
        raw = Preprocessing(scale=1, antialias=True, pad_value=0)
        planes = (raw if self._is_raw else self._layout.preprocessing).planes(image, letterbox)
        height, width = letterbox.scaled_size
        planes[:, height:], planes[:, :, width:] = 0, 0
        height, width = tensors.canvas or (letterbox.scaled_size if self._is_raw else letterbox.input_size)
        planes = planes[:, :height, :width]
        fed = np.moveaxis(planes, 0, -1) if tensors.channels_last else planes
        fed = np.ascontiguousarray(fed, dtype=tensors.image.dtype)
        return Prepared({tensors.image.name: fed if len(tensors.image.shape) == 3 else fed[None]}, letterbox)

    def _place(self, size: Size) -> Letterbox:
        canvas = self._tensors.canvas or (_SIDE, _SIDE)
        if not self._layout.keeps_aspect:
            return Letterbox.squash(size, canvas)
        side = max(canvas)  # of the square in which the network itself sees the image
        return Letterbox(size, fit_inside(size, canvas).scaled_size, (side, side))

    def find_prompted(self, image: Image, prompt: Prompt) -> Instances:
        """One object for each box, or one for all points; a pass of the network, or of its decoder, each.

        Raises `InvalidValue` for more points than the network takes.
        """
        prepared = self.prepare(image)
        found = [self._ask(prepared, box, prompt.points) for box in prompt.boxes or (None,)]
        return self._instances(concatenate([mask for mask, _ in found]), np.array([iou for _, iou in found]))

    def correct(self, image: Image, mask: Mask, points: Sequence[Point]) -> Mask:
        """(H, W) mask of an object, corrected by points on it and beside it; without points as it is.

        The network is told the points and the mask, or the mask's box, stretched to the points on the object, where
        it takes no mask. Its answer is taken where that has all points right and is still the same object, else the
        guide's.

        Raises `InvalidValue` when nothing is left of it.
        """
        if points and mask.any():
            prepared = self.prepare(image)
            if _MASK in self._tensors.prompts:
                answer, _ = self._ask(prepared, None, latest_points(points, self.max_points), mask)
            else:
                latest = latest_points(points, self.max_points, boxes=1)
                answer, _ = self._ask(prepared, _box_around(mask, points), latest)
            found = answer.union()
            if agrees(found, points) and dense_iou(found, mask) >= _SAME_OBJECT:
                return found
        return super().correct(image, mask, points)

    def decode(self, outputs: Tensors, letterbox: Letterbox, *, score: float) -> Instances:
        """The candidate of the best expected IoU, where that is at least ``score``."""
        mask, iou = self._chosen(outputs, letterbox, (), doubtful=True)
        found = self._instances(mask, np.array([iou]))
        return found[found.scores >= score]

    def _ask(
        self, prepared: Prepared, box: Box | None, points: Sequence[Point], mask: Mask | None = None
    ) -> tuple[Masks, float]:
        """The candidate that is meant, as one mask, and the IoU that the network expects of it."""
        letterbox = prepared.letterbox
        question = self._points(letterbox, box, points) | self._old_mask(letterbox, mask)
        outputs = self.infer(prepared.inputs | question)
        doubtful = len(points) == 1 and box is None and mask is None
        return self._chosen(outputs, letterbox, points, doubtful=doubtful)

    def _instances(self, masks: Masks, scores: FloatArray) -> Instances:
        return Instances(masks, masks.boxes, scores, np.zeros(len(masks), np.int64), self.class_names)

    def _points(self, letterbox: Letterbox, box: Box | None, points: Sequence[Point]) -> Tensors:
        """The coordinates and labels of what is pointed at, filled up with "no point"."""
        layout, specs = self._layout, self._tensors.prompts
        places = [
            (point.x, point.y, _INSIDE if point.inside else _OUTSIDE)
            for point in points
            if point.inside or layout.outside
        ]
        if box is not None:
            places += [(box.x1, box.y1, _TOP_LEFT), (box.x2, box.y2, _BOTTOM_RIGHT)]
        if self.max_points is not None and len(places) > self.max_points:
            raise InvalidValue(
                f"prompt: need at most {self.max_points} points for {self.name}, a box counting as two; "
                f"got {len(places)}"
            )
        count = self._fixed_points or len(places) + (layout.ends and box is None)
        scale = letterbox.scale
        coords, labels = np.zeros((count, 2)), np.full(count, _NONE)
        for row, (x, y, label) in enumerate(places):
            coords[row] = x * scale[1], y * scale[0]
            labels[row] = label
        leading = (1,) * (len(specs[layout.coords].shape) - 2)
        last = (1,) * (len(specs[layout.labels].shape) - len(leading) - 1)
        tensors = {
            layout.coords: coords.reshape(*leading, count, 2),
            layout.labels: labels.reshape(*leading, count, *last),
        }
        return {key: array.astype(specs[key].dtype) for key, array in tensors.items()}

    def _old_mask(self, letterbox: Letterbox, mask: Mask | None) -> Tensors:
        """The other inputs that the file has: an old mask or none, and a size."""
        specs = self._tensors.prompts
        side = (specs[_MASK].shape[-1] if _MASK in specs else None) or _SIDE // _CELL
        logits = np.zeros((side, side)) if mask is None else _logits_of(mask, letterbox, side)
        tensors: Tensors = {
            _MASK: logits[None, None],
            _HAS_MASK: np.full(1, mask is not None),
            _IMAGE_SIZE: np.array(self._asked_size(letterbox)),
        }
        return {key: array.astype(specs[key].dtype) for key, array in tensors.items() if key in specs}

    def _asked_size(self, letterbox: Letterbox) -> Size:
        """In which size the decoder is asked for masks: none larger than needed where low ones are read."""
        if self._layout.size_of_input:
            return letterbox.input_size
        if self._tensors.masks == _LOW_RES:
            height, width = letterbox.scaled_size
            return max(1, height // _CELL), max(1, width // _CELL)
        return letterbox.source_size

    def _chosen(
        self, outputs: Tensors, letterbox: Letterbox, points: Sequence[Point], *, doubtful: bool
    ) -> tuple[Masks, float]:
        """The candidate of the best expected IoU that has all points right, else the best, and that IoU."""
        grids, ious = self._candidates(outputs)
        order = _by_promise(ious, doubtful=doubtful)
        best = self._pasted(grids[order[0]], letterbox)
        for row in order:
            mask = best if row == order[0] else self._pasted(grids[row], letterbox)
            if agrees(mask.union(), points):
                return mask, float(ious[row])
        return best, float(ious[order[0]])

    def _candidates(self, outputs: Tensors) -> tuple[FloatArray, FloatArray]:
        """(M, h, w) logits, and the (M,) IoU that the network expects of each."""
        name, axes = self._tensors.masks, len(self._tensors.prompts[self._layout.coords].shape) + 1
        masks, ious = outputs.get(name, np.zeros(0)), outputs.get(_IOUS, np.zeros(0))
        if masks.ndim != axes or not masks.size or ious.size != masks.shape[-3]:
            ones = "1, " * (axes - 3)
            raise EngineError(
                f"{self.name}: need {name} ({ones}M, h, w) and {_IOUS} ({ones}M), got {seen(outputs)}"
            )
        grids: FloatArray = masks.reshape(masks.shape[-3:])
        return grids, np.clip(np.nan_to_num(ious.reshape(-1).astype(np.float64)), 0, 1)

    def _pasted(self, grid: FloatArray, letterbox: Letterbox) -> Masks:
        """The mask of (h, w) logits in source pixels."""
        height, width = letterbox.source_size
        whole = (0.0, 0.0, float(width), float(height))
        extent = letterbox.canvas_extent if self._tensors.masks == _LOW_RES else whole
        threshold = self._layout.threshold
        boxes = shown_extents(grid[None], extent=extent, threshold=threshold)
        return paste_canvas_masks(
            grid[None], boxes, extent=extent, size=letterbox.source_size, threshold=threshold
        )


def _by_promise(ious: FloatArray, *, doubtful: bool) -> list[int]:
    """Candidates by the IoU that is expected of them; ``doubtful``: a click may mean a thing or a part of it."""
    order: list[int] = np.argsort(-ious, kind="stable").tolist()
    if len(ious) != _ALL_CANDIDATES:
        return order
    several = [row for row in order if row != 0]
    return [*several, 0] if doubtful else [0, *several]


def _logits_of(mask: Mask, letterbox: Letterbox, side: int) -> FloatArray:
    """(side, side) logits of an (H, W) mask, as an old answer; 0 beside the image."""
    extent = letterbox.canvas_extent
    to_grid = np.linalg.inv(grid_to_image(extent, (side, side)))[:2]
    padded = np.pad(mask.view(np.uint8) * np.uint8(255), 1, mode="edge")
    shift = np.array([[1, 0, -1], [0, 1, -1], [0, 0, 1]])
    probs = warp_image(padded, to_grid @ shift, side) / 255
    low = 1 / (1 + np.exp(_SUREST))
    probs = probs.clip(low, 1 - low)
    logits: FloatArray = np.log(probs / (1 - probs))
    height, width = (
        int(np.ceil(scaled * side / whole))
        for scaled, whole in zip(letterbox.scaled_size, letterbox.input_size, strict=True)
    )
    logits[height:], logits[:, width:] = 0, 0
    return logits


def _box_around(mask: Mask, points: Sequence[Point]) -> Box:
    """The box of a mask's pixels and of the pixels under points on the object."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    xs = [int(columns[0]), int(columns[-1]), *(int(point.x) for point in points if point.inside)]
    ys = [int(rows[0]), int(rows[-1]), *(int(point.y) for point in points if point.inside)]
    return Box(min(xs), min(ys), max(xs) + 1, max(ys) + 1)

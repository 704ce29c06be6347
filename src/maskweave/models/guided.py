"""The guide: from a crop of the image and guidance maps to the mask of the object that is meant.

Inputs ``image`` (N, S, S, 3) uint8 RGB and ``guidance`` (N, S, S, 4) uint8, the maps of `maskweave.ops.guidance`:
an old mask, a box, clicks on the object and beside it. Output ``masks`` (N, 1, S, S), logits of the crop's pixels,
over 0 on the object. Every look has its own window of the image, so that a large object gets a fine border and a
small one is seen enlarged; many looks are one batch.

A box is looked at once. Clicks alone do not tell how large the object is: the windows of a few sizes round them are
looked at together, what was found in each is looked at once more, in its own window, and the surest answer is taken.
Guidance as maps beside the image's colors: Xu et al., "Deep interactive object selection"
(https://arxiv.org/abs/1603.04042).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from maskweave.errors import EngineError, InvalidValue, UnknownLayout
from maskweave.models.base import Model, Prepared, fixed_canvas
from maskweave.ops.boxes import box_iou
from maskweave.ops.guidance import Window, crop_image, draw_guidance, expected_iou, grid_to_image, warp_image
from maskweave.ops.iou import mask_iou
from maskweave.ops.letterbox import Letterbox
from maskweave.ops.paste import paste_canvas_masks, shown_extents
from maskweave.runtimes.base import Runtime, RuntimeInfo, Tensors
from maskweave.types.arrays import FloatArray, Image, Mask, Size
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks, concatenate
from maskweave.types.prompt import OBJECT_NAMES, Box, Point, Prompt, agrees

_IMAGE, _GUIDANCE, _MASKS = "image", "guidance", "masks"
_SIDE = 256
_BATCH = 4
_BOX_MARGIN, _MASK_MARGIN = 1.5, 1.5
"""How many times as large as a box, or an old mask, the window round it is."""
_NEIGHBORHOOD = 0.1
"""Share of the window's side within which a click corrects a mask: a click on a shoe leaves the hat alone."""
_CLICK_WINDOWS, _ENLARGED = (1.0, 0.7, 0.25), 0.5
"""Sides of the windows that clicks alone are looked at in, as shares of the image's long side; those under the second
number only as long as they show no pixel enlarged."""
_SAME_BOX = 0.75
"""IoU with a prompt's box from which on a known object's box is the same one."""
_SAME_OBJECT = 0.5
"""IoU with the mask that is refined from which on the answer is still that object."""


def recognize(info: RuntimeInfo) -> str | None:
    """Say why the network is of this family, or None when it is not."""
    if {_IMAGE, _GUIDANCE} == {tensor.name for tensor in info.inputs}:
        return f"it takes {_IMAGE} and {_GUIDANCE}, as a guide of maskweave does"
    return None


def build(runtime: Runtime, *, name: str, class_names: Sequence[str] = OBJECT_NAMES) -> Guided:
    """Make a model from a loaded network; ``class_names`` is one name, of whatever is pointed at.

    Raises `UnknownLayout` when tensors are others, or there are more names.
    """
    info = runtime.describe()
    shapes = {tensor.name: tensor.shape for tensor in info.inputs}
    if recognize(info) is None or any(len(shape) != 4 for shape in shapes.values()):
        seen = ", ".join(f"{each} {shape}" for each, shape in shapes.items()) or "none"
        raise UnknownLayout(
            f"{name}: need inputs {_IMAGE} (N, S, S, 3) and {_GUIDANCE} (N, S, S, 4), got {seen}"
        )
    if len(class_names) != 1:
        raise UnknownLayout(f"{name}: need one class name, got {', '.join(class_names) or 'none'}")
    side = fixed_canvas(name, *shapes[_IMAGE][1:3]) or (_SIDE, _SIDE)
    return Guided(runtime, name=name, class_names=tuple(class_names), side=side[0])


@dataclass(frozen=True)
class OldMask:
    """What is known of an object's mask.

    Attributes:
        values: (h, w) uint8, 255 where it is surely on the object.
        extent: x1, y1, x2, y2 of all of them in pixels of the image.
    """

    values: NDArray[np.uint8]
    extent: tuple[float, float, float, float]

    @classmethod
    def of(cls, masks: Masks, row: int = 0) -> OldMask:
        """One of an image's masks."""
        crop, (x, y) = masks.crops[row], masks.corners[row].tolist()
        return cls(crop.view(np.uint8) * np.uint8(255), (x, y, x + crop.shape[1], y + crop.shape[0]))

    def seen_in(self, window: Window, size: int) -> NDArray[np.uint8]:
        """The values in a window's crop of `size` x `size`."""
        if not self.values.size:
            return np.zeros((size, size), np.uint8)
        height, width = self.values.shape
        back = grid_to_image(self.extent, (height, width))
        padded = np.pad(self.values, 1)  # so that its own edge is one to the sampling
        back[:2, 2] -= back[0, 0], back[1, 1]
        return warp_image(padded, window.matrix(size) @ back, size)


@dataclass(frozen=True)
class Look:
    """One question to the network: a window of the image, and what guides it there, in pixels of the image."""

    window: Window
    old: OldMask | None = None
    box: Box | None = None
    points: tuple[Point, ...] = ()

    @classmethod
    def at_mask(cls, masks: Masks, row: int) -> Look:
        """At one of an image's masks once more."""
        return cls(Window.around(masks.boxes[row], _MASK_MARGIN), OldMask.of(masks, row))


@dataclass(frozen=True)
class Answer:
    """The answer of the network for one window.

    Attributes:
        window: Of the look.
        logits: (S, S), over 0 on the object.
    """

    window: Window
    logits: FloatArray

    @property
    def probs(self) -> FloatArray:
        """(S, S) probabilities."""
        probs: FloatArray = 1 / (1 + np.exp(-self.logits.astype(np.float64)))
        return probs

    @property
    def score(self) -> float:
        """The IoU that the answer expects of itself; 0 where it has found nothing."""
        return expected_iou(self.probs, self.logits > 0)

    @property
    def old(self) -> OldMask:
        """As guidance of another look."""
        return OldMask((self.probs * 255).round().astype(np.uint8), self.window.extent)

    @property
    def box(self) -> FloatArray | None:
        """(4,) x1 y1 x2 y2 of what it found, in pixels of the image; None where it found nothing."""
        rows, columns = (np.flatnonzero((self.logits > 0).any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            return None
        pixels = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], dtype=np.float64)
        scale = self.window.side / self.logits.shape[0]
        box: FloatArray = pixels * scale + [self.window.x, self.window.y, self.window.x, self.window.y]
        return box

    def probs_on(self, size: Size, image_size: Size) -> FloatArray:
        """(h, w) probabilities on an image of ``image_size``, reduced to ``size``; 0 outside of the window."""
        back = grid_to_image((0, 0, image_size[1], image_size[0]), size)
        probs = 1 / (1 + np.exp(-self.logits.astype(np.float32)))
        return np.asarray(
            cv2.warpAffine(
                probs,
                self.window.matrix(self.logits.shape[0]) @ back,
                (size[1], size[0]),
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            ),
            dtype=np.float32,
        )

    def has_right(self, points: Sequence[Point]) -> int:
        """How many of the points it agrees with; what lies outside of its window is not on the object."""
        places = self.window.place(
            np.array([(p.x, p.y) for p in points]).reshape(-1, 2), self.logits.shape[0]
        )
        right = 0
        for (x, y), point in zip(places, points, strict=True):
            row, column = int(np.floor(y)), int(np.floor(x))
            inside = 0 <= row < self.logits.shape[0] and 0 <= column < self.logits.shape[1]
            right += (inside and bool(self.logits[row, column] > 0)) == point.inside
        return right

    def masks(self, size: Size) -> Masks:
        """The one mask in an image of ``size`` (height, width)."""
        logits, extent = self.logits[None], self.window.extent
        boxes = shown_extents(logits, extent=extent)
        return paste_canvas_masks(logits, boxes, extent=extent, size=size)


class Guided(Model):
    """A loaded guide; see the module for its contract."""

    needs_prompt = True

    def __init__(self, runtime: Runtime, *, name: str, class_names: tuple[str, ...], side: int) -> None:
        super().__init__(runtime, name=name, class_names=class_names, default_score=0)
        self.side = side
        self.preprocessing = f"RGB bytes, each window of the image on {side}x{side}"

    def prepare(self, image: Image) -> Prepared:
        """The whole of an (H, W, 3) uint8 RGB image in one window, without guidance."""
        letterbox = Letterbox.long_side((image.shape[0], image.shape[1]), self.side, square=True)
        whole = Window(0, 0, float(max(image.shape[:2])))
        crop = crop_image(image, whole, self.side)
        return Prepared({_IMAGE: crop[None], _GUIDANCE: draw_guidance(self.side)[None]}, letterbox)

    def decode(self, outputs: Tensors, letterbox: Letterbox, *, score: float) -> Instances:
        """What stands out in the whole image, where it is sure by at least ``score``."""
        height, width = letterbox.source_size
        answer = Answer(Window(0, 0, float(max(height, width))), self._logits(outputs, 1)[0])
        instances = self._instances([answer], letterbox.source_size)
        return instances[(instances.scores >= score) & (instances.masks.areas > 0)]

    def answer(self, image: Image, looks: Sequence[Look], *, mirrored: bool = False) -> list[Answer]:
        """Ask the network about windows of an (H, W, 3) uint8 RGB image, as few batches.

        ``mirrored``: take the mean over each window and its mirror image: a point of IoU more, in twice the time.
        """
        answers: list[Answer] = []
        for first in range(0, len(looks), _BATCH):
            part = looks[first : first + _BATCH]
            crops = np.stack([crop_image(image, look.window, self.side) for look in part])
            maps = np.stack([self._guidance(look) for look in part])
            if mirrored:
                crops, maps = (np.concatenate([each, each[:, :, ::-1]]) for each in (crops, maps))
            logits = self._logits(self.infer({_IMAGE: crops, _GUIDANCE: maps}), len(crops))
            if mirrored:
                logits = (logits[: len(part)] + logits[len(part) :, :, ::-1]) / 2
            answers += [Answer(look.window, each) for look, each in zip(part, logits, strict=True)]
        return answers

    def find_prompted(self, image: Image, prompt: Prompt, known: Instances | None = None) -> Instances:
        """One object for each box, or one for all points, with the IoU that the network expects as score.

        ``known``: what a model has found in the image. One of those objects is what is meant where its box is that of
        the prompt, or where it has all points right; its border is drawn anew then. Raises `InvalidValue` where
        nothing is found.
        """
        size = (image.shape[0], image.shape[1])
        if not prompt.boxes:
            answers = [self._known_at(image, prompt.points, known) or self._clicked(image, prompt.points)]
        else:
            looks = [self._look_at_box(box, prompt.points, known) for box in prompt.boxes]
            answers = self.answer(image, looks, mirrored=True)
        instances = self._instances(answers, size)
        for row in np.flatnonzero(instances.masks.areas == 0):
            what = f"box {_corners(prompt.boxes[row])}" if prompt.boxes else "points"
            raise InvalidValue(f"{what}: nothing stands out there; draw a mask, or another box or points")
        return instances

    def correct(self, image: Image, mask: Mask, points: Sequence[Point]) -> Mask:
        """(H, W) mask of an object, corrected by clicks on it and beside it; without clicks as it is.

        A click changes what it touches: see `near_clicks`. Raises `InvalidValue` when nothing is left.
        """
        if not points:
            return mask
        old = Masks.from_dense(mask[None])
        places = np.array([(point.x, point.y) for point in points if point.inside]).reshape(-1, 2)
        box = old.boxes[0] if len(old.crops[0]) else np.array([*places.min(axis=0), *places.max(axis=0)])
        if len(places):
            box = np.concatenate(
                [np.minimum(box[:2], places.min(axis=0)), np.maximum(box[2:], places.max(axis=0))]
            )
        window = Window.around(box, _MASK_MARGIN)
        known, clicks = OldMask.of(old), tuple(points)
        answers = self.answer(image, [Look(window, known, points=clicks), Look(window, points=clicks)])
        best = max(answers, key=lambda each: (each.has_right(clicks), each is answers[0]))
        drawn = best.masks((mask.shape[0], mask.shape[1])).union()
        corrected = near_clicks(mask, drawn, points, reach=_NEIGHBORHOOD * window.side)
        for point in points:  # what a thin thing is a click may know better
            corrected[int(point.y), int(point.x)] = point.inside
        if not corrected.any():
            raise InvalidValue("points: nothing is left of the mask; draw another box or points")
        return corrected

    def check_guided(self) -> Guided:
        """It is its own guide."""
        return self

    def redraw(self, image: Image, instances: Instances) -> Instances:
        """Redraw the borders of objects, each in its own window; boxes stay as they are.

        An object of which the network makes another, or nothing, stays as it is.
        """
        rows = np.flatnonzero(instances.masks.areas > 0).tolist()
        looks = [Look.at_mask(instances.masks, row) for row in rows]
        masks = [instances.masks[row] for row in range(len(instances))]
        for row, answer in zip(rows, self.answer(image, looks), strict=True):
            drawn = answer.masks(instances.size)
            if _iou(drawn, masks[row]) >= _SAME_OBJECT:
                masks[row] = drawn
        return instances.replace(masks=concatenate(masks)) if rows else instances

    def refine_masks(self, image: Image, masks: FloatArray) -> list[Answer | None]:
        """What the network makes of (K, h, w) soft masks of a whole image, each in its own window.

        None for a mask with no pixel over 0.5.
        """
        height, width = image.shape[:2]
        scale = np.array([width / masks.shape[2], height / masks.shape[1]] * 2)
        looks: dict[int, Look] = {}
        for row, mask in enumerate(masks):
            x, y, w, h = cv2.boundingRect((mask > 0.5).view(np.uint8))
            if w:
                window = Window.around(np.array([x, y, x + w, y + h]) * scale, _MASK_MARGIN)
                old = OldMask((mask * 255).round().astype(np.uint8), (0, 0, width, height))
                looks[row] = Look(window, old)
        answers = dict(zip(looks, self.answer(image, list(looks.values())), strict=True))
        return [answers.get(row) for row in range(len(masks))]

    def _look_at_box(self, box: Box, points: tuple[Point, ...], known: Instances | None) -> Look:
        corners = np.array([[box.x1, box.y1, box.x2, box.y2]])
        window, old = Window.around(corners[0], _BOX_MARGIN), None
        if known is not None and len(known) and not points:
            overlap = box_iou(corners, known.boxes)[0]
            if overlap.max() >= _SAME_BOX:
                old = OldMask.of(known.masks, int(overlap.argmax()))
        return Look(window, old, box=box, points=points)

    def _known_at(self, image: Image, points: tuple[Point, ...], known: Instances | None) -> Answer | None:
        """The surest known object that has all points right, looked at once more; None where there is none."""
        if known is None:
            return None
        for row in np.argsort(-known.scores, kind="stable").tolist():
            if agrees(known.masks[row].union(), points):
                (answer,) = self.answer(image, [Look.at_mask(known.masks, row)])
                return answer if answer.has_right(points) == len(points) else None
        return None

    def _clicked(self, image: Image, points: tuple[Point, ...]) -> Answer:
        """What is found round clicks: in windows of a few sizes, and what each shows once more in its own window."""
        glances = self.answer(image, _windows_of_clicks(image, points))
        hits = [(glance, box) for glance in glances if (box := glance.box) is not None]
        if not hits:
            return glances[0]
        closer = [
            Look(Window.around(box, _MASK_MARGIN, min_side=24.0), glance.old, points=points)
            for glance, box in hits
        ]
        pairs = [
            (answer if answer.has_right(points) >= glance.has_right(points) else glance, answer.score)
            for answer, (glance, _) in zip(self.answer(image, closer), hits, strict=True)
        ]
        best, _ = max(pairs, key=lambda each: (each[0].has_right(points), each[1]))
        return best

    def _guidance(self, look: Look) -> NDArray[np.uint8]:
        """(S, S, 4) maps of a look."""
        window = look.window
        corners = None
        if look.box is not None:
            box = look.box
            corners = window.place(np.array([[box.x1, box.y1], [box.x2, box.y2]]), self.side).ravel()
        places = window.place(np.array([(p.x, p.y) for p in look.points]).reshape(-1, 2), self.side)
        clicks = [(x, y, p.inside) for (x, y), p in zip(places.tolist(), look.points, strict=True)]
        old = None if look.old is None else look.old.seen_in(window, self.side)
        return draw_guidance(self.side, mask=old, box=corners, clicks=clicks)

    def _instances(self, answers: Sequence[Answer], size: Size) -> Instances:
        masks = concatenate([answer.masks(size) for answer in answers])
        scores = np.array([answer.score for answer in answers])
        return Instances(masks, masks.boxes, scores, np.zeros(len(masks), np.int64), self.class_names)

    def _logits(self, outputs: Tensors, count: int) -> FloatArray:
        masks = outputs.get(_MASKS)
        if masks is None or masks.shape != (count, 1, self.side, self.side):
            seen = ", ".join(f"{name} {array.shape}" for name, array in outputs.items())
            raise EngineError(
                f"{self.name}: need {_MASKS} ({count}, 1, {self.side}, {self.side}), got {seen or 'none'}"
            )
        logits: FloatArray = np.nan_to_num(masks[:, 0])
        return logits


def near_clicks(mask: Mask, drawn: Mask, points: Sequence[Point], *, reach: float) -> Mask:
    """The mask (H, W) with those changes to ``drawn`` that a click asks for; the rest of it stays to the pixel.

    A change is a connected region that is added or taken away. A click on the object asks for what is added within
    ``reach`` pixels of it, one beside the object for what is taken away there.
    """
    corrected = mask.copy()
    for inside in (True, False):
        changed = (drawn & ~mask) if inside else (mask & ~drawn)
        x, y, width, height = cv2.boundingRect(changed.view(np.uint8))
        part = np.s_[y : y + height, x : x + width]  # of a large image, little
        if not width:
            continue
        count, labels = cv2.connectedComponents(changed[part].view(np.uint8), connectivity=8)
        is_touched = np.zeros(count, dtype=bool)
        for point in points:
            if point.inside == inside:
                is_touched[np.unique(_around(np.asarray(labels, np.int32), point, reach, (x, y)))] = True
        is_touched[0] = False
        corrected[part][is_touched[labels]] = inside
    return corrected


def _around(
    values: NDArray[np.int32], point: Point, reach: float, origin: tuple[int, int]
) -> NDArray[np.int32]:
    """The part of an (H, W) array that begins at ``origin`` within ``reach`` pixels of a point along both sides."""
    (y1, x1), (y2, x2) = (
        (max(0, int(point.y + off) - origin[1]), max(0, int(point.x + off) - origin[0]))
        for off in (-reach, reach + 1)
    )
    return values[y1:y2, x1:x2]


def _windows_of_clicks(image: Image, points: tuple[Point, ...]) -> list[Look]:
    """The looks at clicks of which nothing else is known, in windows of a few sizes."""
    places = np.array([(point.x, point.y) for point in points if point.inside])
    low, high = places.min(axis=0), places.max(axis=0)
    long_side, min_side = float(max(image.shape[:2])), 1.2 * float((high - low).max())
    shares = [share for share in _CLICK_WINDOWS if share > _ENLARGED or share * long_side >= _SIDE]
    sides = sorted({max(share * long_side, min_side, 24.0) for share in shares})
    return [
        Look(_inside_image(Window.around((*low, *high), 0, min_side=side), image), points=points)
        for side in sides
    ]


def _inside_image(window: Window, image: Image) -> Window:
    """The window moved so that it shows as much of the image as it can."""
    height, width = image.shape[:2]
    x, y = (
        min(max(low, 0.0), max(side - window.side, 0.0)) if window.side <= side else (side - window.side) / 2
        for low, side in ((window.x, width), (window.y, height))
    )
    return Window(x, y, window.side)


def _iou(one: Masks, other: Masks) -> float:
    return float(mask_iou(one, other)[0, 0])


def _corners(box: Box) -> str:
    return f"{box.x1:g},{box.y1:g},{box.x2:g},{box.y2:g}"

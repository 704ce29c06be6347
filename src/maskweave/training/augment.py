"""Random views of training images: scale, crop, flip, color and pasted objects.

All randomness comes from the generator handed in, so that a view is a pure function of (record, generator state).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from maskweave.training.annotations import ImageRecord, MaskCrop, ObjectRecord

GRAY = 114
MASK_STRIDE = 2
_MIN_SIDE = 4.0
"""Objects that end up smaller than this many pixels on a side are dropped to crowd-like silence."""
_INEXACT_WEIGHT = 0.6
"""Of masks that may hold parts of neighbors."""


@dataclass(frozen=True)
class Augmentation:
    """How strongly views differ from their image.

    Attributes:
        scale: Range of the zoom relative to "the image just fits".
        color: Greatest relative change of brightness, contrast and channel gains.
        flip: Probability of a mirrored view.
        gray: Probability of a view without color.
        paste: Probability of pasting objects of another image.
        max_pasted: Most objects pasted into one view.
        mosaic: Probability of a view put together from four; zero once the learning rate falls.
    """

    scale: tuple[float, float] = (0.65, 1.8)
    color: float = 0.35
    flip: float = 0.5
    gray: float = 0.05
    paste: float = 0.5
    max_pasted: int = 3
    mosaic: float = 0.0


@dataclass
class View:
    """One augmented image with its targets.

    Attributes:
        image: (H, W, 3) uint8 RGB, padded with gray.
        boxes: (G, 4) float32 xyxy in view pixels.
        classes: (G,) int64, -1 for "other".
        masks: (G, H/2, W/2) uint8, the covered share of each cell, 0..255; zeros where none is known.
        mask_weights: (G,) float32; 0 for box-only objects.
        trust: (G,) float32 in 0..1: how far an object's class and box are believed.
        silent: (S, 4) float32 boxes in which nothing costs anything (crowds, slivers), with `silent_classes` (S,).
        labeled: (C,) bool.
    """

    image: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    classes: NDArray[np.int64]
    masks: NDArray[np.uint8]
    mask_weights: NDArray[np.float32]
    trust: NDArray[np.float32]
    silent: NDArray[np.float32]
    silent_classes: NDArray[np.int64]
    labeled: NDArray[np.bool_]


@dataclass
class _Item:
    class_index: int
    box: NDArray[np.float64]
    mask: NDArray[np.uint8] | None  # full view resolution
    weight: float
    silent: bool
    trust: float = 1.0


@dataclass(frozen=True)
class _Placement:
    """View pixel = image pixel * scale + offset, mirrored about the view's middle when `flip`."""

    scale: tuple[float, float]
    offset: tuple[float, float]
    flip: bool
    size: tuple[int, int]

    def matrix(self, corner: tuple[float, float] = (0.0, 0.0), scale: float = 1.0) -> NDArray[np.float64]:
        """Affine map of a patch whose top-left pixel is `corner`, sampled `scale` times smaller than its image."""
        sx, sy = self.scale[0] * scale, self.scale[1] * scale
        tx = self.scale[0] * corner[0] + self.offset[0] + 0.5 * sx - 0.5
        ty = self.scale[1] * corner[1] + self.offset[1] + 0.5 * sy - 0.5
        if self.flip:
            return np.array([[-sx, 0, self.size[1] - 1 - tx], [0, sy, ty]])
        return np.array([[sx, 0, tx], [0, sy, ty]])

    def box(self, box: tuple[float, float, float, float]) -> NDArray[np.float64]:
        x1, x2 = (box[i] * self.scale[0] + self.offset[0] for i in (0, 2))
        y1, y2 = (box[i] * self.scale[1] + self.offset[1] for i in (1, 3))
        if self.flip:
            x1, x2 = self.size[1] - x2, self.size[1] - x1
        return np.array([x1, y1, x2, y2])


def make_view(
    record: ImageRecord,
    image: NDArray[np.uint8],
    size: tuple[int, int],
    *,
    rng: np.random.Generator,
    augmentation: Augmentation,
    donor: tuple[ImageRecord, NDArray[np.uint8]] | None = None,
) -> View:
    """A random view of a record.

    Args:
        record: The image's annotations, in original pixels.
        image: (h, w, 3) uint8 RGB, possibly smaller than `record.size`.
        size: (H, W) of the view, multiples of 32.
        rng: Source of all randomness.
        augmentation: Strengths.
        donor: Another record and image whose exact objects may be pasted in.
    """
    placement = _place(record, size, rng, augmentation)
    canvas = _warp(image, record, placement)
    items = [_place_object(item, placement) for item in record.objects]
    if donor is not None and rng.random() < augmentation.paste:
        canvas = _paste(canvas, items, donor, rng=rng, augmentation=augmentation)
    canvas = recolor(canvas, rng, augmentation)
    return _finish(canvas, items, record.labeled)


def _place(
    record: ImageRecord, size: tuple[int, int], rng: np.random.Generator, augmentation: Augmentation
) -> _Placement:
    height, width = record.size
    low, high = np.log(augmentation.scale[0]), np.log(augmentation.scale[1])
    zoom = float(np.exp(rng.uniform(low, high)))
    fit = min(size[0] / height, size[1] / width) * zoom
    stretch = float(np.exp(rng.uniform(-0.12, 0.12)))
    scale = (fit * stretch, fit / stretch)
    slack_x, slack_y = size[1] - width * scale[0], size[0] - height * scale[1]
    corner = rng.random() < 0.3  # as the letterbox does at inference: top-left
    offset_x = 0.0 if corner and slack_x > 0 else rng.uniform(min(0, slack_x), max(0, slack_x))
    offset_y = 0.0 if corner and slack_y > 0 else rng.uniform(min(0, slack_y), max(0, slack_y))
    return _Placement(scale, (offset_x, offset_y), bool(rng.random() < augmentation.flip), size)


def _warp(image: NDArray[np.uint8], record: ImageRecord, placement: _Placement) -> NDArray[np.uint8]:
    shrunk = record.size[1] / image.shape[1]
    if min(placement.scale) * shrunk < 0.6:  # linear sampling would alias
        target = (max(1, round(image.shape[1] * 0.5)), max(1, round(image.shape[0] * 0.5)))
        image = cv2.resize(image, target, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        shrunk = record.size[1] / image.shape[1]
    matrix = placement.matrix(scale=shrunk)
    size = (placement.size[1], placement.size[0])
    gray = (GRAY, GRAY, GRAY)
    return cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderValue=gray).astype(
        np.uint8, copy=False
    )


def _warp_mask(mask: MaskCrop, placement: _Placement) -> NDArray[np.uint8]:
    matrix = placement.matrix((float(mask.corner[0]), float(mask.corner[1])))
    size = (placement.size[1], placement.size[0])
    warped = cv2.warpAffine(mask.dense() * np.uint8(255), matrix, size, flags=cv2.INTER_LINEAR)
    return (warped > 127).view(np.uint8)


def _place_object(item: ObjectRecord, placement: _Placement) -> _Item:
    height, width = placement.size
    whole = placement.box(item.box)
    box = whole.clip([0, 0, 0, 0], [width, height, width, height])
    visible = np.prod(box[2:] - box[:2]) / max(np.prod(whole[2:] - whole[:2]), 1e-6)
    small = bool(np.min(box[2:] - box[:2]) < _MIN_SIDE)
    silent = item.crowd or small or visible < 0.12
    mask = None if silent or item.mask is None else _warp_mask(item.mask, placement)
    if mask is not None:
        tight = _tight_box(mask)
        if tight is None:
            silent, mask = True, None
        elif item.mask_exact and visible < 0.98:
            box = tight  # what is left of a cropped object can be smaller than what is left of its box
    weight = 0.0 if mask is None else 1.0 if item.mask_exact else _INEXACT_WEIGHT
    return _Item(item.class_index, box, mask, weight, silent, item.trust)


def _tight_box(mask: NDArray[np.uint8]) -> NDArray[np.float64] | None:
    x, y, w, h = cv2.boundingRect(mask)
    return np.array([x, y, x + w, y + h], dtype=np.float64) if w >= _MIN_SIDE and h >= _MIN_SIDE else None


def _paste(
    canvas: NDArray[np.uint8],
    items: list[_Item],
    donor: tuple[ImageRecord, NDArray[np.uint8]],
    *,
    rng: np.random.Generator,
    augmentation: Augmentation,
) -> NDArray[np.uint8]:
    """Paste exact objects of the donor (arXiv:2012.07177); what they hide is cut from the others."""
    record, image = donor
    placement = _place(record, (canvas.shape[0], canvas.shape[1]), rng, augmentation)
    pastable = [
        o
        for o in record.objects
        if o.mask is not None and o.mask_exact and not o.crowd and o.class_index >= 0
    ]
    if not pastable:
        return canvas
    chosen = rng.permutation(len(pastable))[: augmentation.max_pasted]
    pasted = [_place_object(pastable[i], placement) for i in chosen]
    pasted = [item for item in pasted if item.mask is not None]
    if not pasted:
        return canvas
    cover = np.maximum.reduce([item.mask for item in pasted if item.mask is not None])
    if cover.mean() > 0.4:
        return canvas
    for item in items:
        _hide(item, cover)
    items.extend(pasted)
    return np.where(cover[..., None] > 0, _warp(image, record, placement), canvas)


def _hide(item: _Item, cover: NDArray[np.uint8]) -> None:
    if item.silent:
        return
    if item.mask is None:
        x1, y1, x2, y2 = item.box.astype(int)
        item.silent = bool(cover[y1:y2, x1:x2].mean() > 0.5) if y2 > y1 and x2 > x1 else True
        return
    before = int(item.mask.sum())
    left = item.mask & (1 - cover)
    after = int(left.sum())
    if after == before:
        return
    tight = _tight_box(left)
    if tight is None or after < 0.15 * before:
        item.silent, item.mask, item.weight = True, None, 0.0
        return
    item.mask, item.box = left, tight


def recolor(
    image: NDArray[np.uint8], rng: np.random.Generator, augmentation: Augmentation
) -> NDArray[np.uint8]:
    """Change brightness, contrast, gamma and channel gains of (H, W, 3) RGB, or take the color away."""
    brightness, contrast = rng.uniform(-augmentation.color, augmentation.color, 2)
    gains = 1 + rng.uniform(-augmentation.color, augmentation.color, 3) * 0.4
    gamma = float(np.exp(rng.uniform(-augmentation.color, augmentation.color)))
    ramp = np.linspace(0, 1, 256) ** gamma
    curve = (ramp - 0.5) * (1 + contrast) + 0.5 + brightness * 0.4
    table = np.clip(curve[:, None] * gains * 255, 0, 255).astype(np.uint8)
    if rng.random() < augmentation.gray:
        image = np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    return cv2.LUT(image, table[None]).astype(np.uint8, copy=False)


def _finish(canvas: NDArray[np.uint8], items: list[_Item], labeled: NDArray[np.bool_]) -> View:
    height, width = canvas.shape[0] // MASK_STRIDE, canvas.shape[1] // MASK_STRIDE
    loud = [item for item in items if not item.silent]
    silent = [item for item in items if item.silent]
    masks = np.zeros((len(loud), height, width), dtype=np.uint8)
    for row, item in enumerate(loud):
        if item.mask is not None:
            masks[row] = cv2.resize(item.mask * np.uint8(255), (width, height), interpolation=cv2.INTER_AREA)
    return View(
        image=canvas,
        boxes=np.array([i.box for i in loud], dtype=np.float32).reshape(-1, 4),
        classes=np.array([i.class_index for i in loud], dtype=np.int64),
        masks=masks,
        mask_weights=np.array([i.weight for i in loud], dtype=np.float32),
        trust=np.array([i.trust for i in loud], dtype=np.float32),
        silent=np.array([i.box for i in silent], dtype=np.float32).reshape(-1, 4),
        silent_classes=np.array([i.class_index for i in silent], dtype=np.int64),
        labeled=labeled,
    )

"""Make crops of objects with exact masks on the fly, in loader processes.

Step `s` of a run is a pure function of (seed, s, size): a resumed run asks for the same steps and gets the same data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from maskweave.ops import guidance as ops
from maskweave.ops.guidance import FILL, Click, Window, draw_click, draw_guidance, warp_image
from maskweave.training.annotations import ImageRecord, ObjectRecord, TrainingSet
from maskweave.training.augment import Augmentation, recolor
from maskweave.training.cache import ImageCache
from maskweave.training.errors import TrainingDataError
from maskweave.training.guide import simulate

BOX, CLICKS, MASK = range(3)
_COLOR = Augmentation(color=0.3, gray=0.05)
_FACTORS = {BOX: (1.2, 1.9), CLICKS: (1.2, 6.0), MASK: (1.2, 3.0)}
"""How many times as large as the object a window is, by what guides it."""
_OFF_CENTER = {BOX: 0.2, CLICKS: 0.45, MASK: 0.3}
"""How far from the window's middle the object lies at most, as a share of the room there is, by what guides it."""
_MIN_VISIBLE = 16
"""Objects of which a crop shows fewer pixels are drawn again elsewhere."""


@dataclass
class GuideBatch:
    """Crops with what guides and what is right.

    Attributes:
        images: (N, S, S, 3) uint8.
        guidance: (N, S, S, 4) uint8.
        masks: (N, S, S) uint8 of 0 and 1.
        step: The step it was made for.
    """

    images: Tensor
    guidance: Tensor
    masks: Tensor
    step: int

    def to(self, device: torch.device) -> GuideBatch:
        """The same batch on another device."""
        return GuideBatch(self.images.to(device), self.guidance.to(device), self.masks.to(device), self.step)


@dataclass(frozen=True)
class Objects:
    """All objects that can be shown: rows of (image, object), and the probability of drawing each."""

    rows: NDArray[np.int64]
    odds: NDArray[np.float64]


def exact_objects(
    data: TrainingSet, *, min_area: int, source_weights: Mapping[str, float] | None = None
) -> Objects:
    """The objects whose masks are exact; those of rare classes are drawn oftener, by the square root.

    Raises:
        TrainingDataError: There is none.
    """
    rows, classes, weights = [], [], []
    for number, image in enumerate(data.images):
        shown = [
            (row, item)
            for row, item in enumerate(image.objects)
            if _is_exact(item) and _area(item) >= min_area
        ]
        for row, item in shown:
            rows.append((number, row))
            classes.append(item.class_index)
            source = (source_weights or {}).get(image.source, 1.0)
            weights.append(source / np.sqrt(len(shown)))
    if not rows:
        raise TrainingDataError(
            f"no object has an exact mask of at least {min_area} pixels. The guide learns from masks; give some."
        )
    _, index, counts = np.unique(classes, return_inverse=True, return_counts=True)
    odds = np.array(weights) / np.sqrt(counts[index])
    return Objects(np.array(rows), odds / odds.sum())


def _is_exact(item: ObjectRecord) -> bool:
    return item.mask is not None and item.mask_exact and not item.crowd


def _area(item: ObjectRecord) -> int:
    return 0 if item.mask is None else int(item.mask.dense().sum())


class CropDataset(Dataset[GuideBatch]):
    """Item `s` is the whole batch of step `s`."""

    def __init__(
        self, data: TrainingSet, cache: ImageCache, objects: Objects, *, batch_size: int, size: int, seed: int
    ) -> None:
        self.data, self.cache, self.objects = data, cache, objects
        self.batch_size, self.size, self.seed = batch_size, size, seed

    def __getitem__(self, step: int) -> GuideBatch:
        rng = np.random.default_rng((self.seed, step))
        chosen = rng.choice(len(self.objects.rows), self.batch_size, p=self.objects.odds)
        kinds = (step + np.arange(self.batch_size)) % 3
        crops = [self._crop(row, int(kind), rng) for row, kind in zip(chosen, kinds, strict=True)]
        images, guidance, masks = (torch.from_numpy(np.stack(part)) for part in zip(*crops, strict=True))
        return GuideBatch(images, guidance, masks, step)

    def _crop(
        self, row: int, kind: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
        image, number = self.objects.rows[row]
        return make_crop(self.data.images[image], int(number), self.cache[int(image)], kind, self.size, rng)


def make_crop(
    record: ImageRecord,
    number: int,
    image: NDArray[np.uint8],
    kind: int,
    size: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """A crop (S, S, 3), its guidance (S, S, 4) and the mask (S, S) of object `number` of an image.

    `image` may be smaller than `record.size`; boxes and masks are in the record's pixels.
    """
    while True:
        matrix = _view(record, record.objects[number], kind, size, rng)
        mask = _warp_mask(record.objects[number], matrix, size)
        if int(mask.sum()) >= _MIN_VISIBLE:
            break
        kind = BOX  # its window holds most of the object
    reduced = record.size[1] / image.shape[1]
    back = np.array([[reduced, 0, reduced / 2 - 0.5], [0, reduced, reduced / 2 - 0.5], [0, 0, 1]])
    crop = recolor(warp_image(image, matrix @ back, size), rng, _COLOR)
    crop[warp_image(np.full(image.shape[:2], 255, np.uint8), matrix @ back, size) == 0] = FILL
    others = np.zeros_like(mask)
    for row, item in enumerate(record.objects):
        if row != number and item.mask is not None:
            others |= _warp_mask(item, matrix, size)
    return crop, _guidance(mask, others & ~mask, kind, rng), mask.view(np.uint8)


def _view(
    record: ImageRecord, item: ObjectRecord, kind: int, size: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """(2, 3) map of the record's pixel centers to the crop's: a window off center, mirrored, turned, stretched."""
    low, high = np.log(_FACTORS[kind])
    x1, y1, x2, y2 = item.box
    longer = max(x2 - x1, y2 - y1)
    limit = max(1.4 * max(record.size), 1.2 * longer)
    side = min(max(float(np.exp(rng.uniform(low, high))) * longer, 24.0), limit)
    spare = max(side - longer, 0.0)
    off = rng.uniform(-1, 1, 2) * _OFF_CENTER[kind] * spare
    window = Window((x1 + x2 - side) / 2 + off[0], (y1 + y2 - side) / 2 + off[1], side)
    change = np.eye(3)
    stretch = float(np.exp(rng.normal(0, 0.06)))
    middle = (size - 1) / 2
    angle = float(rng.normal(0, 8)) if rng.random() < 0.35 else 0.0
    change[:2] = cv2.getRotationMatrix2D((middle, middle), angle, 1.0)
    change = (
        np.array(
            [[stretch, 0, middle * (1 - stretch)], [0, 1 / stretch, middle * (1 - 1 / stretch)], [0, 0, 1]]
        )
        @ change
    )
    if rng.random() < 0.5:
        change = np.array([[-1.0, 0, size - 1], [0, 1, 0], [0, 0, 1]]) @ change
    whole = np.vstack([window.matrix(size), (0, 0, 1)])
    return np.asarray((change @ whole)[:2])


def _warp_mask(item: ObjectRecord, matrix: NDArray[np.float64], size: int) -> NDArray[np.bool_]:
    if item.mask is None:
        return np.zeros((size, size), dtype=np.bool_)
    x, y = item.mask.corner
    back = np.array([[1.0, 0, x], [0, 1, y], [0, 0, 1]])
    padded = np.pad(item.mask.dense() * np.uint8(255), 1)
    back[:2, 2] -= 1
    warped: NDArray[np.bool_] = warp_image(padded, matrix @ back, size) > 127
    return warped


def _guidance(
    mask: NDArray[np.bool_], others: NDArray[np.bool_], kind: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    old, box = None, None
    clicks: Sequence[Click] = ()
    if kind == MASK:
        old = simulate.old_mask(mask, others, rng)
        if rng.random() < 0.2:
            click = simulate.click_on_error(old > 127, mask, rng)
            clicks = () if click is None else (click,)
        if rng.random() < 0.35:  # what a detector says beside its mask
            box = simulate.jittered_box(mask, rng)
    elif kind == BOX:
        box = simulate.jittered_box(mask, rng)
        if rng.random() < 0.15:
            clicks = simulate.clicks_on(mask, others, rng)[:1]
    else:
        clicks = simulate.clicks_on(mask, others, rng)
    return draw_guidance(mask.shape[0], mask=old, box=box, clicks=clicks)


def add_corrections(
    guidance: NDArray[np.uint8],
    probs: NDArray[np.float32],
    masks: NDArray[np.uint8],
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """The guidance of a second look at crops: the first answer as old mask, and a click on its error.

    Args:
        guidance: (N, S, S, 4) of the first look.
        probs: (N, S, S) answers to it, in 0..1.
        masks: (N, S, S) what is right.
        rng: Source of all randomness.
    """
    second = guidance.copy()
    for maps, answer, mask in zip(second, probs, masks.astype(bool), strict=True):
        if rng.random() < 0.85:
            maps[..., ops.MASK] = np.round(answer * 255)
        click = simulate.click_on_error(answer > 0.5, mask, rng)
        if click is not None and rng.random() < 0.9:
            channel = ops.INSIDE if click[2] else ops.OUTSIDE
            one_map = np.ascontiguousarray(maps[..., channel])
            draw_click(one_map, click[0], click[1])
            maps[..., channel] = one_map
    return second

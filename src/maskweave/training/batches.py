"""Compose training steps of images, and load them in processes of their own.

Step `s` of a run is a pure function of (seed, s, view size): a resumed run asks for the same steps and gets the
same data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from maskweave.training.annotations import ObjectRecord, TrainingSet
from maskweave.training.augment import Augmentation, View, make_view
from maskweave.training.cache import ImageCache
from maskweave.training.mosaic import join_views

_SHAPES = ((1.0, 1.0), (0.75, 1.0), (1.0, 0.75))
_SHAPE_ODDS = (0.3, 0.5, 0.2)


@dataclass
class Batch:
    """Targets of all images one after the other; `owner` (G,) says which image each belongs to.

    Attributes:
        images: (N, H, W, 3) uint8.
        boxes: (G, 4) float32 xyxy pixels.
        classes: (G,) int64.
        masks: (G, H/2, W/2) uint8, covered shares of 0..255, with `mask_weights` (G,) float32.
        trust: (G,) float32 in 0..1.
        silent: (S, 4) float32 with `silent_classes`, `silent_owner` (S,).
        labeled: (N, C) bool.
        step: The step it was made for.
    """

    images: Tensor
    owner: Tensor
    boxes: Tensor
    classes: Tensor
    masks: Tensor
    mask_weights: Tensor
    trust: Tensor
    silent_owner: Tensor
    silent: Tensor
    silent_classes: Tensor
    labeled: Tensor
    step: int

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        moved = {k: v.to(device, non_blocking=True) for k, v in vars(self).items() if isinstance(v, Tensor)}
        return replace(self, **moved)  # type: ignore[arg-type]


def sampling_weights(
    data: TrainingSet, *, source_weights: Mapping[str, float] | None = None, threshold: float = 0.1
) -> NDArray[np.float64]:
    """Probability (images,) of drawing each image.

    Repeat-factor sampling (LVIS, arXiv:1908.03195): an image counts sqrt(threshold / f) times, at least once, f
    being the share of images with its rarest class; times the weight of its source.
    """
    classes = [
        {o.class_index for o in image.objects if o.class_index >= 0 and not o.crowd} for image in data.images
    ]
    share = np.zeros(len(data.class_names))
    for present in classes:
        share[list(present)] += 1.0 / len(data.images)
    factor = np.sqrt(np.maximum(1.0, threshold / np.maximum(share, 1e-9)))
    sources = source_weights or {}
    weights = np.array(
        [
            max((float(factor[c]) for c in present), default=0.5) * sources.get(image.source, 1.0)
            for image, present in zip(data.images, classes, strict=True)
        ]
    )
    normalized: NDArray[np.float64] = weights / weights.sum()
    return normalized


class StepDataset(Dataset[Batch]):
    """Item `s` is the whole batch of step `s`."""

    def __init__(
        self,
        data: TrainingSet,
        cache: ImageCache,
        *,
        weights: NDArray[np.float64],
        batch_size: int,
        size: int,
        seed: int,
        augmentation: Augmentation,
    ) -> None:
        self.data, self.cache, self.weights = data, cache, weights
        self.batch_size, self.size, self.seed, self.augmentation = batch_size, size, seed, augmentation
        pastable = np.array([_has_exact(image.objects) for image in data.images], dtype=float) * weights
        self.donor_weights = pastable / pastable.sum() if pastable.sum() > 0 else None

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng((self.seed, step))
        factors = _SHAPES[rng.choice(len(_SHAPES), p=_SHAPE_ODDS)]
        size = (round(self.size * factors[0] / 32) * 32, round(self.size * factors[1] / 32) * 32)
        chosen = _systematic(self.weights, self.batch_size, rng)
        return collate([self._whole_view(int(index), size, rng) for index in chosen], step)

    def _whole_view(self, index: int, size: tuple[int, int], rng: np.random.Generator) -> View:
        if not self.augmentation.mosaic or rng.random() >= self.augmentation.mosaic:
            return self._view(index, size, rng)
        half = (size[0] // 2, size[1] // 2)
        b, c, d = (int(other) for other in rng.choice(len(self.weights), 3, p=self.weights))
        return join_views(
            (
                self._view(index, half, rng),
                self._view(b, half, rng),
                self._view(c, half, rng),
                self._view(d, half, rng),
            )
        )

    def _view(self, index: int, size: tuple[int, int], rng: np.random.Generator) -> View:
        donor = None
        if self.donor_weights is not None:
            other = int(rng.choice(len(self.donor_weights), p=self.donor_weights))
            donor = (self.data.images[other], self.cache[other])
        record = self.data.images[index]
        return make_view(
            record, self.cache[index], size, rng=rng, augmentation=self.augmentation, donor=donor
        )


def _has_exact(objects: Sequence[ObjectRecord]) -> bool:
    return any(o.mask is not None and o.mask_exact and not o.crowd and o.class_index >= 0 for o in objects)


def _systematic(weights: NDArray[np.float64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Systematic draw over a random order: without repeats within a batch unless a weight exceeds 1 / count."""
    order = rng.permutation(len(weights))
    edges = np.cumsum(weights[order])
    ticks = (rng.random() + np.arange(count)) / count * edges[-1]
    picked: NDArray[np.int64] = order[np.searchsorted(edges, ticks, side="right").clip(0, len(order) - 1)]
    return picked


def collate(views: list[View], step: int) -> Batch:
    """Join views of one size."""

    def join(name: str) -> Tensor:
        return torch.from_numpy(np.concatenate([getattr(view, name) for view in views]))

    def owner(name: str) -> Tensor:
        return torch.from_numpy(
            np.repeat(np.arange(len(views)), [len(getattr(view, name)) for view in views])
        )

    return Batch(
        images=torch.from_numpy(np.stack([view.image for view in views])),
        owner=owner("boxes"),
        boxes=join("boxes"),
        classes=join("classes"),
        masks=join("masks"),
        mask_weights=join("mask_weights"),
        trust=join("trust"),
        silent_owner=owner("silent"),
        silent=join("silent"),
        silent_classes=join("silent_classes"),
        labeled=torch.from_numpy(np.stack([view.labeled for view in views])),
        step=step,
    )


BatchT = TypeVar("BatchT")


def step_loader(dataset: Dataset[BatchT], first_step: int, *, workers: int) -> Iterator[BatchT]:
    """Batches of the steps from `first_step` on, in order, endless."""
    if workers == 0:
        return map(dataset.__getitem__, count(first_step))
    loader = DataLoader(
        dataset,
        batch_size=None,
        sampler=_Steps(first_step),
        num_workers=workers,
        prefetch_factor=3,
        worker_init_fn=_quiet_worker,
    )
    return iter(loader)


class _Steps:
    """An endless sampler of steps."""

    def __init__(self, first: int) -> None:
        self._first = first

    def __iter__(self) -> Iterator[int]:
        return count(self._first)


def _quiet_worker(_: int) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(0)

"""The objects a video is about, found without being told: what moves on its own, and what of it the network knows.

Every frame's soft mask is the sum of five opinions: how much more a pixel moves than the background does, the
network's instances (one that moves less than the others counts less, one that stands still among them counts against
itself), a classifier on the network's features that learns from the results so far, the former mask moved along by
optical flow, and the instance that fits that mask. So an object that stops is still known by its looks, and one that
the network never saw is found when it moves. A frame in which nothing moves and nothing is known gives nothing: no
map is ever stretched to fill its range.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maskweave.errors import InvalidValue
from maskweave.ops.blas import single_threaded_blas
from maskweave.ops.resize import resize_masks
from maskweave.tracking.flow import DenseFlow, carry
from maskweave.tracking.motion_saliency import motion_saliency, own_motion
from maskweave.tracking.online_classifier import OnlineClassifier
from maskweave.tracking.recognition import LEAST_SCORE, opinion_of_instances
from maskweave.tracking.soft_masks import Samples, settle, shows_something
from maskweave.tracking.views import View
from maskweave.types.arrays import FloatArray, Image, Mask
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks

_SURE = 0.5
"""Score from which on an instance counts fully."""


@dataclass(frozen=True)
class Weights:
    """How much each opinion counts, in logits.

    Chosen on the mean over the ten DAVIS 2016 sequences of ``benchmarks/davis.py``.
    """

    prior: float = -1.0
    motion: float = 0.6
    instances: float = 3.0
    bystanders: float = 2.0
    features: float = 2.5
    flow: float = 2.0
    fitting: float = 2.0
    rate: float = 0.1


class ForegroundFinder:
    """Finds the foreground of one stream, frame after frame."""

    _LEAST_MOTION = 0.15
    """Saliency under which nothing in the frame moves to speak of."""
    _WHEN_STILL = 0.7
    _IDLE = 0.1
    """An instance with less than this share of the greatest saliency counts as standing still."""
    _BYSTANDER = 0.5
    """With less than this share it counts against itself: it is there, and not what the video is about."""
    _KNOWN, _ALONE = 0.3, 3.0
    """While no instance is trusted, motion counts so many times more."""
    _PAUSED = 0.25
    """Of the prior, while nothing moves though something was found: what stops has not gone."""

    def __init__(self, weights: Weights | None = None) -> None:
        self._weights = weights or Weights()
        self._flow = DenseFlow()
        self._classifier = OnlineClassifier()
        self._former: View | None = None
        self._mask: FloatArray | None = None
        self._samples: Samples | None = None

    def update(self, view: View, image: Image, instances: Instances, fine: Instances) -> FloatArray:
        """(H, W) soft mask of the next frame, ``image``; foreground is where its value is above 0.5.

        ``instances``: what the network found there, scores down to `LEAST_SCORE`; ``fine``: what it found at the size
        at which it gives features, whose outlines are finer and whose doubtful finds are more.
        Raises `InvalidValue` when the frame is of another size than the one before.
        """
        if self._former is not None and view.size != self._former.size:
            raise InvalidValue(f"view: need {self._former.size} as before, got {view.size}")
        if self._samples is None:
            self._samples = Samples(view)
        with single_threaded_blas():
            samples = self._samples.of(view)
            fit = settle(view, self._logits(view, samples, instances, fine))
            self._former, self._mask = view, fit.on(view.image)
            self._learn(view, samples)
        return fit.on(image)

    def _logits(self, view: View, samples: FloatArray, instances: Instances, fine: Instances) -> FloatArray:
        weights = self._weights
        motion, expected = self._compare(view)
        known = self._known(view, instances, motion)
        alone = known.max() < self._KNOWN
        paused = expected is not None and shows_something(expected) and motion.max() < self._LEAST_MOTION
        logits = np.full(view.size, weights.prior * (self._PAUSED if paused else 1.0), dtype=np.float32)
        logits += weights.motion * motion * (self._ALONE if alone else 1.0)
        logits += weights.instances * known.clip(min=0) + weights.bystanders * known.clip(max=0)
        logits += weights.features * view.from_cells(self._classifier.scores(samples))
        if expected is not None:
            logits += weights.flow * (2 * expected - 1)
            if shows_something(expected):
                fine = fine.replace(masks=resize_masks(fine.masks, view.size))
                logits += weights.fitting * opinion_of_instances(fine, expected)
        return logits

    def _compare(self, view: View) -> tuple[FloatArray, FloatArray | None]:
        """Motion saliency and the former mask moved along, both (h, w); zeros and None on the first frame."""
        if self._former is None or self._mask is None:
            return np.zeros(view.size, dtype=np.float32), None
        flow = self._flow.between(view.grey, self._former.grey)
        expected = carry(self._mask, flow)
        return motion_saliency(own_motion(flow), expected), expected

    def _known(self, view: View, instances: Instances, motion: FloatArray) -> FloatArray:
        """(h, w) in -1..1: how surely a moving instance is at each pixel, or, under 0, one that stands still."""
        if not len(instances):
            return np.zeros(view.size, dtype=np.float32)
        masks = resize_masks(instances.masks, view.size)
        motions = np.array([_mean_inside(motion, *each) for each in masks.placed()])
        sure = ((instances.scores - LEAST_SCORE) / (_SURE - LEAST_SCORE)).clip(0, 1)
        top = max([self._LEAST_MOTION, *motions[instances.scores > LEAST_SCORE + 0.1]])
        if top <= self._LEAST_MOTION:
            return _greatest(masks, sure * self._WHEN_STILL)
        moving = _greatest(masks, sure * ((motions / top - self._IDLE) / (1 - self._IDLE)).clip(0, 1))
        standing = _greatest(masks, sure * (1 - motions / top / self._BYSTANDER).clip(0, 1))
        return np.where(moving < self._KNOWN, np.where(standing > moving, -standing, moving), moving)

    def _learn(self, view: View, samples: FloatArray) -> None:
        if self._mask is None or not shows_something(self._mask):
            return
        labels = view.to_cells(self._mask)
        self._classifier.add(samples, labels, rate=self._weights.rate, trust=np.abs(2 * labels - 1))


def _mean_inside(values: FloatArray, crop: Mask, x: int, y: int) -> float:
    """Mean of an (h, w) map over a mask whose crop lies at x, y; 0 for an empty one."""
    return float(values[y : y + crop.shape[0], x : x + crop.shape[1]][crop].mean()) if crop.any() else 0.0


def _greatest(masks: Masks, values: FloatArray) -> FloatArray:
    """(h, w): the greatest of the (N,) values whose masks cover the pixel; 0 where none does."""
    found = np.zeros(masks.size, dtype=np.float32)
    for (crop, x, y), value in zip(masks.placed(), values, strict=True):
        window = found[y : y + crop.shape[0], x : x + crop.shape[1]]
        np.maximum(window, crop * np.float32(value), out=window)
    return found

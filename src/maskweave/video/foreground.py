"""Segment the main objects of a video without a prompt: what moves on its own, and what of it the network knows.

Every frame's soft mask is the sum of five cues: how much more a pixel moves than the background does, the
network's instances (one that moves less than the others counts less, one that stands still among them counts against
itself), a classifier on the network's features that learns from the results so far, the former mask moved along by
optical flow, and the instance that fits that mask. So an object that stops is still known by its looks, and one that
the network never saw is found when it moves; the guide draws its border. A frame in which nothing moves and nothing
is known gives nothing: no map is ever stretched to fill its range.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice, takewhile

import numpy as np

from maskweave.errors import InvalidValue
from maskweave.models.base import Guide, Model
from maskweave.ops.blas import single_threaded_blas
from maskweave.ops.guided_filter import ColorFit
from maskweave.ops.resize import resize_masks
from maskweave.sources.prefetch import prefetch_map
from maskweave.types.arrays import FloatArray, Image, Mask
from maskweave.types.frame import Frame
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks
from maskweave.types.result import FrameResult
from maskweave.types.semantic import FOREGROUND_NAMES, SemanticMap
from maskweave.video.cues.instance_cue import MIN_SCORE, instance_cue
from maskweave.video.cues.motion_saliency import motion_saliency, own_motion
from maskweave.video.cues.online_classifier import OnlineClassifier
from maskweave.video.features import FrameFeatures
from maskweave.video.guided_masks import blend_guided
from maskweave.video.optical_flow import DenseFlow, warp
from maskweave.video.soft_masks import Samples, settle, shows_something
from maskweave.video.stream import FrameFacts, VideoStream

WARM_UP = 8
"""Frames that are looked at before the first result: what an object looks like is learned on them, backwards."""
_CONFIDENT = 0.5
"""Score from which on an instance counts fully."""


@dataclass(frozen=True)
class Weights:
    """How much each cue counts, in logits.

    Chosen on the mean over the ten DAVIS 2016 sequences of ``benchmarks/davis.py``.
    """

    prior: float = -1.0
    motion: float = 0.6
    instances: float = 3.0
    bystanders: float = 2.0
    features: float = 2.5
    flow: float = 2.0
    fitting: float = 2.0
    guide_shown: float = 0.8
    """Share of the guide's answer in a frame's result; what the next frame begins from is left alone."""
    rate: float = 0.1


def foreground_frames(frames: Iterable[Frame], model: Model, network: Model) -> Iterator[FrameResult]:
    """Yield every frame with its foreground, in order.

    ``model`` finds instances, ``network`` gives features (`features.feature_network`). Of the video only the first
    `WARM_UP` frames, then only the last few, are held; the networks work a frame or two ahead.

    Raises `InvalidValue` when ``model`` gives no instances or ``network`` no features.
    """
    if model.task != "instances":
        raise InvalidValue(f"{model.name}: need a model of instances, got one of {model.task} maps")
    stream = VideoStream(network)
    begun = (_with_scene_start(stream.facts(frame)) for frame in frames)
    with closing(
        prefetch_map(begun, partial(_find, model), workers=model.concurrency, source=frames)
    ) as seen:
        first = list(islice(seen, WARM_UP))
        finder = ForegroundFinder(guide=model.guide)
        for facts, found in reversed(list(takewhile(lambda each: not each[0].scene_start, first[1:]))):
            finder.take_in(facts, found)
        for facts, found in chain(first, seen):
            yield FrameResult(facts.frame, finder.update(facts, found))


def _with_scene_start(facts: FrameFacts) -> FrameFacts:
    """The facts, with the one known that is to be asked for in the order of the frames."""
    _ = facts.scene_start
    return facts


def _find(model: Model, facts: FrameFacts) -> tuple[FrameFacts, Instances]:
    """What both networks say about a frame; several frames are at work at a time."""
    _ = facts.features
    found = model.predict(facts.frame.image, score=MIN_SCORE)
    if not isinstance(found, Instances):
        raise InvalidValue(f"{model.name}: need instances, got a map of classes")
    return facts, found


class ForegroundFinder:
    """The stage that finds the foreground of one video, frame after frame; with each scene it begins again."""

    _MIN_MOTION = 0.15
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

    def __init__(self, weights: Weights | None = None, *, guide: Guide | None = None) -> None:
        self._weights, self._guide = weights or Weights(), guide
        self._flow = DenseFlow()
        self._begin()

    def _begin(self) -> None:
        self._classifier = OnlineClassifier()
        self._former: FrameFeatures | None = None
        self._mask: FloatArray | None = None
        self._samples: Samples | None = None

    def update(self, facts: FrameFacts, instances: Instances) -> SemanticMap:
        """Return the foreground of the next frame.

        ``instances``: what a network found there, scores down to `MIN_SCORE`. Outlines of `facts.network_instances`
        are finer, and more of them are doubtful.
        """
        fit = self.take_in(facts, instances)
        return SemanticMap((self._shown(facts.frame.image, fit) > 0.5).astype(np.uint8), FOREGROUND_NAMES)

    def take_in(self, facts: FrameFacts, instances: Instances) -> ColorFit:
        """Learn from the next frame, as `update` does, without drawing its foreground."""
        view = facts.features
        if facts.scene_start or (self._former is not None and self._former.size != view.size):
            self._begin()
        if self._samples is None:
            self._samples = Samples(view)
        with single_threaded_blas():
            samples = self._samples.of(view)
            fit = settle(view, self._logits(view, samples, instances, facts.network_instances))
            self._former, self._mask = view, fit.on(view.image)
            self._learn(view, samples)
        return fit

    def _shown(self, image: Image, fit: ColorFit) -> FloatArray:
        """(H, W) soft mask of the frame, looked at once more by the guide."""
        full = fit.on(image)
        if self._guide is None or self._mask is None:
            return full
        share = self._weights.guide_shown
        _, (redrawn,) = blend_guided(self._guide, image, self._mask[None], full[None], kept=0, shown=share)
        return np.asarray(redrawn)

    def _logits(
        self, view: FrameFeatures, samples: FloatArray, instances: Instances, fine: Instances
    ) -> FloatArray:
        weights = self._weights
        motion, expected = self._compare(view)
        known = self._known(view, instances, motion)
        alone = known.max() < self._KNOWN
        paused = expected is not None and shows_something(expected) and motion.max() < self._MIN_MOTION
        logits = np.full(view.size, weights.prior * (self._PAUSED if paused else 1.0), dtype=np.float32)
        logits += weights.motion * motion * (self._ALONE if alone else 1.0)
        logits += weights.instances * known.clip(min=0) + weights.bystanders * known.clip(max=0)
        logits += weights.features * view.from_cells(self._classifier.scores(samples))
        if expected is not None:
            logits += weights.flow * (2 * expected - 1)
            if shows_something(expected):
                fine = fine.replace(masks=resize_masks(fine.masks, view.size))
                logits += weights.fitting * instance_cue(fine, expected)
        return logits

    def _compare(self, view: FrameFeatures) -> tuple[FloatArray, FloatArray | None]:
        """Motion saliency and the former mask moved along, both (h, w); zeros and None on the first frame."""
        if self._former is None or self._mask is None:
            return np.zeros(view.size, dtype=np.float32), None
        flow = self._flow.between(view.gray, self._former.gray)
        expected = warp(self._mask, flow)
        return motion_saliency(own_motion(flow), expected), expected

    def _known(self, view: FrameFeatures, instances: Instances, motion: FloatArray) -> FloatArray:
        """(h, w) in -1..1: how surely a moving instance is at each pixel, or, under 0, one that stands still."""
        if not len(instances):
            return np.zeros(view.size, dtype=np.float32)
        masks = resize_masks(instances.masks, view.size)
        motions = np.array([_mean_inside(motion, *each) for each in masks.placed()])
        confidence = ((instances.scores - MIN_SCORE) / (_CONFIDENT - MIN_SCORE)).clip(0, 1)
        top = max([self._MIN_MOTION, *motions[instances.scores > MIN_SCORE + 0.1]])
        if top <= self._MIN_MOTION:
            return _maximum(masks, confidence * self._WHEN_STILL)
        moving = _maximum(masks, confidence * ((motions / top - self._IDLE) / (1 - self._IDLE)).clip(0, 1))
        standing = _maximum(masks, confidence * (1 - motions / top / self._BYSTANDER).clip(0, 1))
        return np.where(moving < self._KNOWN, np.where(standing > moving, -standing, moving), moving)

    def _learn(self, view: FrameFeatures, samples: FloatArray) -> None:
        if self._mask is None or not shows_something(self._mask):
            return
        labels = view.to_cells(self._mask)
        self._classifier.add(samples, labels, rate=self._weights.rate, trust=np.abs(2 * labels - 1))


def _mean_inside(values: FloatArray, crop: Mask, x: int, y: int) -> float:
    """Mean of an (h, w) map over a mask whose crop lies at x, y; 0 for an empty one."""
    return float(values[y : y + crop.shape[0], x : x + crop.shape[1]][crop].mean()) if crop.any() else 0.0


def _maximum(masks: Masks, values: FloatArray) -> FloatArray:
    """(h, w): the greatest of the (N,) values whose masks cover the pixel; 0 where none does."""
    found = np.zeros(masks.size, dtype=np.float32)
    for (crop, x, y), value in zip(masks.placed(), values, strict=True):
        window = found[y : y + crop.shape[0], x : x + crop.shape[1]]
        np.maximum(window, crop * np.float32(value), out=window)
    return found

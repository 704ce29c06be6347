"""Propagate masks from frame to frame, without a memory network.

Every frame's soft mask is the sum of five cues: a classifier on the network's features and one on colors, both
learned on the first mask and on the results since (online adaptation as in OSVOS, https://arxiv.org/abs/1611.05198,
but with a linear model), the former mask moved along by optical flow, distance from it, and the network's own
instance there, where it knows the object. An edge-aware filter then puts the border where the image has one, and
the guide looks at each mask once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue
from maskweave.models.base import Guide
from maskweave.ops.blas import single_threaded_blas
from maskweave.ops.guided_filter import ColorFit
from maskweave.ops.resize import resize_masks
from maskweave.types.arrays import FloatArray
from maskweave.types.instances import Instances
from maskweave.video.cues.color_model import ColorModel, color_bins
from maskweave.video.cues.instance_cue import instance_cue
from maskweave.video.cues.online_classifier import OnlineClassifier
from maskweave.video.features import FrameFeatures
from maskweave.video.guided_masks import blend_guided
from maskweave.video.optical_flow import DenseFlow, warp
from maskweave.video.soft_masks import RADIUS, Samples, settle, shows_something
from maskweave.video.stream import FrameFacts


@dataclass(frozen=True)
class Weights:
    """How much each cue counts, in logits, and how fast the models follow.

    Chosen on the mean over the ten DAVIS 2016 sequences of ``benchmarks/davis.py``.
    """

    features: float = 4.5
    colors: float = 0.15
    flow: float = 2.0
    instances: float = 2.0
    reach: float = 12.0
    """Reduced pixels beyond the moved mask at which distance begins to count against a pixel."""
    guide_kept: float = 0.3
    guide_shown: float = 0.6
    """Shares of the guide's answer in what the next frame begins from, and in the frame's own result."""
    rate: float = 0.05
    color_rate: float = 0.1


class MaskPropagator:
    """The stage that takes the masks of K objects from frame to frame, in one direction."""

    _LARGE = 32

    def __init__(
        self,
        facts: FrameFacts,
        masks: FloatArray,
        weights: Weights | None = None,
        *,
        guide: Guide | None = None,
    ) -> None:
        """Begin with (K, h, w) soft masks of the first frame, as large as its features' image.

        ``guide``: looks at each mask once more. Raises `InvalidValue` for another shape.
        """
        view, _ = facts.features, facts.scene_start  # with this frame the next one is compared
        if masks.shape[1:] != view.size or masks.ndim != 3:
            raise InvalidValue(f"masks: need (K, {view.size[0]}, {view.size[1]}), got {masks.shape}")
        self._weights, self._guide = weights or Weights(), guide
        self._flow = DenseFlow()
        self._samples = Samples(view)
        self._gray = view.gray
        self._masks = masks
        samples, bins = self._samples.of(view), color_bins(view.image)
        self._objects = [_Appearance() for _ in masks]
        for appearance, mask in zip(self._objects, masks, strict=True):
            appearance.begin(samples, view.to_cells(mask), bins, mask)

    def mark(self, facts: FrameFacts, masks: FloatArray, rows: Sequence[int]) -> None:
        """Set the (K, h, w) masks of some objects in the last frame, and learn again what they look like.

        ``rows``: which objects they are; those behind the last are new. The others keep what lies outside of them.
        """
        view, free = facts.features, 1 - masks.max(axis=0)
        samples, bins = self._samples.of(view), color_bins(view.image)
        new = max(rows, default=-1) + 1 - len(self._objects)
        self._masks = np.concatenate([self._masks * free, np.zeros((max(0, new), *view.size), np.float32)])
        self._objects += [_Appearance() for _ in range(new)]
        for row, mask in zip(rows, masks, strict=True):
            self._masks[row] = mask
            self._objects[row] = _Appearance()
            self._objects[row].begin(samples, view.to_cells(mask), bins, mask)

    def update(self, facts: FrameFacts, found: Instances) -> FloatArray:
        """Return (K, H, W) soft masks of the next frame; an object is where its value is above 0.5.

        ``found``: what the network found there, scores down to `instance_cue.MIN_SCORE`. Where a scene starts only
        what the objects look like counts, not where they were.
        Raises `InvalidValue` when the frame is of another size than the first.
        """
        view = facts.features
        if view.size != self._gray.shape:
            raise InvalidValue(f"view: need {self._gray.shape} as before, got {view.size}")
        with single_threaded_blas():
            fits = self._fits(view, found, scene_start=facts.scene_start)
        full = np.stack([fit.on(facts.frame.image) for fit in fits])
        if self._guide is not None:
            weights = self._weights
            self._masks, full = blend_guided(
                self._guide,
                facts.frame.image,
                self._masks,
                full,
                kept=weights.guide_kept,
                shown=weights.guide_shown,
            )
        return share_pixels(full)

    def _fits(self, view: FrameFeatures, found: Instances, *, scene_start: bool) -> list[ColorFit]:
        """Each object's soft mask in a view; the models learn from it."""
        flow = None if scene_start else self._flow.between(view.gray, self._gray)
        samples, bins = self._samples.of(view), color_bins(view.image)
        found = found.replace(masks=resize_masks(found.masks, view.size))
        fits = []
        for appearance, mask in zip(self._objects, self._masks, strict=True):
            share = self._share_of_size(mask)
            logits = self._locate(view, appearance, samples, bins, share)
            if flow is not None:
                logits += self._expect(warp(mask, flow), found)
            fits.append(settle(view, logits, radius=max(2, round(share * RADIUS))))
        self._masks = share_pixels(np.stack([fit.on(view.image) for fit in fits]))
        self._gray = view.gray
        for appearance, mask in zip(self._objects, self._masks, strict=True):
            appearance.follow(samples, view.to_cells(mask), bins, mask, weights=self._weights)
        return fits

    def _locate(
        self,
        view: FrameFeatures,
        appearance: _Appearance,
        samples: FloatArray,
        bins: NDArray[np.int32],
        share: float,
    ) -> FloatArray:
        """(h, w) logits of where the frame looks like the object; ``share`` of the weight of features counts."""
        weights = self._weights
        logits = share * weights.features * view.from_cells(appearance.classifier.scores(samples))
        logits += weights.colors * appearance.color_cue(bins)
        return logits

    def _share_of_size(self, mask: FloatArray) -> float:
        """1 for an object of `_LARGE` reduced pixels' side or more, its share of that area below; 1 out of sight.

        A cell of the features is seven such pixels wide: an object of two cells has hardly one for itself, and an
        edge looked for within `RADIUS` may be that of its neighbor.
        """
        area = int(np.count_nonzero(mask > 0.5))
        return min(1.0, area / self._LARGE**2) if area else 1.0

    def _expect(self, moved: FloatArray, found: Instances) -> FloatArray:
        """(h, w) logits of where the object should be, from its former mask moved along and the instance there."""
        logits: FloatArray = self._weights.flow * (2 * moved - 1)
        logits += self._weights.instances * instance_cue(found, moved)
        core = moved > 0.5
        if core.any():
            away = cv2.distanceTransform((~core).astype(np.uint8), cv2.DIST_L2, 3)
            logits -= np.maximum(0, away - self._weights.reach) / self._weights.reach
        return logits


class _Appearance:
    """What one object looks like: in features and in colors, at first and of late."""

    _NEAR = 30
    _FAR_WEIGHT = 0.15
    _CLIP = 4.0

    def __init__(self) -> None:
        self.classifier = OnlineClassifier()
        self._first_colors, self._colors = ColorModel(), ColorModel()

    def begin(
        self,
        samples: FloatArray,
        labels: FloatArray,
        bins: NDArray[np.int32],
        mask: FloatArray,
    ) -> None:
        self.classifier.anchor(samples, labels)
        self._first_colors.add(bins, mask, self._nearness(mask), rate=1.0)

    def follow(
        self,
        samples: FloatArray,
        labels: FloatArray,
        bins: NDArray[np.int32],
        mask: FloatArray,
        *,
        weights: Weights,
    ) -> None:
        if not shows_something(mask):
            return
        self.classifier.add(samples, labels, rate=weights.rate, trust=np.abs(2 * labels - 1))
        near = self._nearness(mask) * np.abs(2 * mask - 1)
        self._colors.add(bins, mask, near, rate=weights.color_rate)

    def color_cue(self, bins: NDArray[np.int32]) -> FloatArray:
        both = self._first_colors.log_ratio(bins) + self._colors.log_ratio(bins)
        return np.asarray(cv2.blur(both.clip(-self._CLIP, self._CLIP), (3, 3)), dtype=np.float32)

    def _nearness(self, mask: FloatArray) -> FloatArray:
        """(h, w) 1 in and around the object, little elsewhere."""
        window = np.ones((2 * self._NEAR + 1,) * 2, dtype=np.uint8)
        near = cv2.dilate((mask > 0.5).astype(np.uint8), window) > 0
        return np.where(near, 1.0, self._FAR_WEIGHT).astype(np.float32)


def share_pixels(masks: FloatArray) -> FloatArray:
    """Let (K, h, w) soft masks compete: odds are kept, and the masks and the rest of the frame add up to 1.

    Soft aggregation of STM (https://arxiv.org/abs/1904.00607). One mask alone stays as it is.
    """
    if len(masks) == 1:
        return masks
    probs = masks.clip(1e-5, 1 - 1e-5)
    odds = probs / (1 - probs)
    shared: FloatArray = odds / (1 + odds.sum(axis=0))
    return shared

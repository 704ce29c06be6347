"""Masks of one frame carried to the others, with no memory network.

Every frame's soft mask is the sum of five opinions: a classifier on the network's features and one on colours, both
learned on the first mask and on the results since (online adaptation as in OSVOS, https://arxiv.org/abs/1611.05198,
but with a linear model), the former mask moved along by optical flow, distance from it, and the network's own
instance there, where it knows the object. An edge-aware filter then puts the border where the picture has one.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue
from maskweave.ops.blas import single_threaded_blas
from maskweave.ops.guided_filter import ColourFit
from maskweave.ops.resize import resize_masks
from maskweave.tracking.colour_model import ColourModel, colour_bins
from maskweave.tracking.flow import DenseFlow, carry
from maskweave.tracking.online_classifier import OnlineClassifier
from maskweave.tracking.recognition import opinion_of_instances
from maskweave.tracking.soft_masks import RADIUS, Samples, settle, shows_something
from maskweave.tracking.views import View
from maskweave.types.arrays import FloatArray, Image
from maskweave.types.instances import Instances


@dataclass(frozen=True)
class Weights:
    """How much each opinion counts, in logits, and how fast the models follow.

    Chosen on the mean over the ten DAVIS 2016 sequences of ``benchmarks/davis.py``.
    """

    features: float = 4.5
    colours: float = 0.15
    flow: float = 2.0
    instances: float = 2.0
    reach: float = 12.0
    """Reduced pixels beyond the moved mask at which distance begins to count against a pixel."""
    rate: float = 0.05
    colour_rate: float = 0.1


class MaskPropagator:
    """Carries the masks of K objects from frame to frame, in one direction."""

    _LARGE = 32

    def __init__(self, view: View, masks: FloatArray, weights: Weights | None = None) -> None:
        """Begin with (K, h, w) soft masks of the first view's size; raises `InvalidValue` for another shape."""
        if masks.shape[1:] != view.size or masks.ndim != 3:
            raise InvalidValue(f"masks: need (K, {view.size[0]}, {view.size[1]}), got {masks.shape}")
        self._weights = weights or Weights()
        self._flow = DenseFlow()
        self._samples = Samples(view)
        self._grey = view.grey
        self._masks = masks
        samples, bins = self._samples.of(view), colour_bins(view.image)
        self._objects = [_Appearance() for _ in masks]
        for appearance, mask in zip(self._objects, masks, strict=True):
            appearance.begin(samples, view.to_cells(mask), bins, mask)

    def update(self, view: View, image: Image, found: Instances, *, cut: bool = False) -> FloatArray:
        """(K, H, W) soft masks of the next frame, ``image``; an object is where its value is above 0.5.

        ``found``: what the network found there, scores down to `recognition.LEAST_SCORE`. After a ``cut`` only what
        the objects look like counts, not where they were.
        Raises `InvalidValue` when the frame is of another size than the first.
        """
        if view.size != self._grey.shape:
            raise InvalidValue(f"view: need {self._grey.shape} as before, got {view.size}")
        with single_threaded_blas():
            fits = self._fits(view, found, cut=cut)
        return share_pixels(np.stack([fit.on(image) for fit in fits]))

    def _fits(self, view: View, found: Instances, *, cut: bool) -> list[ColourFit]:
        """Each object's soft mask in a view; the models learn from it."""
        flow = None if cut else self._flow.between(view.grey, self._grey)
        samples, bins = self._samples.of(view), colour_bins(view.image)
        found = found.replace(masks=resize_masks(found.masks, view.size))
        fits = []
        for appearance, mask in zip(self._objects, self._masks, strict=True):
            share = self._share_of_size(mask)
            logits = self._look_for(view, appearance, samples, bins, share)
            if flow is not None:
                logits += self._expect(carry(mask, flow), found)
            fits.append(settle(view, logits, radius=max(2, round(share * RADIUS))))
        self._masks = share_pixels(np.stack([fit.on(view.image) for fit in fits]))
        self._grey = view.grey
        for appearance, mask in zip(self._objects, self._masks, strict=True):
            appearance.follow(samples, view.to_cells(mask), bins, mask, weights=self._weights)
        return fits

    def _look_for(
        self,
        view: View,
        appearance: _Appearance,
        samples: FloatArray,
        bins: NDArray[np.int32],
        share: float,
    ) -> FloatArray:
        """(h, w) logits of where the frame looks like the object; ``share`` of the weight of features counts."""
        weights = self._weights
        logits = share * weights.features * view.from_cells(appearance.classifier.scores(samples))
        logits += weights.colours * appearance.colour_opinion(bins)
        return logits

    def _share_of_size(self, mask: FloatArray) -> float:
        """1 for an object of `_LARGE` reduced pixels' side or more, less for a smaller one, 1 for one out of sight.

        A cell of the features is seven such pixels wide: an object of two cells has hardly one for itself, and an
        edge looked for within `RADIUS` may be that of its neighbour.
        """
        area = int(np.count_nonzero(mask > 0.5))
        return min(1.0, area**0.5 / self._LARGE) if area else 1.0

    def _expect(self, moved: FloatArray, found: Instances) -> FloatArray:
        """(h, w) logits of where the object should be, from its former mask moved along and the instance there."""
        logits: FloatArray = self._weights.flow * (2 * moved - 1)
        logits += self._weights.instances * opinion_of_instances(found, moved)
        core = moved > 0.5
        if core.any():
            away = cv2.distanceTransform((~core).astype(np.uint8), cv2.DIST_L2, 3)
            logits -= np.maximum(0, away - self._weights.reach) / self._weights.reach
        return logits


class _Appearance:
    """What one object looks like: in features and in colours, at first and of late."""

    _NEAR = 30
    _FAR_WEIGHT = 0.15
    _CLIP = 4.0

    def __init__(self) -> None:
        self.classifier = OnlineClassifier()
        self._first_colours, self._colours = ColourModel(), ColourModel()

    def begin(
        self,
        samples: FloatArray,
        labels: FloatArray,
        bins: NDArray[np.int32],
        mask: FloatArray,
    ) -> None:
        self.classifier.anchor(samples, labels)
        self._first_colours.add(bins, mask, self._nearness(mask), rate=1.0)

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
        self._colours.add(bins, mask, near, rate=weights.colour_rate)

    def colour_opinion(self, bins: NDArray[np.int32]) -> FloatArray:
        both = self._first_colours.log_ratio(bins) + self._colours.log_ratio(bins)
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

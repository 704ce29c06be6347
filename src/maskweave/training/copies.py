"""Training images that show what a validation image shows: whole, cropped, mirrored, resized or compressed anew.

Such a copy makes a score say what was remembered, not what was learned. Local features (ORB, Rublee et al., ICCV
2011) name the pairs that may be copies; a pair is one where an affine map lays one image onto the other, pixel by
pixel.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from maskweave.types.arrays import Image

Gray = NDArray[np.uint8]
_SIDE, _FEATURES = 256, 250
_KEY_BYTES = 3
"""Two descriptors of 32 bytes meet where this many bytes are the same, in one of ten places."""
_MAX_MEETINGS = 30
"""A key that more descriptors share says nothing."""
_MIN_VOTES, _TRIED = 6, 3
_MIN_INLIERS, _TOLERANCE = 10, 3.0
_MIN_SHARE = 0.5
"""How much of one of the two images a copy shows at least."""
_MIN_CORRELATION = 0.9


@dataclass(frozen=True)
class _Described:
    """An image with its local features: `points` (N, 2) and `descriptors` (N, 32)."""

    gray: Gray
    points: NDArray[np.float32]
    descriptors: NDArray[np.uint8]


class CopyFinder:
    """Finds images that show what one of some images shows.

    Args:
        images: (H, W, 3) uint8 RGB each.

    Example:
        >>> finder = CopyFinder(validation_images)  # doctest: +SKIP
        >>> finder.find(training_image)  # the number of the validation image, or None  # doctest: +SKIP
    """

    def __init__(self, images: Iterable[Image]) -> None:
        self._known: list[_Described] = []
        for image in images:
            gray = _small_gray(image)
            self._known += [_describe(gray), _describe(np.ascontiguousarray(gray[:, ::-1]))]
        self._owners = np.repeat(np.arange(len(self._known)), [len(each.points) for each in self._known])
        keys = _keys(np.concatenate([each.descriptors for each in self._known]))
        self._orders = np.argsort(keys, axis=1)
        self._keys = np.take_along_axis(keys, self._orders, axis=1)

    def find(self, image: Image) -> int | None:
        """The number of the image that this one is a copy of, or None."""
        asked = _describe(_small_gray(image))
        for number, count in Counter(self._votes(asked.descriptors)).most_common(_TRIED):
            if count >= _MIN_VOTES and _same(asked, self._known[number]):
                return number // 2
        return None

    def _votes(self, descriptors: NDArray[np.uint8]) -> list[int]:
        """The numbers of the known images that each descriptor meets."""
        met = []
        for keys, order, asked in zip(self._keys, self._orders, _keys(descriptors), strict=True):
            first, last = (np.searchsorted(keys, asked, side) for side in ("left", "right"))
            counts = np.where(last - first <= _MAX_MEETINGS, last - first, 0)
            begun = np.cumsum(counts) - counts
            rows = np.arange(counts.sum()) + np.repeat(first - begun, counts)
            spots = np.repeat(np.arange(len(asked)), counts)
            met.append(spots * len(self._known) + self._owners[order[rows]])
        votes: list[int] = (np.unique(np.concatenate(met)) % len(self._known)).tolist()
        return votes


def _keys(descriptors: NDArray[np.uint8]) -> NDArray[np.int32]:
    """(places, N): bytes of the descriptors that follow one another, as numbers."""
    places = descriptors.shape[1] // _KEY_BYTES
    parts = descriptors[:, : places * _KEY_BYTES].reshape(-1, places, _KEY_BYTES).astype(np.int32)
    return np.ascontiguousarray(
        (parts << np.arange(0, 8 * _KEY_BYTES, 8, dtype=np.int32)).sum(2, dtype=np.int32).T
    )


def _small_gray(image: Image) -> Gray:
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    scale = _SIDE / max(gray.shape)
    size = (max(1, round(gray.shape[1] * scale)), max(1, round(gray.shape[0] * scale)))
    return np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _describe(gray: Gray) -> _Described:
    orb = cv2.ORB.create(_FEATURES, fastThreshold=8, edgeThreshold=16, patchSize=24)
    spots, descriptors = orb.detectAndCompute(gray, None)
    if not spots:  # then there are no descriptors either
        return _Described(gray, np.zeros((0, 2), np.float32), np.zeros((0, 32), np.uint8))
    return _Described(
        gray, np.array([spot.pt for spot in spots], np.float32), np.asarray(descriptors, np.uint8)
    )


def _same(one: _Described, other: _Described) -> bool:
    """Whether an affine map lays one image onto the other."""
    pairs = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(one.descriptors, other.descriptors)
    if len(pairs) < _MIN_INLIERS:
        return False
    source = one.points[[pair.queryIdx for pair in pairs]]
    target = other.points[[pair.trainIdx for pair in pairs]]
    onto, inliers = cv2.estimateAffine2D(source, target, ransacReprojThreshold=_TOLERANCE)
    if np.count_nonzero(inliers) < _MIN_INLIERS:
        return False
    height, width = other.gray.shape
    laid = cv2.warpAffine(one.gray, onto, (width, height), flags=cv2.INTER_AREA)
    covered = cv2.warpAffine(np.full(one.gray.shape, 255, np.uint8), onto, (width, height)) > 254
    pixels = int(covered.sum())
    own_pixels = abs(np.linalg.det(onto[:, :2])) * one.gray.size
    if pixels < _MIN_SHARE * min(other.gray.size, own_pixels) or pixels < _MIN_INLIERS:
        return False
    return float(np.corrcoef(laid[covered], other.gray[covered])[0, 1]) >= _MIN_CORRELATION

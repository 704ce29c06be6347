"""What is left of a picture when only the scene matters, and how far two of them differ."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from maskweave.ops.reduce import halved_until
from maskweave.types.arrays import Image

_WIDTH, _HEIGHT = 64, 36
_FLAT = 6.0  # grey levels of standard deviation under which a picture shows nothing: black, white, fog


@dataclass(frozen=True)
class Look:
    """A picture made small.

    ``grey`` is (36, 64), ``contrast`` its standard deviation; ``pixels`` are (18 * 32 * 3) RGB values from -128 to
    127. ``colours``, a histogram of chroma, and ``tones``, one of brightness without exposure and contrast, sum to 1
    each.
    """

    grey: NDArray[np.float32]
    contrast: float
    pixels: NDArray[np.float32]
    colours: NDArray[np.float32]
    tones: NDArray[np.float32]

    @property
    def is_flat(self) -> bool:
        """Whether there is nothing to see."""
        return self.contrast < _FLAT


def look_of(image: Image) -> Look:
    """The look of an (H, W, 3) uint8 RGB image of any size."""
    halved, _ = halved_until(image, 2 * _WIDTH)
    small = cv2.resize(halved, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA)
    smaller = cv2.resize(small, (_WIDTH // 2, _HEIGHT // 2), interpolation=cv2.INTER_AREA)
    lab = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2LAB), dtype=np.uint8)
    grey = lab[..., 0].astype(np.float32)
    contrast = float(grey.std())
    even = (grey - grey.mean()) / max(contrast, _FLAT)
    return Look(
        grey,
        contrast,
        np.asarray(smaller, dtype=np.float32).ravel() - 128,
        _histogram(lab, [1, 2], bins=[24, 24], limits=[64, 192, 64, 192], blur=1.0),
        _histogram(even, [0], bins=[20], limits=[-2.5, 2.5], blur=1.5),
    )


def difference(former: Look, look: Look) -> float:
    """How badly the best shift of one fits the other, times the distance of their colours; 0 is the same.

    1 - normalised correlation, so neither a pan nor exposure counts, times the Hellinger distance of chroma or of
    normalised brightness, whichever is larger. Pictures of one scene stay under 0.02, and under 0.05 with the
    exposure changed by 40 %; 99 of 100 pairs of different scenes lie over 0.10.
    """
    middle = former.grey[8:28, 14:50]  # leaves room for shifts of a fifth of the picture
    fit = float(cv2.matchTemplate(look.grey, middle, cv2.TM_CCOEFF_NORMED).max())
    return (1 - fit) * max(_hellinger(former.colours, look.colours), _hellinger(former.tones, look.tones))


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

"""Edge-aware smoothing of soft masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np

from maskweave.types.arrays import FloatArray, Image

Planes: TypeAlias = tuple[FloatArray, FloatArray, FloatArray]
"""Red, green and blue of every pixel, each (h, w) float32: arithmetic on planes is twice as fast as on pixels."""


@dataclass(frozen=True, eq=False)
class ColorFit:
    """A soft mask as a linear function of color (0..255) around each pixel: ``slopes`` and ``offset`` (h, w)."""

    slopes: Planes
    offset: FloatArray

    def on(self, image: Image) -> FloatArray:
        """(H, W) mask in 0..1 for the image of the fit or a larger (H, W, 3) uint8 one of the same scene.

        On the larger image the mask has borders as fine as that image's (K. He and J. Sun, "Fast Guided Filter",
        https://arxiv.org/abs/1505.00996).
        """
        size = (image.shape[1], image.shape[0])
        mask = _resized(self.offset, size).copy()
        for slope, plane in zip(self.slopes, cv2.split(image), strict=True):
            mask += _resized(slope, size) * plane
        return np.clip(mask, 0, 1, out=mask)


def fit_to_colors(mask_probs: FloatArray, image: Image, *, radius: int, epsilon: float) -> ColorFit:
    """Fit (h, w) probabilities to an (h, w, 3) uint8 image: the guided filter.

    In every window of ``radius`` pixels around a pixel the mask becomes a linear function of the color; ``epsilon``,
    the variance of color (of values 0..1) that counts as an edge, keeps that function flat where nothing happens.
    K. He et al., "Guided Image Filtering", TPAMI 2013, with the color image as guide.
    """
    window = (2 * radius + 1, 2 * radius + 1)
    red, green, blue = (plane.astype(np.float32) / 255 for plane in cv2.split(image))
    guide = red, green, blue
    mean_guide = _means(guide, window)
    mean = _mean(mask_probs, window)
    covariances = tuple(
        _mean(plane * mask_probs, window) - mean_plane * mean
        for plane, mean_plane in zip(guide, mean_guide, strict=True)
    )
    slopes = _solve(_variances(guide, mean_guide, window), covariances, epsilon)
    offset = mean - sum(slope * plane for slope, plane in zip(slopes, mean_guide, strict=True))
    r, g, b = (slope / 255 for slope in _means(slopes, window))
    return ColorFit((r, g, b), _mean(offset, window))


def _variances(guide: Planes, mean: Planes, window: tuple[int, int]) -> list[FloatArray]:
    """The six different entries of every pixel's 3x3 color covariance, each (h, w)."""
    return [_mean(guide[i] * guide[j], window) - mean[i] * mean[j] for i in range(3) for j in range(i, 3)]


def _solve(variances: list[FloatArray], covariances: tuple[FloatArray, ...], epsilon: float) -> Planes:
    """The 3x3 systems of all pixels by Cramer's rule."""
    rr, rg, rb, gg, gb, bb = variances
    r, g, b = covariances
    rr, gg, bb = rr + epsilon, gg + epsilon, bb + epsilon
    inverse_rr, inverse_rg, inverse_rb = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    inverse_gg, inverse_gb, inverse_bb = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
    scale = 1 / (rr * inverse_rr + rg * inverse_rg + rb * inverse_rb)
    return (
        (inverse_rr * r + inverse_rg * g + inverse_rb * b) * scale,
        (inverse_rg * r + inverse_gg * g + inverse_gb * b) * scale,
        (inverse_rb * r + inverse_gb * g + inverse_bb * b) * scale,
    )


def _resized(values: FloatArray, size: tuple[int, int]) -> FloatArray:
    """An (h, w) plane at a size of (width, height); itself where that is its own."""
    if values.shape == size[::-1]:
        return values
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def _means(planes: Planes, window: tuple[int, int]) -> Planes:
    red, green, blue = (_mean(plane, window) for plane in planes)
    return red, green, blue


def _mean(values: FloatArray, window: tuple[int, int]) -> FloatArray:
    return np.asarray(cv2.blur(values, window), dtype=np.float32)

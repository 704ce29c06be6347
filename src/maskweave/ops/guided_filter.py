"""Edge-aware smoothing of soft masks."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from maskweave.types.arrays import FloatArray, Image

_CHANNEL_PAIRS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))


@dataclass(frozen=True, eq=False)
class ColourFit:
    """A soft mask as a linear function of colour around each pixel: ``slopes`` (h, w, 3) and ``offset`` (h, w)."""

    slopes: FloatArray
    offset: FloatArray

    def on(self, image: Image) -> FloatArray:
        """(H, W) mask in 0..1 for the image of the fit or a larger (H, W, 3) uint8 one of the same scene.

        On the larger image the mask has borders as fine as that image's (K. He and J. Sun, "Fast Guided Filter",
        https://arxiv.org/abs/1505.00996).
        """
        slopes, offset = self.slopes, self.offset
        if image.shape[:2] != offset.shape:
            size = (image.shape[1], image.shape[0])
            slopes = np.asarray(cv2.resize(slopes, size, interpolation=cv2.INTER_LINEAR), dtype=np.float32)
            offset = np.asarray(cv2.resize(offset, size, interpolation=cv2.INTER_LINEAR), dtype=np.float32)
        smooth = np.einsum("hwc,hwc->hw", slopes, image.astype(np.float32)) / 255 + offset
        result: FloatArray = np.clip(smooth, 0, 1)
        return result


def fit_to_colours(mask_probs: FloatArray, image: Image, *, radius: int, epsilon: float) -> ColourFit:
    """Fit (h, w) probabilities to an (h, w, 3) uint8 image: the guided filter.

    In every window of ``radius`` pixels around a pixel the mask becomes a linear function of the colour; ``epsilon``,
    the variance of colour (of values 0..1) that counts as an edge, keeps that function flat where nothing happens.
    K. He et al., "Guided Image Filtering", TPAMI 2013, with the colour image as guide.
    """
    guide = image.astype(np.float32) / 255
    window = (2 * radius + 1, 2 * radius + 1)
    mean_guide = _mean(guide, window)
    mean = _mean(mask_probs, window)
    covariance = _mean(guide * mask_probs[..., None], window) - mean_guide * mean[..., None]
    slopes = _solve(_variances(guide, mean_guide, window), covariance, epsilon)
    offset = mean - np.einsum("hwc,hwc->hw", slopes, mean_guide)
    return ColourFit(_mean(slopes, window), _mean(offset, window))


def _variances(guide: FloatArray, mean: FloatArray, window: tuple[int, int]) -> list[FloatArray]:
    """The six different entries of every pixel's 3x3 colour covariance, each (H, W)."""
    return [
        _mean(guide[..., i] * guide[..., j], window) - mean[..., i] * mean[..., j] for i, j in _CHANNEL_PAIRS
    ]


def _solve(variances: list[FloatArray], covariance: FloatArray, epsilon: float) -> FloatArray:
    """(H, W, 3) slopes: the 3x3 systems of all pixels by Cramer's rule."""
    rr, rg, rb, gg, gb, bb = variances
    rr, gg, bb = rr + epsilon, gg + epsilon, bb + epsilon
    inverse_rr, inverse_rg, inverse_rb = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    inverse_gg, inverse_gb, inverse_bb = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
    r, g, b = covariance[..., 0], covariance[..., 1], covariance[..., 2]
    slopes = np.stack(
        (
            inverse_rr * r + inverse_rg * g + inverse_rb * b,
            inverse_rg * r + inverse_gg * g + inverse_gb * b,
            inverse_rb * r + inverse_gb * g + inverse_bb * b,
        ),
        axis=-1,
    )
    determinant = rr * inverse_rr + rg * inverse_rg + rb * inverse_rb
    result: FloatArray = slopes / determinant[..., None]
    return result


def _mean(values: FloatArray, window: tuple[int, int]) -> FloatArray:
    return np.asarray(cv2.blur(values, window), dtype=np.float32)

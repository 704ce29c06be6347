"""Find what moves on its own, apart from the camera."""

from __future__ import annotations

import cv2
import numpy as np

from maskweave.types.arrays import FloatArray

_STEP = 12
_MARGIN = 8
_TOLERANCE = 0.7
_ROUNDS = 300
_MIN_POINTS = 12
_QUANTILE = 0.85
_NOISE = 0.5
"""Pixels of motion that count as nothing, whatever the background does."""
_MIN_LOG_RATIO, _MAX_LOG_RATIO = -0.2, 1.5
_BELIEVED = 0.3
_ENOUGH = 2000
_SMOOTH = (5, 5)


def own_motion(flow: FloatArray) -> FloatArray:
    """(h, w) pixels by which an (h, w, 2) flow differs from the motion that most of the frame shares.

    The shared motion is a homography, fitted to a grid of flow vectors by RANSAC.
    """
    height, width = flow.shape[:2]
    ys, xs = (
        axis.ravel()
        for axis in np.mgrid[_MARGIN : height - _MARGIN : _STEP, _MARGIN : width - _MARGIN : _STEP]
    )
    if len(xs) < _MIN_POINTS:
        return np.asarray(np.hypot(flow[..., 0], flow[..., 1]), dtype=np.float32)
    start = np.stack([xs, ys], axis=1).astype(np.float32)
    cv2.setRNGSeed(0)
    matrix, _ = cv2.findHomography(start, start + flow[ys, xs], cv2.RANSAC, _TOLERANCE, maxIters=_ROUNDS)
    shared = _displacements(np.eye(3) if matrix is None else np.asarray(matrix), (height, width))
    rest = flow - shared
    return np.asarray(np.hypot(rest[..., 0], rest[..., 1]), dtype=np.float32)


def motion_saliency(motion: FloatArray, trusted: FloatArray | None) -> FloatArray:
    """(h, w) log of how much more each pixel moves on its own than nearly all of the background does.

    ``motion``: what `own_motion` gives. ``trusted``: (h, w) in 0..1, how surely each pixel is foreground so far; the
    background's own restlessness (water, leaves, parallax) is measured where it is not. Values lie in -0.2..1.5: to
    stand still says little against a pixel.
    """
    background = motion if trusted is None else motion[trusted < _BELIEVED]
    if background.size < min(_ENOUGH, motion.size // 4):
        background = motion.ravel()
    usual = float(np.quantile(background.ravel()[::7], _QUANTILE))
    ratio = np.log((motion + _NOISE) / (usual + _NOISE)).clip(_MIN_LOG_RATIO, _MAX_LOG_RATIO)
    return np.asarray(cv2.blur(ratio, _SMOOTH), dtype=np.float32)


def _displacements(matrix: FloatArray, size: tuple[int, int]) -> FloatArray:
    """(h, w, 2): where a homography takes each pixel, less the pixel."""
    across = np.arange(size[1], dtype=np.float32)
    down = np.arange(size[0], dtype=np.float32)[:, None]
    x, y, scale = (
        np.float32(row[0]) * across + (row[1] * down + row[2]).astype(np.float32) for row in matrix
    )
    return np.stack([x / scale - across, y / scale - down], axis=-1)

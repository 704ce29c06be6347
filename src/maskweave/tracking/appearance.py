"""What an object looks like: the colours within its mask."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from maskweave.types.arrays import FloatArray, Image
from maskweave.types.masks import Masks

_LIGHT_EDGES = (64, 112, 160)
_COLOUR_EDGES = (112, 123, 133, 144)  # of Lab's a and b, finest around grey, where most things are
_STEPS = len(_COLOUR_EDGES) + 1
BINS = (len(_LIGHT_EDGES) + 1) * _STEPS * _STEPS


def describe(image: Image, masks: Masks, *, factor: int) -> NDArray[np.float32]:
    """(N, BINS) square roots of the shares of each object's pixels in each colour, so that a row's length is 1.

    ``image``: (h, w, 3) uint8 RGB, the masks' picture reduced by a whole ``factor``. An object that is too small to
    be seen there has a row of zeros.
    """
    colours = _colour_bins(image)
    looks = np.zeros((len(masks), BINS), dtype=np.float32)
    for row, (crop, x, y) in enumerate(masks.placed()):
        # The pixels of the crop that lie in the middle of a pixel of the reduced picture.
        first_x, first_y = -(-(x - factor // 2) // factor), -(-(y - factor // 2) // factor)
        sampled = crop[
            first_y * factor + factor // 2 - y :: factor, first_x * factor + factor // 2 - x :: factor
        ]
        part = colours[first_y : first_y + sampled.shape[0], first_x : first_x + sampled.shape[1]]
        counts = np.bincount(part[sampled[: part.shape[0], : part.shape[1]]], minlength=BINS)
        looks[row] = counts
    shares = looks / np.maximum(looks.sum(axis=1, keepdims=True), 1)
    roots: NDArray[np.float32] = np.sqrt(shares)
    return roots


def affinity(first: FloatArray, second: FloatArray) -> FloatArray:
    """(T, N) in 0..1: Bhattacharyya coefficients of rows of `describe`; 0.5 where one was not to be seen."""
    likeness: FloatArray = first @ second.T
    unseen = ~np.asarray(first.any(axis=1))[:, None] | ~np.asarray(second.any(axis=1))[None]
    likeness[unseen] = 0.5
    return np.clip(likeness, 0, 1)


def blend(former: FloatArray, seen: FloatArray, share: FloatArray) -> FloatArray:
    """(R, BINS) descriptors of which ``share`` (R,) comes from what was seen just now."""
    share = np.where(former.any(axis=1), share, 1.0) * seen.any(axis=1)
    mixed: FloatArray = np.sqrt(former**2 * (1 - share)[:, None] + seen**2 * share[:, None])
    return mixed


def _table(edges: tuple[int, ...], weight: int) -> NDArray[np.uint8]:
    return (np.searchsorted(edges, np.arange(256), side="right") * weight).astype(np.uint8)


_TABLE = np.stack(
    [_table(_LIGHT_EDGES, _STEPS * _STEPS), _table(_COLOUR_EDGES, _STEPS), _table(_COLOUR_EDGES, 1)], axis=-1
)[None]


def _colour_bins(image: Image) -> NDArray[np.uint8]:
    """(h, w) number of each pixel's colour."""
    parts = np.asarray(cv2.LUT(cv2.cvtColor(image, cv2.COLOR_RGB2LAB), _TABLE), dtype=np.uint8)
    return parts[..., 0] + parts[..., 1] + parts[..., 2]

"""Describe what an object looks like by the colors within its mask."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from maskweave.types.arrays import FloatArray, Image, Mask
from maskweave.types.masks import Masks

_LIGHT_EDGES = (64, 112, 160)
_COLOR_EDGES = (112, 123, 133, 144)  # of Lab's a and b, finest around gray, where most things are
_STEPS = len(_COLOR_EDGES) + 1
BINS = (len(_LIGHT_EDGES) + 1) * _STEPS * _STEPS


def describe(image: Image, masks: Masks, *, factor: int) -> NDArray[np.float32]:
    """(N, BINS) square roots of the shares of each object's pixels in each color, so that a row's length is 1.

    ``image``: (h, w, 3) uint8 RGB, the masks' image reduced by a whole ``factor``. An object that is too small to
    be seen there has a row of zeros.
    """
    if not len(masks):
        return np.zeros((0, BINS), dtype=np.float32)
    half = factor // 2
    firsts = -(-(masks.corners - half) // factor)  # the first pixel whose middle lies in the crop
    starts = firsts * factor + half - masks.corners
    covered = np.zeros(image.shape[:2], dtype=bool)
    sampled = []
    for crop, (x, y), (column, row) in zip(masks.crops, starts.tolist(), firsts.tolist(), strict=True):
        part = covered[row : row + crop.shape[0], column : column + crop.shape[1]]
        middles = crop[y::factor, x::factor][: part.shape[0], : part.shape[1]]
        part[: middles.shape[0], : middles.shape[1]] |= middles
        sampled.append((middles, row, column))
    colors = _color_bins(image, covered)
    seen = [
        colors[row : row + middles.shape[0], column : column + middles.shape[1]][middles]
        for middles, row, column in sampled
    ]
    cells = np.repeat(np.arange(len(masks)) * BINS, [len(each) for each in seen]) + np.concatenate(seen)
    appearances = np.bincount(cells, minlength=len(masks) * BINS).reshape(len(masks), BINS).astype(np.float32)
    shares = appearances / np.maximum(appearances.sum(axis=1, keepdims=True), 1)
    roots: NDArray[np.float32] = np.sqrt(shares)
    return roots


def affinity(first: FloatArray, second: FloatArray) -> FloatArray:
    """(T, N) in 0..1: Bhattacharyya coefficients of rows of `describe`; 0.5 where one was not to be seen."""
    similarity: FloatArray = first @ second.T
    unseen = ~np.asarray(first.any(axis=1))[:, None] | ~np.asarray(second.any(axis=1))[None]
    similarity[unseen] = 0.5
    return np.clip(similarity, 0, 1)


def blend(former: FloatArray, seen: FloatArray, share: FloatArray) -> FloatArray:
    """(R, BINS) descriptors of which ``share`` (R,) comes from what was seen just now."""
    share = np.where(former.any(axis=1), share, 1.0) * seen.any(axis=1)
    mixed: FloatArray = np.sqrt(former**2 * (1 - share)[:, None] + seen**2 * share[:, None])
    return mixed


def _table(edges: tuple[int, ...], weight: int) -> NDArray[np.uint8]:
    return (np.searchsorted(edges, np.arange(256), side="right") * weight).astype(np.uint8)


_TABLE = np.stack(
    [_table(_LIGHT_EDGES, _STEPS * _STEPS), _table(_COLOR_EDGES, _STEPS), _table(_COLOR_EDGES, 1)], axis=-1
)[None]


def _color_bins(image: Image, covered: Mask) -> NDArray[np.uint8]:
    """(h, w) number of the color of each pixel that is ``covered``, (h, w); any number elsewhere.

    Most of an image is no object's, and Lab is dear.
    """
    bins = np.empty(covered.shape, dtype=np.uint8)
    whole = cv2.cvtColor(image, cv2.COLOR_RGB2RGBA).view(np.uint32)[
        ..., 0
    ]  # a number a pixel: fast to pick from
    pixels = whole[covered]
    if pixels.size:
        lab = cv2.cvtColor(pixels.view(np.uint8).reshape(1, -1, 4), cv2.COLOR_RGB2LAB)
        parts = np.asarray(cv2.LUT(lab, _TABLE), dtype=np.uint8)[0]
        bins[covered] = parts[:, 0] + parts[:, 1] + parts[:, 2]
    return bins

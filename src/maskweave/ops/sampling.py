"""Bilinear values of a small grid at the pixels of a large image."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np

from maskweave.types.arrays import FloatArray, IntArray, Mask, Size

Extent: TypeAlias = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels, end excluded."""
Window: TypeAlias = tuple[int, int, int, int]
"""left, top, right, bottom in whole pixels, end excluded."""


def visible_window(extent: Extent, size: Size) -> Window:
    """The pixels of an image of ``size`` whose centres lie in ``extent``; may be empty."""
    left, right = _visible(extent[0], extent[2], size[1])
    top, bottom = _visible(extent[1], extent[3], size[0])
    return left, top, right, bottom


def sample_grid(grid: FloatArray | Mask, extent: Extent, window: Window) -> FloatArray:
    """(h, w) float32: values of ``grid``, stretched over ``extent``, at the centres of the pixels of ``window``.

    Bilinear between cell centres, constant beyond the outermost ones. Each pixel's value depends on its own
    place alone, so a smaller window gives the same values.
    """
    left, top, right, bottom = window
    if left >= right or top >= bottom:
        return np.zeros((max(0, bottom - top), max(0, right - left)), dtype=np.float32)
    lower, share = _neighbours(np.arange(top, bottom), extent[1], extent[3], grid.shape[0])
    rows = _mix(grid.astype(np.float32), lower, share, axis=0)
    lower, share = _neighbours(np.arange(left, right), extent[0], extent[2], grid.shape[1])
    return _mix(rows, lower, share, axis=1)


def _visible(start: float, end: float, length: int) -> tuple[int, int]:
    first = max(0, math.ceil(start - 0.5)) if start > 0 else 0
    last = min(length, math.ceil(end - 0.5)) if end < length else length
    return first, max(first, last)


def _neighbours(pixels: IntArray, start: float, end: float, cells: int) -> tuple[IntArray, FloatArray]:
    """For each pixel centre the cell before it, and the share of the cell after that one."""
    positions = np.clip((pixels + 0.5 - start) * (cells / (end - start)) - 0.5, 0, cells - 1)
    lower = np.minimum(positions.astype(np.int64), max(cells - 2, 0))
    return lower, (positions - lower).astype(np.float32)


def _mix(values: FloatArray, lower: IntArray, share: FloatArray, *, axis: int) -> FloatArray:
    """Interpolate along ``axis``. Plain gathers: matrix products wake the threads of the BLAS library each time."""
    upper = np.minimum(lower + 1, values.shape[axis] - 1)
    before: FloatArray = values.take(lower, axis)
    after: FloatArray = values.take(upper, axis)
    after -= before
    after *= share[:, None] if axis == 0 else share
    after += before
    return after

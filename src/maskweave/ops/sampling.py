"""Sample a small grid of values at the pixels of a large image, and cut it at a threshold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from maskweave.types.arrays import FloatArray, IntArray, Mask, Size
from maskweave.types.masks import Masks

Extent: TypeAlias = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels, end excluded."""
Window: TypeAlias = tuple[int, int, int, int]
"""left, top, right, bottom in whole pixels, end excluded."""

_NOTHING: tuple[Mask, tuple[int, int]] = np.zeros((0, 0), dtype=bool), (0, 0)
_NOTHING[0].flags.writeable = False
_STRIP = 65536  # values interpolated at once: they stay in the processor's cache


def visible_window(extent: Extent, size: Size) -> Window:
    """The pixels of an image of ``size`` whose centers lie in ``extent``; may be empty."""
    left, right = _visible(extent[0], extent[2], size[1])
    top, bottom = _visible(extent[1], extent[3], size[0])
    return left, top, right, bottom


@dataclass(frozen=True)
class Axis:
    """Where the centers of the pixels from ``first`` on lie among the cells of one axis of a grid.

    ``before``: (n,) the cell before each; ``share``: (n,) float32, what the cell after that one counts.
    """

    first: int
    before: IntArray
    share: FloatArray

    @classmethod
    def over(cls, first: int, last: int, start: float, end: float, cells: int) -> Axis:
        """Pixels ``first`` to ``last``, end excluded, under ``cells`` cells from ``start`` to ``end``."""
        positions = np.arange(first, last) + 0.5
        positions -= start
        positions *= cells / (end - start)
        positions -= 0.5
        np.maximum(positions, 0, out=positions)
        np.minimum(positions, cells - 1, out=positions)
        before = np.minimum(positions.astype(np.int64), max(cells - 2, 0))
        positions -= before
        return cls(first, before, positions.astype(np.float32))

    def part(self, first: int, last: int) -> Axis:
        """Pixels ``first`` to ``last`` of these."""
        chosen = slice(first - self.first, last - self.first)
        return Axis(first, self.before[chosen], self.share[chosen])


def cut_grid(
    grid: FloatArray | Mask, extent: Extent, window: Window, *, threshold: float
) -> tuple[Mask, tuple[int, int]]:
    """Where ``grid``, stretched over ``extent``, is greater than ``threshold`` at the pixels of ``window``.

    Gives the (h, w) bool bitmap trimmed to what it shows, read-only, and its corner x, y. Values are taken at pixel
    centers: bilinear between cell centers, constant beyond the outermost ones. Each pixel's value depends on its own
    place alone, so a smaller window gives the same values.
    """
    left, top, right, bottom = window
    if left >= right or top >= bottom:
        return _NOTHING
    rows = Axis.over(top, bottom, extent[1], extent[3], grid.shape[0])
    columns = Axis.over(left, right, extent[0], extent[2], grid.shape[1])
    return cut_along(grid, rows, columns, threshold=threshold)


def cut_along(
    grid: FloatArray | Mask, rows: Axis, columns: Axis, *, threshold: float
) -> tuple[Mask, tuple[int, int]]:
    """`cut_grid` where it is known how the pixels' rows and columns lie among the cells."""
    if not grid.size or not len(rows.before) or not len(columns.before):
        return _NOTHING
    first = columns.before[0]
    cells = grid[:, first : columns.before[-1] + 2].astype(np.float32)
    lines = _between(cells, _steps(cells), rows.before, rows.share)
    # From here on columns are lines of memory: to gather them is to copy whole lines.
    knots = np.ascontiguousarray(lines.T)
    above = _columns_above(knots, columns.before - first, columns.share, threshold)
    y, x, height, width = cv2.boundingRect(above)
    if not width:
        return _NOTHING
    mask: Mask = cv2.transpose(above[x : x + width, y : y + height]).view(np.bool_)
    mask.flags.writeable = False
    return mask, (columns.first + x, rows.first + y)


def masks_of_cuts(cuts: Sequence[tuple[Mask, tuple[int, int]]], size: Size) -> Masks:
    """The masks of what `cut_grid` or `cut_along` gave, in an image of ``size`` (height, width)."""
    return Masks.of_tight([crop for crop, _ in cuts], np.array([at for _, at in cuts], np.int64), size)


def _columns_above(
    knots: FloatArray, before: IntArray, share: FloatArray, threshold: float
) -> NDArray[np.uint8]:
    """(w, h), 1 where the value between ``knots``, (k, h), is greater than ``threshold``."""
    above = np.empty((len(before), knots.shape[1]), dtype=np.uint8)
    steps = _steps(knots)
    strip = max(1, _STRIP // knots.shape[1])
    for start in range(0, len(before), strip):
        part = slice(start, start + strip)
        values = _between(knots, steps, before[part], share[part])
        np.greater(values, threshold, out=above[part].view(np.bool_))
    return above


def _visible(start: float, end: float, length: int) -> tuple[int, int]:
    first = max(0, math.ceil(start - 0.5)) if start > 0 else 0
    last = min(length, math.ceil(end - 0.5)) if end < length else length
    return first, max(first, last)


def _steps(values: FloatArray) -> FloatArray:
    """What each line of ``values`` lacks to the next one; nothing after the last."""
    steps = np.empty_like(values)
    np.subtract(values[1:], values[:-1], out=steps[:-1])
    steps[-1] = 0
    return steps


def _between(values: FloatArray, steps: FloatArray, before: IntArray, share: FloatArray) -> FloatArray:
    """Interpolate between lines. Plain gathers: matrix products wake the threads of the BLAS library each time."""
    mixed: FloatArray = steps.take(before, axis=0)
    mixed *= share[:, None]
    mixed += values.take(before, axis=0)
    return mixed

"""From low-resolution mask probabilities to masks in source-image pixels."""

from __future__ import annotations

import math

import numpy as np

from maskweave.errors import InvalidValue
from maskweave.types.arrays import FloatArray, IntArray, Mask, Size
from maskweave.types.masks import Masks


def paste_masks(mask_probs: FloatArray, boxes: FloatArray, size: Size, *, threshold: float = 0.5) -> Masks:
    """Paste N probability grids into their boxes.

    ``mask_probs``: (N, M, K) float, each grid stretched over its whole box, bilinear between cell centres and
    constant beyond the outermost ones. ``boxes``: (N, 4) xyxy in source pixels; a box may hang over the image
    edge, and its mask is then the crop of the unclipped paste, never squeezed. ``size``: (height, width).
    A pixel belongs to the object where the probability at its centre is greater than ``threshold``.

    Raises `InvalidValue` for shapes that do not fit. Source: Mask R-CNN, https://arxiv.org/abs/1703.06870, 3.1.
    """
    if mask_probs.ndim != 3 or boxes.shape != (len(mask_probs), 4):
        raise InvalidValue(
            f"paste: need mask_probs (N, M, K) and boxes (N, 4), got {mask_probs.shape} and {boxes.shape}"
        )
    pasted = [
        _paste(grid, (float(x1), float(y1), float(x2), float(y2)), size, threshold)
        for grid, (x1, y1, x2, y2) in zip(mask_probs, boxes, strict=True)
    ]
    return Masks([crop for crop, _ in pasted], [corner for _, corner in pasted], size)


def paste_canvas_masks(
    mask_logits: FloatArray,
    boxes: FloatArray,
    *,
    extent: tuple[float, float, float, float],
    size: Size,
    threshold: float = 0.0,
) -> Masks:
    """Cut N masks, each given on a grid over a whole canvas, to their boxes.

    ``mask_logits``: (N, h, w) float. ``extent``: x1, y1, x2, y2 of the whole grid in source pixels (it may reach
    beyond the image where the input was padded). ``boxes``: (N, 4) xyxy in source pixels. ``size``: (height,
    width). A pixel belongs to the object where it lies in the box and the bilinear value at its centre is
    greater than ``threshold``.

    Raises `InvalidValue` for shapes that do not fit.
    """
    if mask_logits.ndim != 3 or boxes.shape != (len(mask_logits), 4):
        raise InvalidValue(
            f"paste: need mask_logits (N, h, w) and boxes (N, 4), got {mask_logits.shape} and {boxes.shape}"
        )
    crops, corners = [], []
    for grid, (x1, y1, x2, y2) in zip(mask_logits, boxes.tolist(), strict=True):
        left, right = visible_pixels(x1, x2, size[1])
        top, bottom = visible_pixels(y1, y2, size[0])
        rows, row_cells = _window_weights(top, bottom, extent[1], extent[3], grid.shape[0])
        columns, column_cells = _window_weights(left, right, extent[0], extent[2], grid.shape[1])
        window = grid[row_cells, column_cells].astype(np.float32)
        crops.append(rows @ window @ columns.T > threshold)
        corners.append((left, top))
    return Masks(crops, corners, size)


def _window_weights(first: int, last: int, start: float, end: float, cells: int) -> tuple[FloatArray, slice]:
    """Interpolation weights for pixels first..last, and the slice of cells that they touch."""
    weights = interpolation_weights(np.arange(first, last), start, end, cells)
    used = np.flatnonzero(weights.any(axis=0))
    window = slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(0, 0)
    return np.ascontiguousarray(weights[:, window]), window


def _paste(
    grid: FloatArray, box: tuple[float, float, float, float], size: Size, threshold: float
) -> tuple[Mask, tuple[int, int]]:
    x1, y1, x2, y2 = box
    left, right = visible_pixels(x1, x2, size[1])
    top, bottom = visible_pixels(y1, y2, size[0])
    if left >= right or top >= bottom:
        return np.zeros((0, 0), dtype=bool), (0, 0)
    rows = interpolation_weights(np.arange(top, bottom), y1, y2, grid.shape[0])
    columns = interpolation_weights(np.arange(left, right), x1, x2, grid.shape[1])
    probs = rows @ grid.astype(np.float32) @ columns.T
    return probs > threshold, (left, top)


def visible_pixels(start: float, end: float, length: int) -> tuple[int, int]:
    """First and end pixel, inside 0..length, whose centres lie in [start, end)."""
    first = max(0, math.ceil(start - 0.5)) if start > 0 else 0
    last = min(length, math.ceil(end - 0.5)) if end < length else length
    return first, max(first, last)


def interpolation_weights(pixels: FloatArray | IntArray, start: float, end: float, cells: int) -> FloatArray:
    """(P, cells) weights that sample a row of ``cells``, stretched from ``start`` to ``end``, at pixel centres.

    Bilinear: two neighbouring cells share each row's weight of 1; beyond the outermost centres it is constant.
    """
    positions = (pixels + 0.5 - start) * (cells / (end - start)) - 0.5
    positions = np.clip(positions, 0, cells - 1)
    lower = np.minimum(positions.astype(np.int64), max(cells - 2, 0))
    share = (positions - lower).astype(np.float32)
    weights = np.zeros((len(pixels), cells), dtype=np.float32)
    rows = np.arange(len(pixels))
    weights[rows, lower] = 1 - share
    if cells > 1:
        weights[rows, lower + 1] = share
    return weights

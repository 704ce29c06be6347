"""Paste low-resolution mask probabilities into source-image pixels."""

from __future__ import annotations

import numpy as np

from maskweave.errors import InvalidValue
from maskweave.ops.sampling import Axis, Extent, cut_along, cut_grid, masks_of_cuts, visible_window
from maskweave.types.arrays import FloatArray, Size
from maskweave.types.masks import Masks


def paste_masks(mask_probs: FloatArray, boxes: FloatArray, size: Size, *, threshold: float = 0.5) -> Masks:
    """Paste N probability grids into their boxes.

    ``mask_probs``: (N, M, K) float, each grid stretched over its whole box, bilinear between cell centers and
    constant beyond the outermost ones. ``boxes``: (N, 4) xyxy in source pixels; a box may hang over the image
    edge, and its mask is then the crop of the unclipped paste, never squeezed. ``size``: (height, width).
    A pixel belongs to the object where the probability at its center is greater than ``threshold``.

    Raises `InvalidValue` for shapes that do not fit. Source: Mask R-CNN, https://arxiv.org/abs/1703.06870, 3.1.
    """
    if mask_probs.ndim != 3 or boxes.shape != (len(mask_probs), 4):
        raise InvalidValue(
            f"paste: need mask_probs (N, M, K) and boxes (N, 4), got {mask_probs.shape} and {boxes.shape}"
        )
    pieces = zip(mask_probs, boxes.tolist(), strict=True)
    cut = [cut_grid(grid, box, visible_window(box, size), threshold=threshold) for grid, box in pieces]
    return masks_of_cuts(cut, size)


def paste_canvas_masks(
    mask_logits: FloatArray,
    boxes: FloatArray,
    *,
    extent: Extent,
    size: Size,
    threshold: float = 0.0,
) -> Masks:
    """Cut N masks, each given on a grid over a whole canvas, to their boxes.

    ``mask_logits``: (N, h, w) float. ``extent``: x1, y1, x2, y2 of the whole grid in source pixels (it may reach
    beyond the image where the input was padded). ``boxes``: (N, 4) xyxy in source pixels. ``size``: (height,
    width). A pixel belongs to the object where it lies in the box and the bilinear value at its center is
    greater than ``threshold``.

    Raises `InvalidValue` for shapes that do not fit.
    """
    if mask_logits.ndim != 3 or boxes.shape != (len(mask_logits), 4):
        raise InvalidValue(
            f"paste: need mask_logits (N, h, w) and boxes (N, 4), got {mask_logits.shape} and {boxes.shape}"
        )
    _, cells_down, cells_across = mask_logits.shape
    rows = Axis.over(0, size[0], extent[1], extent[3], cells_down)
    columns = Axis.over(0, size[1], extent[0], extent[2], cells_across)
    cut = []
    for grid, box in zip(mask_logits, boxes.tolist(), strict=True):
        left, top, right, bottom = visible_window(box, size)
        cut.append(cut_along(grid, rows.part(top, bottom), columns.part(left, right), threshold=threshold))
    return masks_of_cuts(cut, size)


def shown_extents(mask_logits: FloatArray, *, extent: Extent, threshold: float = 0.0) -> FloatArray:
    """(N, 4) xyxy around all that each of N grids, (N, h, w), can show above ``threshold`` when it is pasted.

    Boxes for `paste_canvas_masks` where masks are not to be cut, so that only pixels that matter are interpolated.
    ``extent``: x1, y1, x2, y2 of the whole grid. A grid without a value above the threshold gets an empty box.
    """
    count, *cells = mask_logits.shape
    boxes = np.zeros((count, 4), dtype=np.float64)
    above = mask_logits > threshold
    for low, axis in ((0, 2), (1, 1)):  # x along columns, then y along rows
        shown = np.asarray(above.any(axis=3 - axis))
        first, last = shown.argmax(axis=1), shown.shape[1] - shown[:, ::-1].argmax(axis=1)
        side = (extent[low + 2] - extent[low]) / cells[axis - 1]
        # A value reaches as far as the next cell's center; one cell is more than that.
        boxes[:, low] = extent[low] + (first - 1) * side
        boxes[:, low + 2] = extent[low] + (last + 1) * side
    boxes[~above.any(axis=(1, 2))] = 0
    return boxes

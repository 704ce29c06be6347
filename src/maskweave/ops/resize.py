"""Masks of one image size carried to another."""

from __future__ import annotations

import numpy as np

from maskweave.ops.paste import interpolation_weights, visible_pixels
from maskweave.types.arrays import Size, check_size
from maskweave.types.masks import Masks


def resize_masks(masks: Masks, size: Size) -> Masks:
    """Scale masks to an image of ``size`` (height, width): bilinear, cut at one half."""
    size = check_size(size)
    if size == masks.size:
        return masks
    factor_y, factor_x = size[0] / masks.size[0], size[1] / masks.size[1]
    crops, corners = [], []
    for crop, x, y in masks.placed():
        padded = np.pad(crop, 1)  # the object ends at its outline, not at the crop's
        y1, y2 = (y - 1) * factor_y, (y + crop.shape[0] + 1) * factor_y
        x1, x2 = (x - 1) * factor_x, (x + crop.shape[1] + 1) * factor_x
        top, bottom = visible_pixels(y1, y2, size[0])
        left, right = visible_pixels(x1, x2, size[1])
        rows = interpolation_weights(np.arange(top, bottom), y1, y2, padded.shape[0])
        columns = interpolation_weights(np.arange(left, right), x1, x2, padded.shape[1])
        crops.append(rows @ padded.astype(np.float32) @ columns.T > 0.5)
        corners.append((left, top))
    return Masks(crops, corners, size)

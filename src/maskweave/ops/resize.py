"""Scale masks and results to another image size."""

from __future__ import annotations

import cv2
import numpy as np

from maskweave.ops.sampling import cut_grid, masks_of_cuts, visible_window
from maskweave.types.arrays import Size, check_size
from maskweave.types.masks import Masks
from maskweave.types.prediction import Prediction
from maskweave.types.semantic import SemanticMap


def resize_masks(masks: Masks, size: Size) -> Masks:
    """Scale masks to an image of ``size`` (height, width): bilinear, cut at one half."""
    size = check_size(size)
    if size == masks.size:
        return masks
    factor_y, factor_x = size[0] / masks.size[0], size[1] / masks.size[1]
    cut = []
    for crop, x, y in masks.placed():
        padded = np.pad(crop, 1)  # the object ends at its outline, not at the crop's
        height, width = crop.shape
        extent = (
            (x - 1) * factor_x,
            (y - 1) * factor_y,
            (x + width + 1) * factor_x,
            (y + height + 1) * factor_y,
        )
        cut.append(cut_grid(padded, extent, visible_window(extent, size), threshold=0.5))
    return masks_of_cuts(cut, size)


def resize_prediction(prediction: Prediction, size: Size) -> Prediction:
    """Scale a result to a view of ``size`` (height, width) of its image; objects that vanish are left out.

    Maps of classes take the nearest pixel, without probabilities.
    """
    if size == prediction.size:
        return prediction
    if isinstance(prediction, SemanticMap):
        nearest = cv2.resize(
            prediction.class_map.astype(np.uint8, copy=False), size[::-1], interpolation=cv2.INTER_NEAREST
        )
        return SemanticMap(np.asarray(nearest), prediction.class_names)
    factors = np.array([size[1] / prediction.size[1], size[0] / prediction.size[0]] * 2)
    masks = resize_masks(prediction.masks, size)
    smaller = prediction.replace(masks=masks, boxes=prediction.boxes * factors)
    return smaller[masks.areas > 0]

"""Scale images, maps, masks and results to another size; pixel centers lie at one half."""

from __future__ import annotations

import cv2
import numpy as np

from maskweave.ops.sampling import cut_grid, masks_of_cuts, visible_window
from maskweave.types.arrays import FloatArray, Image, IntArray, Size, check_size
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


def halved_until(image: Image, long_side: int) -> tuple[Image, int]:
    """Average 2x2 pixels again and again until no side is longer than ``long_side`` pixels.

    Returns the image and how many pixels of the source each of its own covers in width and height. An odd last
    row or column is left out, so these are whole numbers. Exact halves are ten times as fast as other factors in
    OpenCV. An image that is small enough comes back as it is.
    """
    factor = 1
    while max(image.shape[:2]) > long_side and min(image.shape[:2]) > 1:
        height, width = image.shape[0] // 2, image.shape[1] // 2
        even = image[: 2 * height, : 2 * width]
        image = np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
        factor *= 2
    return image, factor


def resample(values: FloatArray, size: Size) -> FloatArray:
    """Stretch an (h, w) or (h, w, C) map over ``size`` (height, width): float32, of the whole map.

    An axis that becomes longer is interpolated linearly between centers, constant beyond the outermost ones; one that
    becomes shorter is averaged.
    """
    found = np.ascontiguousarray(values, np.float32)
    small = (min(found.shape[0], size[0]), min(found.shape[1], size[1]))
    for step, method in ((small, cv2.INTER_AREA), (size, cv2.INTER_LINEAR)):
        if step != found.shape[:2]:
            found = np.asarray(cv2.resize(found, step[::-1], interpolation=method), np.float32)
    return found


def resample_classes(class_map: IntArray, size: Size) -> IntArray:
    """Stretch an (h, w) map of class ids over ``size`` (height, width): each pixel takes the value at its center."""
    rows, columns = (
        ((np.arange(new) + 0.5) * (old / new)).astype(np.int64)
        for new, old in zip(size, class_map.shape, strict=True)
    )
    found: IntArray = class_map[rows[:, None], columns]
    return found

"""Shrink images fast, by exact halves."""

from __future__ import annotations

import cv2
import numpy as np

from maskweave.types.arrays import Image


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

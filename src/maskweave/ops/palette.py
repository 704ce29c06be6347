"""Colors for objects and classes, the same in every image and every run."""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.typing import NDArray

Color = tuple[int, int, int]
"""Red, green, blue, 0..255."""

_GOLDEN = 0.618033988749895  # successive hues lie as far apart as they can


def object_color(key: int) -> Color:
    """A clear color for object or class number ``key``, never near black, white or gray.

    >>> object_color(0) != object_color(1)
    True
    """
    hue = (0.58 + key * _GOLDEN) % 1.0
    lightness = (0.56, 0.44, 0.64)[key // 8 % 3]
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.85)
    return round(red * 255), round(green * 255), round(blue * 255)


def voc_palette() -> NDArray[np.uint8]:
    """(256, 3) the palette of PASCAL VOC's and DAVIS's label images: index 0 black, 255 cream.

    Source: VOC 2012 development kit, ``VOClabelcolormap.m``.
    """
    index = np.arange(256, dtype=np.uint8)
    palette = np.zeros((256, 3), dtype=np.uint8)
    for bit in range(8):
        for channel in range(3):
            palette[:, channel] |= ((index >> channel) & 1) << (7 - bit)
        index >>= 3
    return palette


def class_color(class_id: int) -> Color:
    """The color of a class in label images and their legends."""
    red, green, blue = voc_palette()[class_id].tolist()
    return red, green, blue

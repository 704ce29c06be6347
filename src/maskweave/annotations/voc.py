"""Pascal VOC: palette images of classes and of objects.

Classes other than VOC's twenty are written from 21 on, and named in CVAT's ``labelmap.txt``. Where there is no
image of objects, the classes are read as a class map. Source: VOC 2012 development kit, section 8 and
``VOClabelcolormap.m``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as PILImage

from maskweave.annotations.class_object_images import (
    Colors,
    Layout,
    decode_colors,
    images_of,
    layout_format,
    root_of,
)
from maskweave.annotations.id_images import read_indices
from maskweave.ops.masks_png import encode_palette
from maskweave.ops.palette import voc_palette
from maskweave.types.arrays import IntArray, Size

NAMES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable"),
    *("dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
"""VOC's classes 1 to 20."""


def is_indexed(path: Path) -> bool:
    """Whether an image holds numbers, with a palette or gray, rather than colors."""
    try:
        with PILImage.open(path) as image:
            return image.mode in ("P", "L", "1", "I", "I;16")
    except (OSError, ValueError, SyntaxError):
        return False


def detect(path: Path) -> str | None:
    """A folder whose SegmentationClass or SegmentationObject has palette images, or images in VOC's own colors."""
    first = images_of(path)
    if first is None:
        return None
    return (
        f"{'palette' if is_indexed(first) else 'RGB'} images in {first.relative_to(root_of(path)).parts[0]}"
    )


def _decode(path: Path, colors: Colors, size: Size | None) -> IntArray:
    return read_indices(path, size) if is_indexed(path) else decode_colors(path, colors, size)


def _encode(numbers: IntArray) -> bytes:
    return encode_palette(numbers.astype(np.uint8))


FORMAT = layout_format(
    Layout(_decode, _encode, voc_palette, NAMES),
    name="voc",
    title="Pascal VOC",
    where="a folder with `SegmentationClass/`, `SegmentationObject/`",
    detect=detect,
)

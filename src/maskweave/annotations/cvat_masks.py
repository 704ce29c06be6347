"""CVAT's "Segmentation mask 1.1": the layout of Pascal VOC with RGB images and a ``labelmap.txt``.

Source: https://docs.cvat.ai/docs/manual/advanced/formats/format-smask/.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as PILImage

from maskweave.annotations.class_object_images import (
    Layout,
    decode_colors,
    images_of,
    layout_format,
    root_of,
)
from maskweave.annotations.voc import is_indexed
from maskweave.ops.masks_png import marked_png
from maskweave.ops.palette import voc_palette
from maskweave.types.arrays import IntArray


def detect(path: Path) -> str | None:
    """A folder with a ``labelmap.txt`` whose SegmentationClass or SegmentationObject has images in colors."""
    first = images_of(path)
    fits = first is not None and not is_indexed(first) and (root_of(path) / "labelmap.txt").is_file()
    return "RGB images in SegmentationClass and a labelmap.txt" if fits else None


def _encode(numbers: IntArray) -> bytes:
    return marked_png(PILImage.fromarray(voc_palette()[numbers.astype(np.uint8)]))


FORMAT = layout_format(
    Layout(decode_colors, _encode, voc_palette),
    name="cvat-masks",
    title="CVAT masks (PNG)",
    where="a folder with `labelmap.txt` and images as VOC's",
    detect=detect,
)

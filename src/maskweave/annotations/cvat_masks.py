"""CVAT's "Segmentation mask 1.1": the layout of Pascal VOC with RGB images and a ``labelmap.txt``.

Source: https://docs.cvat.ai/docs/manual/advanced/formats/format-smask/.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image as PILImage

from maskweave.annotations.base import Format, Put
from maskweave.annotations.class_object_images import (
    Layout,
    decode_colors,
    images_of,
    read_layout,
    write_layout,
)
from maskweave.annotations.options import Options
from maskweave.annotations.record import Record
from maskweave.annotations.report import Report
from maskweave.annotations.voc import is_indexed
from maskweave.ops.masks_png import marked_png
from maskweave.ops.palette import voc_palette
from maskweave.types.arrays import IntArray


def detect(path: Path) -> str | None:
    """A folder with a ``labelmap.txt`` whose SegmentationClass or SegmentationObject has images in colors."""
    first = images_of(path)
    fits = first is not None and not is_indexed(first) and (path / "labelmap.txt").is_file()
    return "RGB images in SegmentationClass and a labelmap.txt" if fits else None


def _encode(numbers: IntArray) -> bytes:
    return marked_png(PILImage.fromarray(voc_palette()[numbers.astype(np.uint8)]))


LAYOUT = Layout(decode_colors, _encode, voc_palette)


def read(path: Path, options: Options, report: Report) -> Iterator[Record]:
    """Yield a record for each image of classes or objects."""
    return read_layout(path, LAYOUT, options, report)


@contextmanager
def write(path: Path, options: Options, report: Report) -> Iterator[Put]:
    """Write RGB images and the ``labelmap.txt``."""
    with write_layout(path, LAYOUT, options, report, always_map=True) as put:
        yield put


FORMAT = Format(
    name="cvat-masks",
    title="CVAT masks (PNG)",
    layout="a folder with `labelmap.txt` and images as VOC's",
    holds=frozenset({"holes", "parts", "class map", "class names", "empty images", "file names"}),
    detect=detect,
    read=read,
    write=write,
    note="254 objects an image, 254 classes",
)

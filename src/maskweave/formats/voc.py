"""Pascal VOC: palette pictures of classes and of objects.

Classes other than VOC's twenty are written from 21 on, and named in CVAT's ``labelmap.txt``. Where there is no
picture of objects, the classes are read as a class map. Source: VOC 2012 development kit, section 8 and
``VOClabelcolormap.m``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image as Pictures

from maskweave.formats.base import Format, Options, Put
from maskweave.formats.class_object_pictures import (
    Colours,
    Layout,
    pictures_of,
    read_layout,
    write_layout,
)
from maskweave.formats.id_pictures import read_indices
from maskweave.formats.ledger import Ledger
from maskweave.formats.record import Record
from maskweave.outputs.masks_png import encode_palette
from maskweave.outputs.palette import voc_palette
from maskweave.types.arrays import IntArray, Size

NAMES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable"),
    *("dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
"""VOC's classes 1 to 20."""


def is_indexed(path: Path) -> bool:
    """Whether a picture holds numbers, with a palette or grey, rather than colours."""
    try:
        with Pictures.open(path) as picture:
            return picture.mode in ("P", "L", "1", "I", "I;16")
    except (OSError, ValueError, SyntaxError):
        return False


def recognise(path: Path) -> str | None:
    """A folder whose SegmentationClass or SegmentationObject has palette pictures."""
    first = pictures_of(path)
    return "palette pictures in SegmentationClass" if first is not None and is_indexed(first) else None


def _decode(path: Path, colours: Colours, size: Size | None) -> IntArray:
    return read_indices(path, size)


def _encode(numbers: IntArray) -> bytes:
    return encode_palette(numbers.astype(np.uint8))


LAYOUT = Layout(_decode, _encode, voc_palette, NAMES)


def read(path: Path, options: Options, ledger: Ledger) -> Iterator[Record]:
    """Yield a record for each picture of classes or objects."""
    return read_layout(path, LAYOUT, options, ledger)


@contextmanager
def write(path: Path, options: Options, ledger: Ledger) -> Iterator[Put]:
    """Write palette pictures; ``JPEGImages`` where pictures are asked for."""
    with write_layout(path, LAYOUT, options, ledger, always_map=False) as put:
        yield put


FORMAT = Format(
    name="voc",
    title="Pascal VOC",
    layout="a folder with `SegmentationClass/`, `SegmentationObject/`",
    keeps=frozenset({"holes", "parts", "class map", "class names", "empty pictures", "file names"}),
    recognise=recognise,
    read=read,
    write=write,
    note="254 objects a picture, 254 classes",
)

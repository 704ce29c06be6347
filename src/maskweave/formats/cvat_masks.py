"""CVAT's "Segmentation mask 1.1": the layout of Pascal VOC with RGB pictures and a ``labelmap.txt``.

Source: https://docs.cvat.ai/docs/manual/advanced/formats/format-smask/.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image as Pictures

from maskweave.errors import BadRecord
from maskweave.formats.base import Format, Options, Put
from maskweave.formats.class_object_pictures import (
    Colours,
    Layout,
    pictures_of,
    read_layout,
    write_layout,
)
from maskweave.formats.id_pictures import read_colours
from maskweave.formats.ledger import Ledger
from maskweave.formats.record import Record
from maskweave.formats.voc import is_indexed
from maskweave.outputs.masks_png import marked_png
from maskweave.outputs.palette import voc_palette
from maskweave.types.arrays import IntArray, Size


def recognise(path: Path) -> str | None:
    """A folder whose SegmentationClass or SegmentationObject has pictures in colours."""
    first = pictures_of(path)
    return "RGB pictures in SegmentationClass" if first is not None and not is_indexed(first) else None


def _decode(path: Path, colours: Colours, size: Size | None) -> IntArray:
    """The number of each pixel's colour; raises `BadRecord` for one that no number has."""
    rgb = read_colours(path, size).astype(np.int64)
    keys = (rgb[:, :, 0] << 16) | (rgb[:, :, 1] << 8) | rgb[:, :, 2]
    table = colours.astype(np.int64)
    known = (table[:, 0] << 16) | (table[:, 1] << 8) | table[:, 2]
    order = np.argsort(known, kind="stable")
    at = np.minimum(np.searchsorted(known[order], keys), len(known) - 1)
    wrong = known[order][at] != keys
    if wrong.any():
        red, green, blue = rgb[wrong][0].tolist()
        raise BadRecord(
            f"{path.parent.name}/{path.name}: need colours of its labels, got {red},{green},{blue}"
        )
    return order[at]


def _encode(numbers: IntArray) -> bytes:
    return marked_png(Pictures.fromarray(voc_palette()[numbers.astype(np.uint8)]))


LAYOUT = Layout(_decode, _encode, voc_palette)


def read(path: Path, options: Options, ledger: Ledger) -> Iterator[Record]:
    """Yield a record for each picture of classes or objects."""
    return read_layout(path, LAYOUT, options, ledger)


@contextmanager
def write(path: Path, options: Options, ledger: Ledger) -> Iterator[Put]:
    """Write RGB pictures and the ``labelmap.txt``."""
    with write_layout(path, LAYOUT, options, ledger, always_map=True) as put:
        yield put


FORMAT = Format(
    name="cvat-masks",
    title="CVAT masks (PNG)",
    layout="a folder with `labelmap.txt` and pictures as VOC's",
    keeps=frozenset({"holes", "parts", "class map", "class names", "empty pictures", "file names"}),
    recognise=recognise,
    read=read,
    write=write,
    note="254 objects a picture, 254 classes",
)

"""Write label images strip by strip, when they are too large for memory.

Layout: https://www.w3.org/TR/png-3/. Rows are not filtered, which suits labels.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias

import numpy as np

from maskweave.errors import OutputError
from maskweave.ops.masks_png import instance_numbers
from maskweave.ops.palette import voc_palette
from maskweave.ops.semantic import paint_numbers
from maskweave.types.arrays import IntArray, Size
from maskweave.types.instances import Instances
from maskweave.types.prediction import Prediction
from maskweave.types.semantic import IGNORE

Depth: TypeAlias = Literal[1, 8, 16]
_STRIP = 1 << 22  # pixels
_MAX_LENGTH = (1 << 31) - 1
_GRAY, _PALETTE = 0, 3


def write_label_png(path: Path, prediction: Prediction, task: str) -> None:
    """Write object ids, class ids or 1-bit foreground like `images.encode_mask_image`, in little memory.

    Raises `OutputError` for ids above 65535.
    """
    if not isinstance(prediction, Instances):
        class_map = prediction.class_map
        inside = prediction.class_names.index("foreground") if task == "foreground" else None
        _write(
            path,
            prediction.size,
            8 if inside is None else 1,
            lambda top, bottom: class_map[top:bottom] if inside is None else class_map[top:bottom] == inside,
        )
        return
    numbers = instance_numbers(prediction)
    max_id = int(numbers.max(initial=0))
    if max_id > 65535:
        raise OutputError(f"{path}: need ids up to 65535 (16-bit PNG), got {max_id}")
    _write(
        path,
        prediction.size,
        16 if max_id >= IGNORE else 8,
        lambda top, bottom: paint_numbers(prediction, numbers, rows=(top, bottom)),
    )


def _write(path: Path, size: Size, depth: Depth, rows: Callable[[int, int], IntArray]) -> None:
    """A gray PNG of 1 or 16 bits, or one of 8 with the VOC palette; ``rows`` gives those from top to bottom."""
    height, width = size
    if max(size) > _MAX_LENGTH:
        raise OutputError(f"{path}: need sides up to {_MAX_LENGTH} pixels, got {width} x {height}")
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        color = _PALETTE if depth == 8 else _GRAY
        _chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
        _chunk(file, b"tEXt", b"Software\0MaskWeave")
        if color == _PALETTE:
            _chunk(file, b"PLTE", voc_palette().tobytes())
        for data in _compressed(size, depth, rows):
            _chunk(file, b"IDAT", data)
        _chunk(file, b"IEND", b"")


def _compressed(size: Size, depth: Depth, rows: Callable[[int, int], IntArray]) -> Iterator[bytes]:
    packer = zlib.compressobj(6)
    step = max(1, _STRIP // size[1])
    for top in range(0, size[0], step):
        strip = rows(top, min(top + step, size[0]))
        if depth == 1:
            packed = np.packbits(strip.astype(bool), axis=1)
        else:
            packed = np.ascontiguousarray(strip, dtype=f">u{depth // 8}").view(np.uint8)
        unfiltered = np.zeros(
            (len(packed), 1 + packed.shape[1]), dtype=np.uint8
        )  # each row begins with its filter: none
        unfiltered[:, 1:] = packed
        if data := packer.compress(unfiltered.tobytes()):
            yield data
    yield packer.flush()


def _chunk(file: BinaryIO, kind: bytes, data: bytes) -> None:
    file.write(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
    )

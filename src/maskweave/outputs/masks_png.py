"""Masks as PNG pictures: instance ids, 1-bit foreground, class maps with a palette."""

from __future__ import annotations

import zlib
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures
from PIL.PngImagePlugin import PngInfo

from maskweave.errors import OutputError
from maskweave.ops.semantic import paint_numbers
from maskweave.outputs.palette import voc_palette
from maskweave.types.arrays import IntArray, Mask
from maskweave.types.instances import Instances
from maskweave.types.semantic import IGNORE, SemanticMap

_LARGEST_ID = 65535


def instance_id_map(instances: Instances) -> IntArray:
    """(H, W) integers: 0 where nothing is, else the object's number; better scores lie on top.

    The number is the track id where there is one, else the row + 1. Raises `OutputError` when a track id is
    0 or less, since 0 means "nothing".
    """
    return paint_numbers(instances, instance_numbers(instances))


def instance_numbers(instances: Instances) -> IntArray:
    """(N,) the number of each object in id pictures; see `instance_id_map`."""
    if instances.track_ids is None:
        return np.arange(1, len(instances) + 1)
    if len(instances) and instances.track_ids.min() < 1:
        raise OutputError(f"id picture: need ids from 1, got {instances.track_ids.min()}")
    return instances.track_ids


def needs_16_bits(id_map: IntArray) -> bool:
    """Whether ids do not fit an 8-bit picture, in which 255 means *ignore*."""
    return int(id_map.max(initial=0)) >= IGNORE


def encode_id_map(id_map: IntArray, *, wide: bool | None = None) -> bytes:
    """PNG of (H, W) ids: 8-bit with the VOC / DAVIS palette, or 16-bit grey.

    ``wide`` asks for 16 bits; None takes them where an id is 255 (*ignore* in 8-bit pictures) or above. Raises
    `OutputError` above 65535, the most a PNG can hold.
    """
    largest = int(id_map.max(initial=0))
    if largest > _LARGEST_ID:
        raise OutputError(f"id picture: need ids up to {_LARGEST_ID} (16-bit PNG), got {largest}")
    if needs_16_bits(id_map) if wide is None else wide:
        return marked_png(Pictures.fromarray(id_map.astype(np.uint16)))
    return encode_palette(id_map.astype(np.uint8))


def encode_grey(numbers: NDArray[np.uint8]) -> bytes:
    """8-bit grey PNG of (H, W) numbers."""
    return marked_png(Pictures.fromarray(numbers))


def encode_class_map(semantic: SemanticMap) -> bytes:
    """8-bit PNG of class ids with the PASCAL VOC palette; 255 is *ignore*."""
    return encode_palette(semantic.class_map.astype(np.uint8))


def encode_binary(mask: Mask) -> bytes:
    """1-bit PNG of an (H, W) bool mask: white is foreground."""
    return marked_png(
        Pictures.fromarray(mask.astype(np.uint8) * 255).convert("1", dither=Pictures.Dither.NONE)
    )


def encode_palette(indices: NDArray[np.uint8]) -> bytes:
    """8-bit PNG of (H, W) numbers with the palette of PASCAL VOC and DAVIS."""
    picture = Pictures.fromarray(indices).convert("L")
    picture.putpalette(voc_palette().tobytes())
    return marked_png(picture)


def marked_png(picture: Pictures.Image, *, areas: bool = True) -> bytes:
    """Encode, with the mark by which a later run knows that the file may be replaced.

    In ``areas`` of one value each runs are all that is looked for: masks take half of the time, and fewer bytes.
    """
    mark = PngInfo()
    mark.add_text("Software", "MaskWeave")
    buffer = BytesIO()
    strategy = {"compress_type": zlib.Z_RLE} if areas else {}
    picture.save(buffer, format="PNG", pnginfo=mark, **strategy)
    return buffer.getvalue()

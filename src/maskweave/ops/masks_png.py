"""Masks as PNG images: instance ids, 1-bit foreground, class maps with a palette."""

from __future__ import annotations

import zlib
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PILImage
from PIL.PngImagePlugin import PngInfo

from maskweave.errors import OutputError
from maskweave.ops.palette import voc_palette
from maskweave.ops.semantic import paint_numbers
from maskweave.types.arrays import IntArray, Mask
from maskweave.types.instances import Instances
from maskweave.types.semantic import IGNORE, SemanticMap

_MAX_ID = 65535


def instance_id_map(instances: Instances) -> IntArray:
    """(H, W) integers: 0 where nothing is, else the object's number; better scores lie on top.

    The number is the track id where there is one, else the row + 1. Raises `OutputError` when a track id is
    0 or less, since 0 means "nothing".
    """
    return paint_numbers(instances, instance_numbers(instances))


def instance_numbers(instances: Instances) -> IntArray:
    """(N,) the number of each object in id images; see `instance_id_map`."""
    if instances.track_ids is None:
        return np.arange(1, len(instances) + 1)
    if len(instances) and instances.track_ids.min() < 1:
        raise OutputError(f"id image: need ids from 1, got {instances.track_ids.min()}")
    return instances.track_ids


def needs_16_bits(id_map: IntArray) -> bool:
    """Whether ids do not fit an 8-bit image, in which 255 means *ignore*."""
    return int(id_map.max(initial=0)) >= IGNORE


def encode_id_map(id_map: IntArray, *, wide: bool | None = None) -> bytes:
    """PNG of (H, W) ids: 8-bit with the VOC / DAVIS palette, or 16-bit gray.

    ``wide`` asks for 16 bits; None takes them where an id is 255 (*ignore* in 8-bit images) or above. Raises
    `OutputError` above 65535, the most a PNG can hold.
    """
    max_id = int(id_map.max(initial=0))
    if max_id > _MAX_ID:
        raise OutputError(f"id image: need ids up to {_MAX_ID} (16-bit PNG), got {max_id}")
    if needs_16_bits(id_map) if wide is None else wide:
        return marked_png(PILImage.fromarray(id_map.astype(np.uint16)))
    return encode_palette(id_map.astype(np.uint8))


def encode_gray(numbers: NDArray[np.uint8]) -> bytes:
    """8-bit gray PNG of (H, W) numbers."""
    return marked_png(PILImage.fromarray(numbers))


def encode_class_map(semantic: SemanticMap) -> bytes:
    """8-bit PNG of class ids with the PASCAL VOC palette; 255 is *ignore*."""
    return encode_palette(semantic.class_map.astype(np.uint8))


def encode_binary(mask: Mask) -> bytes:
    """1-bit PNG of an (H, W) bool mask: white is foreground."""
    return marked_png(
        PILImage.fromarray(mask.astype(np.uint8) * 255).convert("1", dither=PILImage.Dither.NONE)
    )


def encode_palette(indices: NDArray[np.uint8]) -> bytes:
    """8-bit PNG of (H, W) numbers with the palette of PASCAL VOC and DAVIS."""
    image = PILImage.fromarray(indices).convert("L")
    image.putpalette(voc_palette().tobytes())
    return marked_png(image)


def marked_png(image: PILImage.Image, *, areas: bool = True, dpi: tuple[float, float] | None = None) -> bytes:
    """Encode, with the mark by which a later run knows that the file may be replaced.

    In ``areas`` of one value each runs are all that is looked for: masks take half of the time, and fewer bytes.
    ``dpi``: pixels per inch across and down, where they are known.
    """
    mark = PngInfo()
    mark.add_text("Software", "MaskWeave")
    buffer = BytesIO()
    options: dict[str, Any] = {"compress_type": zlib.Z_RLE} if areas else {}
    if dpi is not None:
        options["dpi"] = dpi
    image.save(buffer, format="PNG", pnginfo=mark, **options)
    return buffer.getvalue()

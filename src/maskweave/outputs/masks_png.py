"""Masks as PNG pictures: instance ids, 1-bit foreground, class maps with a palette."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures

from maskweave.errors import OutputError
from maskweave.outputs.palette import voc_palette
from maskweave.types.arrays import IntArray, Mask
from maskweave.types.instances import Instances
from maskweave.types.semantic import SemanticMap

_LARGEST_ID = 65535


def instance_id_map(instances: Instances) -> IntArray:
    """(H, W) integers: 0 where nothing is, else the object's number; better scores lie on top.

    The number is the track id where there is one, else the row + 1. Raises `OutputError` when a track id is
    0 or less, since 0 means "nothing".
    """
    if instances.track_ids is None:
        numbers = np.arange(1, len(instances) + 1)
    else:
        numbers = instances.track_ids
        if len(numbers) and numbers.min() < 1:
            raise OutputError(f"id picture: need ids from 1, got {numbers.min()}")
    id_map = np.zeros(instances.size, dtype=np.int64)
    for row in np.argsort(instances.scores, kind="stable"):
        crop = instances.masks.crops[row]
        x, y = instances.masks.corners[row]
        id_map[y : y + crop.shape[0], x : x + crop.shape[1]][crop] = numbers[row]
    return id_map


def encode_id_map(id_map: IntArray) -> bytes:
    """PNG of (H, W) ids: 8-bit with the VOC / DAVIS palette up to 255, 16-bit grey above.

    Raises `OutputError` above 65535, the most a PNG can hold.
    """
    largest = int(id_map.max(initial=0))
    if largest > _LARGEST_ID:
        raise OutputError(f"id picture: need ids up to {_LARGEST_ID} (16-bit PNG), got {largest}")
    if largest > 255:
        return _png(Pictures.fromarray(id_map.astype(np.uint16)))
    return _with_palette(id_map.astype(np.uint8))


def encode_class_map(semantic: SemanticMap) -> bytes:
    """8-bit PNG of class ids with the PASCAL VOC palette; 255 is *ignore*."""
    return _with_palette(semantic.class_map.astype(np.uint8))


def encode_binary(mask: Mask) -> bytes:
    """1-bit PNG of an (H, W) bool mask: white is foreground."""
    return _png(Pictures.fromarray(mask.astype(np.uint8) * 255).convert("1", dither=Pictures.Dither.NONE))


def _with_palette(indices: NDArray[np.uint8]) -> bytes:
    picture = Pictures.fromarray(indices).convert("L")
    picture.putpalette(voc_palette().tobytes())
    return _png(picture)


def _png(picture: Pictures.Image) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()

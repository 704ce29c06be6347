"""Fixed rules that turn any pixel format into (H, W, 3) uint8 RGB.

- Grey: the value three times. Palette: looked up. CMYK: Pillow's plain conversion, after undoing Adobe's
  inversion in JPEG; colour profiles are not applied.
- Alpha (also a palette's or a PNG's transparent colour): composited on white.
- 16 bits per channel: the high byte, ``value >> 8``. Never stretched to the picture's own minimum and
  maximum: equal pixels stay equal from picture to picture.
- 32-bit integers: taken as 16-bit values, clipped to 0..65535.
- Floats: taken as 0..1, clipped, times 255; NaN is 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from maskweave.errors import InvalidValue, UnreadableImage
from maskweave.types.arrays import Array, Image

WHITE = 255


def rgb_from_pillow(picture: Pillow.Image) -> Image:
    """(H, W, 3) uint8 RGB of a loaded Pillow picture, by this module's rules; EXIF is not looked at."""
    if picture.mode.startswith("I;16"):
        return _rgb_from_grey16(picture)
    if picture.mode == "I":
        clipped = np.clip(np.asarray(picture), 0, 65535)
        return _grey_to_rgb((clipped >> 8).astype(np.uint8))
    if picture.mode == "F":
        unit = np.nan_to_num(np.asarray(picture, dtype=np.float32), nan=0.0, posinf=1.0, neginf=0.0)
        return _grey_to_rgb((np.clip(unit, 0, 1) * 255 + 0.5).astype(np.uint8))
    if picture.mode == "LAB":
        raise UnreadableImage("Lab colours are not supported; save it as RGB")
    if _is_transparent(picture):
        return _on_white(np.asarray(_to_rgba(picture)))
    return np.array(picture if picture.mode == "RGB" else picture.convert("RGB"))


def rgb_from_array(array: Array) -> Image:
    """(H, W, 3) uint8 RGB of a uint8 array: (H, W, 3) RGB as it is, (H, W) grey, (H, W, 4) RGBA on white.

    Always a copy. Raises `InvalidValue` for any other shape or dtype: other ranges are the caller's to scale.
    """
    if array.dtype != np.uint8 or 0 in array.shape or array.ndim not in (2, 3):
        raise InvalidValue(
            f"image: need non-empty uint8 (H, W, 3) RGB, (H, W) grey or (H, W, 4) RGBA, "
            f"got {array.shape} {array.dtype}; convert it with your own scale"
        )
    if array.ndim == 2:
        return _grey_to_rgb(array)
    if array.shape[2] == 4:
        return _on_white(array)
    if array.shape[2] != 3:
        raise InvalidValue(f"image: need 3 (RGB) or 4 (RGBA) channels, got {array.shape}")
    return np.array(array, order="C")


def rgb_from_values(values: Array, span: tuple[float, float] | None) -> NDArray[np.uint8]:
    """(H, W) uint8 of one band of any numbers.

    ``span``: what becomes 0 and what 255, linear between and clipped beyond; None follows this module's rules for
    8, 16 and 32 bits and floats. NaN is 0.

    >>> rgb_from_values(np.array([[0, 100, 150, 200, 900]], np.uint16), (100, 200)).tolist()
    [[0, 0, 128, 255, 255]]
    """
    eight: NDArray[np.uint8]
    if span is not None:
        low, high = span
        scaled = (values.astype(np.float32) - np.float32(low)) * np.float32(255 / max(high - low, 1e-12))
        eight = (np.clip(np.nan_to_num(scaled), 0, 255) + 0.5).astype(np.uint8)
    elif values.dtype == np.uint8:
        eight = values
    elif values.dtype.kind == "f":
        eight = (np.clip(np.nan_to_num(values, posinf=1, neginf=0), 0, 1) * 255 + 0.5).astype(np.uint8)
    else:
        sixteen = np.clip(values, 0, 65535) if values.dtype.itemsize > 2 else np.maximum(values, 0)
        eight = (sixteen >> 8).astype(np.uint8)
    return eight


def upright(image: Image, orientation: int) -> Image:
    """Undo EXIF ``orientation`` 1..8 (CIPA DC-008, tag 0x0112); any other number means upright."""
    if orientation >= 5 and orientation <= 8:  # rows and columns are swapped
        image = image.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)


def _rgb_from_grey16(picture: Pillow.Image) -> Image:
    values = np.asarray(picture)
    grey = (values >> 8).astype(np.uint8)
    key = picture.info.get("transparency")
    if isinstance(key, int):
        grey[values == key] = WHITE
    return _grey_to_rgb(grey)


def _grey_to_rgb(grey: NDArray[np.uint8]) -> Image:
    return np.repeat(grey[:, :, None], 3, axis=2)


def _is_transparent(picture: Pillow.Image) -> bool:
    return picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info


def _to_rgba(picture: Pillow.Image) -> Pillow.Image:
    """RGBA, with a 16-bit PNG's transparent colour brought to the 8 bits that Pillow made of its pixels."""
    key: Any = picture.info.get("transparency")
    if isinstance(key, tuple) and max(key) > 255:
        picture = picture.copy()  # the caller's stays as it is
        picture.info["transparency"] = tuple(value >> 8 for value in key)
    if picture.mode == "La":
        picture = picture.convert("LA")
    return picture.convert("RGBA")


def _on_white(rgba: NDArray[np.uint8]) -> Image:
    """Composite (H, W, 4) RGBA on white, rounded to nearest."""
    alpha = rgba[:, :, 3:].astype(np.uint16)
    mixed = rgba[:, :, :3] * alpha + WHITE * (255 - alpha)
    return ((mixed + 127) // 255).astype(np.uint8)

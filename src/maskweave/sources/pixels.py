"""Convert any pixel format to (H, W, 3) uint8 RGB by fixed rules, the same in every reader.

- Gray: the value three times; where a file says that 0 is white, inverted. Palette: looked up. CMYK and Lab: to RGB.
- A color profile (ICC) is converted to sRGB, see `maskweave.sources.color`; without one, colors are taken for sRGB.
- Alpha (also a palette's or a PNG's transparent color): composited on white.
- More than 8 bits per channel: the highest 8 of those that the file declares, so ``value >> 8`` of 16 and
  ``value >> 4`` of 12; fewer are spread over 0..255. Never stretched to the image's own minimum and maximum: equal
  pixels stay equal from image to image.
- 32-bit and 64-bit integers: taken as 16-bit values, clipped to 0..65535. Signed integers: negative values are 0.
- Floats: taken as 0..1, clipped, times 255; NaN is 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from maskweave.errors import InvalidValue
from maskweave.sources.base import warn_once
from maskweave.sources.color import rgb_from_lab, to_srgb
from maskweave.types.arrays import Array, Image

WHITE = 255
_DIM = 4096  # 16-bit values up to which an image is nearly black by the fixed rule
_STRETCH = "--stretch 0.1,99.9 (of TIFF) uses the whole range"
_BITS, _PHOTOMETRIC, _COLOR_MAP, _SAMPLE_FORMAT = 258, 262, 320, 339  # tags of a TIFF


@dataclass(frozen=True)
class Numbers:
    """How a file means the numbers in a channel.

    ``bits``: how many of them count, None for all of the type. ``inverted``: 0 is white.
    """

    bits: int | None = None
    inverted: bool = False


def rgb_from_pillow(image: Pillow.Image, warnings: list[str] | None = None) -> Image:
    """(H, W, 3) uint8 RGB of a loaded Pillow image, by this module's rules; its orientation is not looked at.

    ``warnings`` gets what could not be honored, or makes the image nearly black or white.
    """
    warnings = [] if warnings is None else warnings
    profile = image.info.get("icc_profile")
    values, numbers = _wide_values(image)
    if values is not None:
        warn_once(warnings, *range_warnings(values, numbers))
        gray = eight_bits(values, numbers)
        key = image.info.get("transparency")
        if isinstance(key, int):
            gray[values == key] = WHITE
        return np.array(to_srgb(Pillow.fromarray(gray), profile, warnings))
    if image.mode == "LAB":
        return np.array(rgb_from_lab(image))
    image = _with_colors_of_file(image)
    if not _is_transparent(image):
        plain = image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")
        return np.array(to_srgb(plain, profile, warnings))
    rgba = _to_rgba(image)
    if profile:
        converted = to_srgb(rgba.convert("RGB"), profile, warnings)
        converted.putalpha(rgba.getchannel("A"))
        rgba = converted
    return on_white(np.asarray(rgba))


def _wide_values(image: Pillow.Image) -> tuple[Array | None, Numbers]:
    """The numbers of a gray image that is not of unsigned 8 bits, and how they are meant; None for any other.

    Pillow keeps the bits of a TIFF's numbers but not what they mean: that is in its tags.
    """
    tags: Any = getattr(image, "tag_v2", None) or {}
    bits = next(iter(tags.get(_BITS, ())), 0)
    is_signed = tags.get(_SAMPLE_FORMAT, (1,))[0] == 2
    inverted = tags.get(_PHOTOMETRIC) == 0
    if image.mode.startswith("I;16"):
        return np.asarray(image), Numbers(bits if 8 < bits < 16 else 16, inverted)
    if image.mode == "I":
        values = np.asarray(image)
        return values.view(np.uint32) if bits == 32 and not is_signed else values, Numbers(None, inverted)
    if image.mode == "F":
        return np.asarray(image, dtype=np.float32), Numbers(None, inverted)
    if image.mode == "L" and bits == 8 and is_signed:
        return np.asarray(image).view(np.int8), Numbers()
    return None, Numbers()


def _with_colors_of_file(image: Pillow.Image) -> Pillow.Image:
    """The image, its palette as it was meant: some TIFF writers put 8 bits where 16 belong (libtiff: tif_getimage.c),
    and a Photoshop bitmap has 1 for black.
    """
    colors: Any = (getattr(image, "tag_v2", None) or {}).get(_COLOR_MAP, ())
    if image.mode == "P" and 0 < max(colors, default=0) < 256:
        image = image.copy()
        image.putpalette(bytes(np.array(colors, np.uint8).reshape(3, -1).T))
    if image.mode == "1" and image.format == "PSD":
        return Pillow.fromarray(~np.asarray(image))
    return image


def rgb_from_array(array: Array) -> Image:
    """(H, W, 3) uint8 RGB of a uint8 array: (H, W, 3) RGB as it is, (H, W) gray, (H, W, 4) RGBA on white.

    Always a copy. Raises `InvalidValue` for any other shape or dtype: other ranges are the caller's to scale.
    """
    if array.dtype != np.uint8 or 0 in array.shape or array.ndim not in (2, 3):
        raise InvalidValue(
            f"image: need non-empty uint8 (H, W, 3) RGB, (H, W) gray or (H, W, 4) RGBA, "
            f"got {array.shape} {array.dtype}; convert it with your own scale"
        )
    if array.ndim == 2:
        return _gray_to_rgb(array)
    if array.shape[2] == 4:
        return on_white(array)
    if array.shape[2] != 3:
        raise InvalidValue(f"image: need 3 (RGB) or 4 (RGBA) channels, got {array.shape}")
    return np.array(array, order="C")


def eight_bits(
    values: Array, numbers: Numbers | None = None, span: tuple[float, float] | None = None
) -> NDArray[np.uint8]:
    """(H, W) uint8 of one channel of any numbers.

    ``span``: what becomes 0 and what 255, linear between and clipped beyond; None follows this module's rules.

    >>> eight_bits(np.array([[0, 100, 150, 200, 900]], np.uint16), span=(100, 200)).tolist()
    [[0, 0, 128, 255, 255]]
    >>> eight_bits(np.array([[0, 2048, 4095]], np.uint16), Numbers(bits=12)).tolist()
    [[0, 128, 255]]
    """
    numbers = numbers or Numbers()
    eight: NDArray[np.uint8]
    if span is not None:
        low, high = span
        scaled = (values.astype(np.float32) - np.float32(low)) * np.float32(255 / max(high - low, 1e-12))
        eight = (np.clip(np.nan_to_num(scaled), 0, 255) + 0.5).astype(np.uint8)
    elif values.dtype.kind == "f":
        eight = (np.clip(np.nan_to_num(values, posinf=1, neginf=0), 0, 1) * 255 + 0.5).astype(np.uint8)
    elif values.dtype.kind == "b":
        eight = values * np.uint8(255)
    else:
        eight = _eight_of_integers(values, numbers.bits)
    return 255 - eight if numbers.inverted else eight


def _eight_of_integers(values: Array, bits: int | None) -> NDArray[np.uint8]:
    bits = min(bits or values.dtype.itemsize * 8, 16)
    if bits == 8 and values.dtype == np.uint8:
        return values
    clipped = np.clip(values, 0, min((1 << bits) - 1, np.iinfo(values.dtype).max))
    if bits < 8:
        few: NDArray[np.uint8] = (clipped * np.float32(255 / ((1 << bits) - 1)) + np.float32(0.5)).astype(
            np.uint8
        )
        return few
    many: NDArray[np.uint8] = (clipped >> (bits - 8)).astype(np.uint8)
    return many


def range_warnings(values: Array, numbers: Numbers | None = None) -> list[str]:
    """A sentence where the fixed rules make a channel nearly black, or clip much of it."""
    bits = (numbers.bits if numbers else None) or values.dtype.itemsize * 8
    if values.dtype.kind == "f":
        finite = values[np.isfinite(values)]
        if finite.size and (finite.max() > 1.01 or finite.min() < -0.01):
            return [f"values from {finite.min():g} to {finite.max():g} were clipped to 0..1; {_STRETCH}"]
    elif values.dtype.kind in "iu" and values.size:
        lowest, highest = int(values.min()), int(values.max())
        if lowest < 0:
            return [f"values from {lowest} to {highest}: those below 0 were clipped; {_STRETCH}"]
        if bits < 16:
            return []
        if 0 < highest < _DIM:
            return [f"values reach {highest} of 65535, nearly black; {_STRETCH}"]
        if highest > 65535:
            return [f"values reach {highest}, those over 65535 were clipped; {_STRETCH}"]
    return []


def upright(image: Array, orientation: int) -> Array:
    """Undo ``orientation`` 1..8 of EXIF and TIFF (CIPA DC-008, tag 0x0112) of (H, W) or (H, W, C) values.

    Any other number means upright.
    """
    if 5 <= orientation <= 8:  # rows and columns are swapped
        image = image.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)


def _gray_to_rgb(gray: NDArray[np.uint8]) -> Image:
    return np.repeat(gray[:, :, None], 3, axis=2)


def _is_transparent(image: Pillow.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info


def _to_rgba(image: Pillow.Image) -> Pillow.Image:
    """RGBA, with a 16-bit PNG's transparent color brought to the 8 bits that Pillow made of its pixels."""
    key: Any = image.info.get("transparency")
    if isinstance(key, tuple) and max(key) > 255:
        image = image.copy()  # the caller's stays as it is
        image.info["transparency"] = tuple(value >> 8 for value in key)
    if image.mode == "La":
        image = image.convert("LA")
    return image.convert("RGBA")


def on_white(rgba: NDArray[np.uint8]) -> Image:
    """Composite (H, W, 4) RGBA on white, rounded to nearest."""
    alpha = rgba[:, :, 3:].astype(np.uint16)
    mixed = rgba[:, :, :3] * alpha + WHITE * (255 - alpha)
    return ((mixed + 127) // 255).astype(np.uint8)

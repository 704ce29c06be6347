"""What GDAL knows of an open TIFF besides its pixels: bits, profile, resolution, palette, and where it lies."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskweave.types.arrays import Size
from maskweave.types.georeference import GeoReference

_PALETTE_SIZES = {"uint8": 1 << 8, "uint16": 1 << 16}


def declared_bits(file: Any, band: int) -> int | None:
    """How many bits of each number the file uses; None for all of the type."""
    bits = file.tags(band, ns="IMAGE_STRUCTURE").get("NBITS", "")
    return int(bits) if bits.isdecimal() else None


def profile(file: Any) -> bytes | None:
    """The file's color profile."""
    text = file.tags(ns="COLOR_PROFILE").get("SOURCE_ICC_PROFILE", "")
    try:
        return base64.b64decode(text) or None
    except ValueError:
        return None


def dpi(file: Any, *, turned: bool) -> tuple[float, float] | None:
    """Pixels per inch across and down; None where the file does not say."""
    tags = file.tags()
    unit = 2.54 if str(tags.get("TIFFTAG_RESOLUTIONUNIT", "2")).startswith("3") else 1.0
    try:
        across, down = (float(tags[f"TIFFTAG_{axis}RESOLUTION"]) * unit for axis in "XY")
    except (KeyError, ValueError):
        return None
    if not (1 <= across < np.inf and 1 <= down < np.inf):
        return None
    return (down, across) if turned else (across, down)


def palette(file: Any, bands: list[int]) -> NDArray[np.uint8] | None:
    """(256, 3) or (65536, 3) colors of a file of numbered colors."""
    count = _PALETTE_SIZES.get(file.dtypes[bands[0] - 1])
    if len(bands) != 1 or file.colorinterp[bands[0] - 1].name != "palette" or count is None:
        return None
    colors = np.zeros((count, 3), dtype=np.uint8)
    for number, color in file.colormap(bands[0]).items():
        colors[number] = color[:3]
    return colors


def georeference(file: Any, orientation: int) -> GeoReference | None:
    """Where the upright image lies; None where the file does not say."""
    if file.crs is None or file.transform.is_identity:
        return None
    code = file.crs.to_epsg()
    to_map = file.transform @ _to_stored(file.transform, (file.height, file.width), orientation)
    return GeoReference(tuple(to_map)[:6], f"EPSG:{code}" if code else file.crs.to_wkt())


def _to_stored(kind: Any, stored: Size, orientation: int) -> Any:
    """From places in the upright image to those in one of ``stored`` (height, width); see `pixels.upright`."""
    height, width = stored if orientation < 5 else (stored[1], stored[0])
    affine = type(kind)
    place = affine.identity()
    if orientation in (3, 4, 7, 8):
        place = affine(1, 0, 0, 0, -1, height) @ place
    if orientation in (2, 3, 6, 7):
        place = affine(-1, 0, width, 0, 1, 0) @ place
    return affine(0, 1, 0, 1, 0, 0) @ place if orientation >= 5 else place

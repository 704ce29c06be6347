"""Files that GDAL reads, through rasterio: opened, and what they say of themselves."""

from __future__ import annotations

import base64
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from maskweave.errors import MaskWeaveError, SourceNotFound, UnreadableImage
from maskweave.optional import optional
from maskweave.sources.tiff import TiffPage
from maskweave.types.arrays import Size
from maskweave.types.georeference import GeoReference
from maskweave.types.windows import Tile

_CACHE = 64
"""MB of decoded blocks that GDAL may keep; by default it takes a twentieth of the machine's memory."""
_NOT_KNOWN = ("codec", "not supported", "unsupported", "cannot handle")
"""What GDAL says of a file that may be intact, but that it does not know."""
_PALETTE_SIZES = {"uint8": 1 << 8, "uint16": 1 << 16}
_warnings_lock = threading.Lock()  # what is to be warned of is a setting of the whole process


def has_rasterio() -> bool:
    """Whether the extra ``[geo]`` is installed."""
    from importlib.util import find_spec

    return find_spec("rasterio") is not None


def require_rasterio() -> ModuleType:
    """Import rasterio; raises `MissingDependency` that names the extra."""
    with optional("TIFF in tiles, bands and georeferences", extra="geo"):
        import rasterio
    module: ModuleType = rasterio
    return module


@contextmanager
def readable(path: Path) -> Iterator[ModuleType]:
    """Let GDAL work in little memory, and turn its errors into a `SourceError` that begins with the path."""
    rasterio = require_rasterio()
    try:
        with rasterio.Env(GDAL_CACHEMAX=_CACHE, GDAL_DISABLE_READDIR_ON_OPEN="TRUE"):
            yield rasterio
    except MaskWeaveError:
        raise
    except Exception as error:  # a broken file can provoke nearly any exception inside a decoder
        if not path.exists():
            raise SourceNotFound(f"{path}: no such file; check the path") from None
        reason = " ".join(str(error).split())[:160]
        unknown = any(word in reason.lower() for word in _NOT_KNOWN)
        what = "a TIFF of a kind that is not read here" if unknown else "damaged or cut short"
        raise UnreadableImage(f"{path}: {what} ({reason})") from error


def held_open(path: Path) -> BinaryIO | None:
    """The file, where its name is not UTF-8: GDAL can only be given the number of it."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        with readable(path):
            return path.open("rb")
    return None


def open_page(file: Path, path: Path, page: TiffPage, *, is_raw: bool) -> Any:
    """The page of a file called ``path``, opened by GDAL; ``is_raw``: as its own channels, not as RGB."""
    place: Path | str = file
    if is_raw:
        place = f"GTIFF_RAW:{file}"
    elif page.number > 0:
        place = f"GTIFF_DIR:off:{page.offset}:{file}"
    with readable(path) as rasterio, _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        return rasterio.open(place, driver="GTiff")


def declared_bits(file: Any, band: int) -> int | None:
    """How many bits of each number the file uses; None for all of the type."""
    bits = file.tags(band, ns="IMAGE_STRUCTURE").get("NBITS", "")
    return int(bits) if bits.isdecimal() else None


def profile_of(file: Any) -> bytes | None:
    """The file's color profile."""
    text = file.tags(ns="COLOR_PROFILE").get("SOURCE_ICC_PROFILE", "")
    try:
        return base64.b64decode(text) or None
    except ValueError:
        return None


def dpi_of(file: Any, *, turned: bool) -> tuple[float, float] | None:
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


def palette_of(file: Any, bands: list[int]) -> NDArray[np.uint8] | None:
    """(256, 3) or (65536, 3) colors of a file of numbered colors."""
    count = _PALETTE_SIZES.get(file.dtypes[bands[0] - 1])
    if len(bands) != 1 or file.colorinterp[bands[0] - 1].name != "palette" or count is None:
        return None
    colors = np.zeros((count, 3), dtype=np.uint8)
    for number, color in file.colormap(bands[0]).items():
        colors[number] = color[:3]
    return colors


def georeference_of(file: Any, orientation: int) -> GeoReference | None:
    """Where the upright image of a file lies on a map; None where the file does not say."""
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


def flag_names(flags: Any) -> list[str]:
    """What GDAL's flags of a band are called."""
    return [flag.name for flag in flags]


def window_of(tile: Tile) -> Any:
    """A rectangle as rasterio has it."""
    from rasterio.windows import Window

    height, width = tile.size
    return Window(tile.left, tile.top, width, height)

"""TIFF and GeoTIFF by GDAL: bands chosen, values stretched to 8 bits, nodata told, read piece by piece if need be."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue, MissingDependency, SourceNotFound, UnreadableImage
from maskweave.sources.base import MAX_PIXELS, Closing, check_budget
from maskweave.sources.pixels import rgb_from_values
from maskweave.sources.reading import Reading
from maskweave.types.arrays import Array, Image, Mask, Size
from maskweave.types.frame import Frame, SourceInfo
from maskweave.types.georeference import GeoReference
from maskweave.types.windows import Tile

VIEW = 4096
"""Long side in pixels of the view that stands for a picture which is read piece by piece."""

_CACHE = (
    64  # MB of decoded blocks that GDAL may keep; by default it takes a twentieth of the machine's memory
)
_SAMPLE = 1024  # long side of the overview that percentiles are taken of
_GEO_STRETCH = (2.0, 98.0)
_warnings_lock = threading.Lock()  # what is to be warned of is a setting of the whole process
_LARGEST_BLOCK = 16_000_000  # pixels of a strip or tile of the file, which is always decoded whole


def has_rasterio() -> bool:
    """Whether the extra ``[geo]`` is installed."""
    from importlib.util import find_spec

    return find_spec("rasterio") is not None


class RasterSource(Closing):
    """One TIFF as a source of one `Frame`, by the choices of ``reading``.

    The frame's ``valid`` tells where the file has data, its ``geo`` where it lies. With ``reading.tiles`` a picture
    over 4096 pixels is not read whole, however large: the frame's ``windows`` give it piece by piece, and ``image``
    is a view of 4096 pixels.

    Iterating raises `SourceNotFound`, `UnreadableImage`, `InvalidValue` for a band that is not there, or
    `ImageTooLarge` for more than ``max_pixels`` pixels that had to be decoded at once: without tiles, or where the
    file itself is made of blocks of more than 16 Mpx.
    Needs rasterio: raises `MissingDependency`.
    """

    def __init__(
        self,
        path: Path,
        name: str | None = None,
        *,
        max_pixels: int = MAX_PIXELS,
        reading: Reading | None = None,
    ) -> None:
        _rasterio()
        self._path = path
        self._max_pixels = max_pixels
        self._reading = reading or Reading()
        self.info = SourceInfo(name=name or path.stem, kind="image", path=path, frame_count=1)
        self.warnings: list[str] = []
        self._windows: RasterWindows | None = None

    def __iter__(self) -> Iterator[Frame]:
        self._windows = windows = RasterWindows(self._path, self._reading)
        block = windows.block
        if self._reading.tiles and block[0] * block[1] <= _LARGEST_BLOCK:
            yield self._frame(windows, windows.overview(), None if max(windows.size) <= VIEW else windows)
            return
        height, width = windows.size
        check_budget(
            width, height, max_pixels=self._max_pixels, label=str(self._path), hint=self._hint(block)
        )
        yield self._frame(windows, windows.view(max(windows.size)), None)

    def _hint(self, block: Size) -> str:
        if block[0] * block[1] <= _LARGEST_BLOCK:
            return "read it in tiles (--tile 1024, in Python load(tile=1024))"
        return f"its blocks of {block[1]} x {block[0]} pixels cannot be read in parts: rewrite it as a tiled TIFF"

    def _frame(self, windows: RasterWindows, image: Image, pieces: RasterWindows | None) -> Frame:
        self.warnings = list(windows.warnings)
        valid = None if pieces is not None else windows.valid(Tile(0, 0, *windows.size))
        return Frame(
            image,
            source=self.info.name,
            file_name=self._path.name,
            windows=pieces,
            valid=valid,
            geo=windows.geo,
        )

    def close(self) -> None:
        """Close the file."""
        if self._windows is not None:
            self._windows.close()


class RasterWindows:
    """An open TIFF that gives pieces of itself as (h, w, 3) uint8 RGB, all stretched alike.

    - ``size``: (height, width). ``block``: (height, width) of the pieces that the file itself is made of.
    - ``geo``: where it lies, or None. ``warnings``: what was chosen for the user.

    Raises what `RasterSource` raises.
    """

    def __init__(self, path: Path, reading: Reading) -> None:
        self._path = path
        with _readable(path) as rasterio, _warnings_lock, warnings.catch_warnings():
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            self._file = rasterio.open(path, driver="GTiff")
        self.warnings: list[str] = []
        self.geo = _georeference(self._file)
        self.size: Size = (self._file.height, self._file.width)
        self.block: Size = self._file.block_shapes[0]
        self._bands = self._chosen_bands(reading.bands)
        self._has_gaps = any(
            "all_valid" not in _names(self._file.mask_flag_enums[band - 1]) for band in self._bands
        )
        self._palette = _palette(self._file, self._bands)
        self._ranges = self._value_ranges(reading.stretch)
        self._overview: Image | None = None

    def read(self, tile: Tile) -> Image:
        """(h, w, 3) uint8 RGB; black where the file has no data."""
        return self._rgb(self._values(window=_window(tile)))

    def valid(self, tile: Tile) -> Mask | None:
        """(h, w) bool, false where the file has no data; None where it has data everywhere."""
        if not self._has_gaps:
            return None
        with _readable(self._path):
            valid: Mask = self._file.dataset_mask(window=_window(tile)) > 0
        return None if valid.all() else valid

    def view(self, long_side: int) -> Image:
        """(h, w, 3) uint8 RGB of the whole, averaged down until no side is longer than ``long_side``."""
        from rasterio.enums import Resampling

        height, width = _fitted(self.size, long_side)
        if (height, width) == self.size:
            return self.read(Tile(0, 0, height, width))
        method = Resampling.average if self._palette is None else Resampling.nearest
        return self._rgb(self._values(out_shape=(len(self._bands), height, width), resampling=method))

    def overview(self) -> Image:
        """(h, w, 3) uint8 RGB of the whole, of at most 4096 pixels; read once."""
        if self._overview is None:
            self._overview = self.view(VIEW)
        return self._overview

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _values(self, **part: Any) -> Array:
        """(bands, h, w) values as they are in the file, 0 where it has none."""
        with _readable(self._path):
            values: Array = self._file.read(self._bands, masked=self._has_gaps, **part)
        return values.filled(0) if isinstance(values, np.ma.MaskedArray) else values

    def _rgb(self, values: Array) -> Image:
        if self._palette is not None:
            image: Image = self._palette[values[0].astype(np.uint8)]
            return image
        channels = [rgb_from_values(each, span) for each, span in zip(values, self._ranges, strict=True)]
        return np.stack(channels * (3 // len(channels)), axis=2)

    def _chosen_bands(self, bands: tuple[int, ...] | None) -> list[int]:
        count = self._file.count
        if bands is not None:
            if max(bands) > count:
                raise InvalidValue(f"{self._path}: need bands of 1 to {count}, got band {max(bands)}")
            return list(bands)
        colours = [each.name for each in self._file.colorinterp]
        if {"red", "green", "blue"} <= set(colours):
            return [1 + colours.index(each) for each in ("red", "green", "blue")]
        return [1, 2, 3] if count >= 3 else [1]

    def _value_ranges(self, stretch: tuple[float, float] | None) -> list[tuple[float, float] | None]:
        """What becomes 0 and 255 in each band; None leaves it to the fixed rules."""
        wide = self._file.dtypes[self._bands[0] - 1] != "uint8"
        if self._palette is not None or (stretch is None and not (wide and self.geo is not None)):
            return [None] * len(self._bands)
        low, high = stretch or _GEO_STRETCH
        shape = _fitted(self.size, _SAMPLE)
        with _readable(self._path):
            sample = self._file.read(self._bands, masked=True, out_shape=(len(self._bands), *shape))
        ranges = [_percentiles(band, low, high) for band in sample]
        if stretch is None:
            told = ", ".join(f"{first:g} to {last:g}" for first, last in ranges)
            self.warnings.append(
                f"values {told} were stretched to 0 to 255; choose the percentiles with --stretch"
            )
        return list(ranges)


def _percentiles(band: np.ma.MaskedArray[Any, Any], low: float, high: float) -> tuple[float, float]:
    """Two percentiles of the finite values that are data; 0 and 1 where there are none."""
    values = np.asarray(band.compressed(), dtype=np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    first, last = np.percentile(values, [low, high]).tolist()
    return first, last


def _palette(file: Any, bands: list[int]) -> NDArray[np.uint8] | None:
    """(256, 3) colours of a file of numbered colours."""
    if (
        len(bands) != 1
        or file.colorinterp[bands[0] - 1].name != "palette"
        or file.dtypes[bands[0] - 1] != "uint8"
    ):
        return None
    colours = np.zeros((256, 3), dtype=np.uint8)
    for number, colour in file.colormap(bands[0]).items():
        colours[number] = colour[:3]
    return colours


def _georeference(file: Any) -> GeoReference | None:
    if file.crs is None or file.transform.is_identity:
        return None
    code = file.crs.to_epsg()
    return GeoReference(tuple(file.transform)[:6], f"EPSG:{code}" if code else file.crs.to_wkt())


def _names(flags: Any) -> list[str]:
    return [flag.name for flag in flags]


def _window(tile: Tile) -> Any:
    from rasterio.windows import Window

    height, width = tile.size
    return Window(tile.left, tile.top, width, height)


def _fitted(size: Size, long_side: int) -> Size:
    scale = min(1.0, long_side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _rasterio() -> ModuleType:
    try:
        import rasterio
    except ImportError as error:
        raise MissingDependency(
            "TIFF in pieces, bands and georeferences need rasterio. Use `pip install maskweave[geo]`."
        ) from error
    module: ModuleType = rasterio
    return module


@contextmanager
def _readable(path: Path) -> Iterator[ModuleType]:
    """Let GDAL work in little memory, and turn its errors into a `SourceError` that begins with the path."""
    rasterio = _rasterio()
    try:
        with rasterio.Env(GDAL_CACHEMAX=_CACHE, GDAL_DISABLE_READDIR_ON_OPEN="TRUE"):
            yield rasterio
    except rasterio.errors.RasterioError as error:
        if not path.exists():
            raise SourceNotFound(f"{path}: no such file; check the path") from None
        reason = " ".join(str(error).split())[:120]
        raise UnreadableImage(f"{path}: damaged or cut short ({reason})") from error

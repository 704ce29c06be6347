"""Read TIFF and GeoTIFF with GDAL: choice of bands, stretch to 8 bits, nodata, and reading piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from maskweave.errors import InvalidValue, UnreadableImage
from maskweave.sources.base import MAX_PIXELS, Closing, check_budget, warn_once
from maskweave.sources.color import rgb_from_lab, to_srgb
from maskweave.sources.gdal import (
    declared_bits,
    dpi_of,
    flag_names,
    georeference_of,
    held_open,
    open_page,
    palette_of,
    profile_of,
    readable,
    require_rasterio,
    window_of,
)
from maskweave.sources.pixels import WHITE, Numbers, eight_bits, on_white, range_warnings, upright
from maskweave.sources.raster_options import RasterOptions
from maskweave.sources.tiff import TiffPage, tiff_pages
from maskweave.types.arrays import Array, Image, Mask, Size
from maskweave.types.frame import Frame, SourceInfo
from maskweave.types.windows import Tile

VIEW = 4096
"""Long side in pixels of the view that stands for an image which is read piece by piece."""

_SAMPLE = 1024  # long side of the overview that percentiles are taken of
_INKS = {5: "CMYK", 8: "LAB"}
"""Photometric interpretations whose colors Pillow makes, by the profile of the file: GDAL knows none."""
_GEO_STRETCH = (2.0, 98.0)
_MAX_BLOCK = 16_000_000  # pixels of a strip or tile of the file, which is always decoded whole


class RasterSource(Closing):
    """One TIFF as a source of one `Frame`, by the choices of ``raster_options``.

    The frame's ``valid`` is where the file has data, its ``geo`` where it lies. With ``raster_options.tiles`` an
    image over 4096 pixels is not read whole, however large: the frame's ``windows`` give it piece by piece, and
    ``image`` is a view of 4096 pixels.

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
        raster_options: RasterOptions | None = None,
    ) -> None:
        require_rasterio()
        self._path = path
        self._max_pixels = max_pixels
        self._raster_options = raster_options or RasterOptions()
        self.info = SourceInfo(name=name or path.stem, kind="image", path=path, frame_count=1)
        self.warnings: list[str] = []
        self._windows: RasterWindows | None = None

    def __iter__(self) -> Iterator[Frame]:
        self._windows = windows = RasterWindows(self._path, self._raster_options)
        block = windows.block
        if self._raster_options.tiles and block[0] * block[1] <= _MAX_BLOCK:
            yield self._frame(windows, windows.overview(), None if max(windows.size) <= VIEW else windows)
            return
        height, width = windows.size
        check_budget(
            width, height, max_pixels=self._max_pixels, label=str(self._path), hint=self._hint(block)
        )
        yield self._frame(windows, windows.view(max(windows.size)), None)

    def _hint(self, block: Size) -> str:
        if block[0] * block[1] <= _MAX_BLOCK:
            return "read it in tiles (--tile 1024, in Python load(tile=1024))"
        return f"its blocks of {block[1]} x {block[0]} pixels cannot be read in parts: rewrite it as a tiled TIFF"

    def _frame(self, windows: RasterWindows, image: Image, pieces: RasterWindows | None) -> Frame:
        warn_once(self.warnings, *windows.display_warnings())
        valid = None if pieces is not None else windows.valid(Tile(0, 0, *windows.size))
        return Frame(
            image,
            source=self.info.name,
            file_name=self._path.name,
            windows=pieces,
            valid=valid,
            geo=windows.geo,
            dpi=windows.dpi,
        )

    def close(self) -> None:
        """Close the file."""
        if self._windows is not None:
            self._windows.close()


class RasterWindows:
    """An open TIFF that gives pieces of itself as (h, w, 3) uint8 RGB, upright, all of them stretched alike.

    - ``size``: (height, width). ``block``: (height, width) of the pieces that the file itself is made of.
    - ``geo``: where it lies, or None. ``dpi``: pixels per inch across and down, or None.
    - ``warnings``: what was chosen for the user.

    ``page``: what the file's tags say of the page to read; None for its first. ``span``: what becomes 0 and 255 in
    all bands, where that is known. Raises what `RasterSource` raises.
    """

    def __init__(
        self,
        path: Path,
        raster_options: RasterOptions,
        page: TiffPage | None = None,
        *,
        span: tuple[float, float] | None = None,
    ) -> None:
        self._path = path
        self._page = page or next(iter(_pages(path)), TiffPage(0, 0, (0, 0)))
        plain = raster_options.bands is None and raster_options.stretch is None and span is None
        self._inks = _inks_of(self._page) if plain else ""
        self._held = held_open(path)
        place = path if self._held is None else Path(f"/dev/fd/{self._held.fileno()}")
        self._file = open_page(place, path, self._page, is_raw=bool(self._inks))
        self.warnings: list[str] = []
        self._orientation = self._page.orientation
        self.geo = georeference_of(self._file, self._orientation)
        self.size: Size = self._turned((self._file.height, self._file.width))
        self.block: Size = self._turned(self._file.block_shapes[0])
        self.dpi = dpi_of(self._file, turned=self._orientation >= 5)
        self._bands = self._chosen_bands(raster_options.bands)
        self._refuse_complex()
        self._alpha = self._alpha_band()
        self._has_gaps = any(self._can_have_gaps(band) for band in self._bands)
        self._numbers = Numbers(declared_bits(self._file, self._bands[0]), self._page.is_inverted)
        self._palette = None if self._page.is_inverted else palette_of(self._file, self._bands)
        self._ranges = [span] * len(self._bands) if span else self._value_ranges(raster_options.stretch)
        is_own = raster_options.bands is None and self._ranges[0] is None
        self._profile = profile_of(self._file) if is_own else None
        self._overview: Image | None = None

    def read(self, tile: Tile) -> Image:
        """(h, w, 3) uint8 RGB; black where the file has no data, on white where it is transparent."""
        return self._rgb(window=window_of(self._stored(tile)))

    def valid(self, tile: Tile) -> Mask | None:
        """(h, w) bool, false where the file has no data; None where it has data everywhere."""
        if not self._has_gaps:
            return None
        with readable(self._path):
            stored: Mask = self._file.dataset_mask(window=window_of(self._stored(tile))) > 0
        return None if stored.all() else upright(stored, self._orientation)

    def view(self, long_side: int) -> Image:
        """(h, w, 3) uint8 RGB of the whole, averaged down until no side is longer than ``long_side``."""
        from rasterio.enums import Resampling

        height, width = _fitted(self.size, long_side)
        if (height, width) == self.size:
            return self.read(Tile(0, 0, height, width))
        method = Resampling.average if self._palette is None else Resampling.nearest
        return self._rgb(shape=self._turned((height, width)), resampling=method)

    def values(self) -> Array:
        """(bands, h, w) numbers of the chosen bands, at most 1024 pixels a side."""
        return self._values(self._bands, shape=self._turned(_fitted(self.size, _SAMPLE)))

    def overview(self) -> Image:
        """(h, w, 3) uint8 RGB of the whole, of at most 4096 pixels; read once."""
        if self._overview is None:
            self._overview = self.view(VIEW)
        return self._overview

    def display_warnings(self) -> list[str]:
        """``warnings``, and whether the fixed rules show what is there, judged by a view of the whole."""
        is_narrow = self._file.dtypes[self._bands[0] - 1] == "uint8"
        is_known = self._palette is not None or self._ranges[0] is not None
        if is_narrow or is_known:  # nothing to judge, and the file need not be read again for it
            return self.warnings
        return self.warnings + range_warnings(self.values(), self._numbers)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        if self._held is not None:
            self._held.close()

    def _turned(self, size: Size) -> Size:
        """A size as shown, of one as stored; and the other way round."""
        return (size[1], size[0]) if self._orientation >= 5 else size

    def _stored(self, tile: Tile) -> Tile:
        """Where a rectangle of the upright image lies in the file; see `pixels.upright`."""
        top, left, bottom, right = tile
        if self._orientation in (3, 4, 7, 8):
            top, bottom = self.size[0] - bottom, self.size[0] - top
        if self._orientation in (2, 3, 6, 7):
            left, right = self.size[1] - right, self.size[1] - left
        return Tile(left, top, right, bottom) if self._orientation >= 5 else Tile(top, left, bottom, right)

    def _values(self, bands: list[int], **part: Any) -> Array:
        """(bands, h, w) values as they are in the file, 0 where it has none; of the whole in that ``shape``."""
        return np.ma.filled(self._read(bands, **part), 0)

    def _read(self, bands: list[int], *, shape: Size | None = None, **part: Any) -> Array:
        """The same, masked where there may be gaps."""
        if shape is not None:
            part["out_shape"] = (len(bands), *shape)
        with readable(self._path):
            values: Array = self._file.read(bands, masked=self._has_gaps, **part)
        return values

    def _rgb(self, **part: Any) -> Image:
        """(h, w, 3) uint8 RGB of a part of the file, upright."""
        read = self._read(self._bands, **part)
        values = np.ma.filled(read, 0)
        if self._palette is not None:
            image: Image = self._palette[values[0]]
        else:
            channels = [
                eight_bits(each, self._numbers, span) for each, span in zip(values, self._ranges, strict=True)
            ]
            image = self._colors(channels)
        image[np.ma.getmaskarray(read).all(axis=0)] = 0
        if self._alpha is not None:
            (alpha,) = self._values([self._alpha], **part)
            image = self._on_white(image, eight_bits(alpha, Numbers(self._numbers.bits)))
        return upright(image, self._orientation)

    def _colors(self, channels: list[NDArray[np.uint8]]) -> Image:
        """(h, w, 3) uint8 RGB of one, three or four channels, their profile applied."""
        if self._inks == "LAB":
            signed = [channels[0], *(each ^ np.uint8(128) for each in channels[1:])]
            return np.array(rgb_from_lab(Pillow.merge("LAB", list(map(Pillow.fromarray, signed)))))
        if self._inks == "CMYK":
            merged = Pillow.merge("CMYK", list(map(Pillow.fromarray, channels)))
            return np.array(to_srgb(merged, self._profile, self.warnings))
        if self._profile is None:
            return np.stack(channels * (3 // len(channels)), axis=2)
        plain = channels[0] if len(channels) == 1 else np.stack(channels, axis=2)
        return np.array(to_srgb(Pillow.fromarray(plain), self._profile, self.warnings))

    def _on_white(self, image: Image, alpha: NDArray[np.uint8]) -> Image:
        if self._page.is_premultiplied:
            lifted = image.astype(np.uint16) + (WHITE - alpha)[..., None]
            return np.asarray(np.minimum(lifted, WHITE), dtype=np.uint8)
        return on_white(np.dstack([image, alpha]))

    def _chosen_bands(self, bands: tuple[int, ...] | None) -> list[int]:
        count = self._file.count
        if bands is not None:
            if max(bands) > count:
                raise InvalidValue(f"{self._path}: need bands of 1 to {count}, got band {max(bands)}")
            return list(bands)
        if self._inks:
            return [1, 2, 3, 4][: len(self._inks)]
        colors = [each.name for each in self._file.colorinterp]
        if {"red", "green", "blue"} <= set(colors):
            return [1 + colors.index(each) for each in ("red", "green", "blue")]
        chosen = [1, 2, 3] if count - colors.count("alpha") >= 3 else [1]
        passed = count - len(chosen) - colors.count("alpha")
        if passed:
            shown = (
                "band 1 is shown as gray"
                if len(chosen) == 1
                else "bands 1, 2, 3 are shown as red, green, blue"
            )
            self.warnings.append(f"{count} bands without color names: {shown}; --bands chooses others")
        return chosen

    def _refuse_complex(self) -> None:
        kind = self._file.dtypes[self._bands[0] - 1]
        if kind.startswith("complex"):
            raise UnreadableImage(
                f"{self._path}: need real numbers, got complex ones ({kind}), as of radar; save their amplitude"
            )

    def _alpha_band(self) -> int | None:
        """The number of the band that says how opaque each pixel is."""
        colors = [each.name for each in self._file.colorinterp]
        number = 1 + colors.index("alpha") if "alpha" in colors and not self._inks else None
        return None if number in self._bands else number

    def _can_have_gaps(self, band: int) -> bool:
        """Whether some of a band may be no data; transparency is none, but on a map it is how gaps are marked."""
        flags = flag_names(self._file.mask_flag_enums[band - 1])
        return "all_valid" not in flags and ("alpha" not in flags or self.geo is not None)

    def _value_ranges(self, stretch: tuple[float, float] | None) -> list[tuple[float, float] | None]:
        """What becomes 0 and 255 in each band; None leaves it to the fixed rules."""
        wide = self._file.dtypes[self._bands[0] - 1] != "uint8"
        if self._palette is not None or (stretch is None and not (wide and self.geo is not None)):
            return [None] * len(self._bands)
        low, high = stretch or _GEO_STRETCH
        shape = self._turned(_fitted(self.size, _SAMPLE))
        with readable(self._path):
            sample = self._file.read(self._bands, masked=True, out_shape=(len(self._bands), *shape))
        ranges = [_percentiles(band, low, high) for band in sample]
        if np.ma.getmaskarray(sample).all():
            self.warnings.append("every pixel is marked as no data")
        elif stretch is None:
            shown = ", ".join(f"{first:g} to {last:g}" for first, last in ranges)
            self.warnings.append(
                f"values {shown} were stretched to 0 to 255; choose the percentiles with --stretch"
            )
        return list(ranges)


def _pages(path: Path) -> tuple[TiffPage, ...]:
    """The pages of a file; none where it cannot be read, which GDAL will say better."""
    try:
        return tiff_pages(path).pages
    except OSError:
        return ()


def _inks_of(page: TiffPage) -> str:
    """Pillow's mode for a page whose own inks are read, and not the colors that GDAL would make of them, else ""."""
    mode = _INKS.get(page.photometric, "")
    return mode if page.number == 0 and page.samples >= len(mode) and max(page.bits) == 8 else ""


def _percentiles(band: np.ma.MaskedArray[Any, Any], low: float, high: float) -> tuple[float, float]:
    """Two percentiles of the finite values that are data; 0 and 1 where there are none."""
    values = np.asarray(band.compressed(), dtype=np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    first, last = np.percentile(values, [low, high]).tolist()
    return first, last


def _fitted(size: Size, long_side: int) -> Size:
    scale = min(1.0, long_side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))

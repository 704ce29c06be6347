"""Read the pages of a TIFF, as microscopes write them, as the frames of one video."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image as Pillow

from maskweave.errors import UnreadableImage, UnreadableVideo
from maskweave.optional import missing
from maskweave.sources.base import FRAME_RATE, MAX_PIXELS, Closing, check_budget, exact_rate, warn_once
from maskweave.sources.damaged import DamagedMembers
from maskweave.sources.images import open_encoded, pillow_opens, rgb_upright
from maskweave.sources.pixels import eight_bits
from maskweave.sources.raster_options import RasterOptions
from maskweave.sources.tiff import TiffPage, tiff_pages
from maskweave.types.arrays import Array, Image
from maskweave.types.frame import Frame, SourceInfo
from maskweave.types.windows import Tile

_SAMPLED_PAGES = 16  # that percentiles are taken of, evenly spread over the stack
_SAMPLED_PIXELS = 250_000  # of each of them


class TiffStackSource(Closing):
    """The pages of one TIFF, all of one size, in their order; reduced views and masks in the file are passed over.

    Pages are read by the rules of photos (`maskweave.sources.pixels`), so that equal values are equal in every page
    and every stack; with ``raster_options.stretch`` two percentiles of the whole stack (of 16 pages of it) become 0
    and 255 instead. The time of a page is its number / ``rate``. Damaged pages are left out, and named.

    Raises `UnreadableVideo` for a file without pages, `MissingDependency` where only rasterio knows pages of their
    kind and it is not installed, and `InvalidValue` for a rate that is not positive. Iterating raises
    `UnreadableVideo` for a page of another size, `ImageTooLarge`, and `UnreadableImage` where no page can be read.
    """

    def __init__(
        self,
        path: Path,
        name: str | None = None,
        *,
        rate: Fraction | float = FRAME_RATE,
        max_pixels: int = MAX_PIXELS,
        raster_options: RasterOptions | None = None,
    ) -> None:
        found = tiff_pages(path)
        if not found.pages:
            raise UnreadableVideo(
                f"{path}: need the pages of a TIFF, got a file that is none or is cut short"
            )
        self._path, self._max_pixels = path, max_pixels
        self._pages = found.pages
        self._raster_options = raster_options or RasterOptions()
        self._reader = self._fitting_reader()
        exact = exact_rate(rate)
        self._step = 1 / exact
        self.info = SourceInfo(
            name=name or path.stem,
            kind="video",
            path=path,
            rate=exact,
            time_base=self._step,
            frame_count=len(found.pages),
            duration=float(len(found.pages) * self._step),
        )
        self.warnings: list[str] = []
        self._missing = found.missing
        self.warnings += self._missing

    def __iter__(self) -> Iterator[Frame]:
        height, width = size = self._pages[0].upright_size
        check_budget(width, height, max_pixels=self._max_pixels, label=str(self._path))
        for number, page in enumerate(self._pages, start=1):
            if page.upright_size != size:
                raise UnreadableVideo(
                    f"{self._path}: need pages of {width} x {height} pixels like the first, page {number} has "
                    f"{page.upright_size[1]} x {page.upright_size[0]}; leave --as-video out"
                )
        damaged = DamagedMembers("page", of=len(self._pages))
        try:
            span = self._span()
            for number, page in enumerate(self._pages):
                try:
                    with self._readable(number):
                        image = self._reader.image(page, span, self.warnings)
                except UnreadableImage as error:
                    damaged.add(str(number + 1), error)
                    continue
                yield Frame(image, number - len(damaged), number * self._step, self._step, self.info.name)
        finally:
            self._reader.close()
        self.warnings += damaged.sentences()
        self.is_incomplete = bool(damaged or self._missing)

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def _fitting_reader(self) -> _PageReader:
        """Pillow, or rasterio where Pillow does not know a page's kind or bands are to be chosen."""
        photos = all(page.pillow_is_right for page in self._pages) and pillow_opens(self._path)
        if photos and self._raster_options.bands is None:
            return _PillowPages(self._path)
        from maskweave.sources.gdal import has_rasterio

        if not has_rasterio():
            raise missing(f"{self._path}: pages of {self._pages[0].in_words()}", "rasterio", extra="geo")
        return _RasterPages(self._path, self._raster_options.bands)

    @contextmanager
    def _readable(self, index: int) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, EOFError, SyntaxError) as error:
            raise UnreadableImage(
                f"{self._path}: page {index + 1} is damaged or cut short ({error})"
            ) from error

    def _span(self) -> tuple[float, float] | None:
        """What becomes 0 and 255; None for the fixed rules."""
        if self._raster_options.stretch is None:
            return None
        chosen = np.unique(np.linspace(0, len(self._pages) - 1, _SAMPLED_PAGES).round().astype(int)).tolist()
        sampled = []
        for index in chosen:
            with suppress(UnreadableImage), self._readable(index):  # named when its turn comes
                values = self._reader.values(self._pages[index]).astype(np.float64).ravel()
                values = values[:: max(1, len(values) // _SAMPLED_PIXELS)]
                sampled.append(values[np.isfinite(values)])
        values = np.concatenate(sampled or [np.zeros(0)])
        if not len(values):
            return 0.0, 1.0
        low, high = np.percentile(values, self._raster_options.stretch).tolist()
        return low, high


class _PageReader(Protocol):
    """A decoder of single pages."""

    def values(self, page: TiffPage) -> Array:
        """The page's numbers, of any shape."""

    def image(self, page: TiffPage, span: tuple[float, float] | None, warnings: list[str]) -> Image:
        """(H, W, 3) uint8 RGB, upright; ``span``: what becomes 0 and 255, None for the fixed rules."""

    def close(self) -> None:
        """Close the file."""


class _PillowPages:
    """Pages of the kinds that photos have."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._image: Pillow.Image | None = None

    def values(self, page: TiffPage) -> Array:
        """See `_PageReader`."""
        return np.asarray(self._loaded(page))

    def image(self, page: TiffPage, span: tuple[float, float] | None, warnings: list[str]) -> Image:
        """See `_PageReader`."""
        image = self._loaded(page)
        if span is None:
            return rgb_upright(image, warnings)
        values = np.asarray(image)
        if values.ndim == 2 and image.mode not in ("P", "1"):
            return np.repeat(eight_bits(values, span=span)[:, :, None], 3, axis=2)
        return eight_bits(rgb_upright(image, warnings), span=span)

    def _loaded(self, page: TiffPage) -> Pillow.Image:
        """The page, decoded; Pillow turns it upright then."""
        if self._image is None:
            self._image = open_encoded(self._path)
        self._image.seek(page.number)
        self._image.load()
        return self._image

    def close(self) -> None:
        """See `_PageReader`."""
        image, self._image = self._image, None
        if image is not None:
            image.close()


class _RasterPages:
    """Pages that only GDAL knows: several bands of many bits, floats of 64 bits, and so on."""

    def __init__(self, path: Path, bands: tuple[int, ...] | None) -> None:
        self._path = path
        self._raster_options = RasterOptions(bands=bands)

    def values(self, page: TiffPage) -> Array:
        """See `_PageReader`."""
        from maskweave.sources.raster import RasterWindows

        windows = RasterWindows(self._path, self._raster_options, page)
        try:
            return windows.values()
        finally:
            windows.close()

    def image(self, page: TiffPage, span: tuple[float, float] | None, warnings: list[str]) -> Image:
        """See `_PageReader`."""
        from maskweave.sources.raster import RasterWindows

        windows = RasterWindows(self._path, self._raster_options, page, span=span)
        try:
            image = windows.read(Tile(0, 0, *windows.size))
            warn_once(warnings, *windows.display_warnings())
            return image
        finally:
            windows.close()

    def close(self) -> None:
        """Each page is closed when it has been read."""

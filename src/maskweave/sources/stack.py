"""The pages of a TIFF, as microscopes write them, read as the frames of one video."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from maskweave.errors import UnreadableImage, UnreadableVideo
from maskweave.sources.base import FRAME_RATE, MAX_PIXELS, Closing, check_budget, exact_rate
from maskweave.sources.pixels import rgb_from_pillow, rgb_from_values
from maskweave.sources.reading import Reading
from maskweave.sources.tiff import tiff_pages
from maskweave.types.arrays import Image
from maskweave.types.frame import Frame, SourceInfo

_SAMPLED_PAGES = 16  # that percentiles are taken of, evenly spread over the stack
_SAMPLED_PIXELS = 250_000  # of each of them
_DIM = 4096  # values up to which 16-bit pages are nearly black by the fixed rule
_BITS_16 = ("I;16", "I;16L", "I;16B", "I;16N", "I")


class TiffStackSource(Closing):
    """The pages of one TIFF, all of one size, in their order; reduced views and masks in the file are passed over.

    Pages of 8 bits are read as photos are. Of 16 bits the high byte is taken, so that equal values are equal in
    every page and every stack; ``reading.stretch`` takes two percentiles of the whole stack (of 16 pages of it) as 0
    and 255 instead. Times are index / ``rate``.

    Raises `UnreadableVideo` for a file without pages, and `InvalidValue` for a rate that is not positive. Iterating
    raises `UnreadableVideo` for a page of another size, `ImageTooLarge`, and `UnreadableImage` for a damaged page.
    """

    def __init__(
        self,
        path: Path,
        name: str | None = None,
        *,
        rate: Fraction | float = FRAME_RATE,
        max_pixels: int = MAX_PIXELS,
        reading: Reading | None = None,
    ) -> None:
        pages = tiff_pages(path)
        if not pages:
            raise UnreadableVideo(
                f"{path}: need the pages of a TIFF, got a file that is none or is cut short"
            )
        self._path, self._max_pixels = path, max_pixels
        self._pages = pages
        self._stretch = (reading or Reading()).stretch
        exact = exact_rate(rate)
        self._step = 1 / exact
        self.info = SourceInfo(
            name=name or path.stem,
            kind="video",
            path=path,
            rate=exact,
            time_base=self._step,
            frame_count=len(pages),
            duration=float(len(pages) * self._step),
        )
        self.warnings: list[str] = []

    def __iter__(self) -> Iterator[Frame]:
        height, width = size = self._pages[0].size
        check_budget(width, height, max_pixels=self._max_pixels, label=str(self._path))
        for number, page in enumerate(self._pages, start=1):
            if page.size != size:
                raise UnreadableVideo(
                    f"{self._path}: need pages of {width} x {height} pixels like the first, page {number} has "
                    f"{page.size[1]} x {page.size[0]}; leave --as-video out"
                )
        with self._opened() as picture:
            span = self._span(picture)
            for index, page in enumerate(self._pages):
                with self._readable(index):
                    picture.seek(page.number)
                    picture.load()
                    image = self._rgb(picture, span)
                yield Frame(image, index, index * self._step, self._step, self.info.name)

    @contextmanager
    def _opened(self) -> Iterator[Pillow.Image]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Pillow.DecompressionBombWarning)  # the budget is checked by us
            try:
                picture = Pillow.open(self._path, formats=["TIFF"])
            except (UnidentifiedImageError, OSError, Pillow.DecompressionBombError) as error:
                raise UnreadableImage(
                    f"{self._path}: pages of this kind are not supported as a stack ({error})"
                ) from error
        with picture:
            yield picture

    @contextmanager
    def _readable(self, index: int) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, EOFError, SyntaxError) as error:
            raise UnreadableImage(
                f"{self._path}: page {index + 1} is damaged or cut short ({error})"
            ) from error

    def _span(self, picture: Pillow.Image) -> tuple[float, float] | None:
        """What becomes 0 and 255; None for the fixed rules."""
        if self._stretch is None:
            return None
        chosen = np.unique(np.linspace(0, len(self._pages) - 1, _SAMPLED_PAGES).round().astype(int)).tolist()
        sampled = []
        for index in chosen:
            with self._readable(index):
                picture.seek(self._pages[index].number)
                values = np.asarray(picture, dtype=np.float64).ravel()
            values = values[:: max(1, len(values) // _SAMPLED_PIXELS)]
            sampled.append(values[np.isfinite(values)])
        values = np.concatenate(sampled)
        if not len(values):
            return 0.0, 1.0
        low, high = np.percentile(values, self._stretch).tolist()
        return low, high

    def _rgb(self, picture: Pillow.Image, span: tuple[float, float] | None) -> Image:
        if span is None:
            self._tell_if_dim(picture)
            return rgb_from_pillow(picture)
        values = np.asarray(picture)
        if values.ndim == 2 and picture.mode not in ("P", "1"):
            return np.repeat(rgb_from_values(values, span)[:, :, None], 3, axis=2)
        return rgb_from_values(rgb_from_pillow(picture), span)

    def _tell_if_dim(self, picture: Pillow.Image) -> None:
        if self.warnings or picture.mode not in _BITS_16:
            return
        brightest = int(np.asarray(picture).max())
        if brightest < _DIM:
            self.warnings.append(
                f"values reach {brightest} of 65535, nearly black; --stretch 0.1,99.9 uses the whole range"
            )

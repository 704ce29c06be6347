"""Options for images that hold more than 8-bit RGB: which bands, which values, in pieces or whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from maskweave.errors import InvalidValue


@dataclass(frozen=True)
class RasterOptions:
    """How rasters, microscopy and medical images are read; photos need none of this.

    Args:
        tiles: Read formats that allow it tile by tile, so that an image may be larger than memory.
        bands: Numbers, from 1, of the bands of a TIFF that are shown as red, green and blue, or one for gray. None:
            what the file calls red, green and blue, else its first three, else its first.
        stretch: Low and high percentile of a TIFF's values in each band that become 0 and 255. None: 2 and 98 for
            georeferenced files of more than 8 bits, else the fixed rules of `sources.pixels`.
        window: Center and width of the values of DICOM and NIfTI that become 0 to 255. None: the file's own.

    Raises:
        InvalidValue: A number is outside its range.
    """

    tiles: bool = False
    bands: tuple[int, ...] | None = None
    stretch: tuple[float, float] | None = None
    window: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.bands is not None and (len(self.bands) not in (1, 3) or min(self.bands) < 1):
            raise InvalidValue(f"bands: need one or three numbers from 1, got {_listed(self.bands)}")
        if self.stretch is not None and not 0 <= self.stretch[0] < self.stretch[1] <= 100:
            raise InvalidValue(f"stretch: need percentiles low < high in 0..100, got {_listed(self.stretch)}")
        if self.window is not None and not self.window[1] >= 1:
            raise InvalidValue(f"window: need a center and a width of 1 or more, got {_listed(self.window)}")

    @classmethod
    def parse(
        cls, *, bands: str | None, stretch: str | None, window: str | None, tiles: bool = False
    ) -> Self:
        """Parse the texts of the command line.

        Args:
            bands: "4,3,2", or None.
            stretch: "2,98", or None.
            window: "40,400", or None.
            tiles: Read tile by tile.

        Raises:
            InvalidValue: A text holds no such numbers.

        Example:
            >>> RasterOptions.parse(bands="4,3,2", stretch="2,98", window=None).bands
            (4, 3, 2)
        """
        numbers = None if bands is None else _numbers("bands", bands)
        if numbers is not None and any(each != int(each) for each in numbers):
            raise InvalidValue(f"bands: need whole numbers, got {bands!r}")
        return cls(
            tiles=tiles,
            bands=None if numbers is None else tuple(int(each) for each in numbers),
            stretch=None if stretch is None else _pair("stretch", stretch),
            window=None if window is None else _pair("window", window),
        )


def _pair(option: str, text: str) -> tuple[float, float]:
    numbers = _numbers(option, text)
    if len(numbers) != 2:
        raise InvalidValue(f"{option}: need two numbers with a comma between, got {text!r}")
    return numbers[0], numbers[1]


def _numbers(option: str, text: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(word) for word in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or any(each - each != 0 for each in numbers):  # infinity and NaN
        raise InvalidValue(f"{option}: need numbers with commas between, got {text!r}")
    return numbers


def _listed(numbers: tuple[float, ...]) -> str:
    return ",".join(f"{each:g}" for each in numbers) or "none"

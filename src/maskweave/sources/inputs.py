"""An input that was found but not opened yet, and the settings to open it with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from maskweave.sources.base import Source
from maskweave.sources.lazy import AnyKind
from maskweave.sources.raster_options import RasterOptions


@dataclass(frozen=True)
class Input:
    """An input before names are made distinct.

    ``path``: the file, or the folder that holds its files, as its ``part``-th input. ``notes``: what was passed over
    where it was found.
    """

    stem: str
    label: str
    open_as: Callable[[str], Source]
    kind: AnyKind | None
    suffix: str = ""
    path: Path | None = None
    notes: tuple[str, ...] = ()
    part: int = 0


@dataclass(frozen=True)
class InputSettings:
    """How what is found is to be read."""

    recursive: bool
    max_pixels: int
    as_video: bool
    rate: Fraction
    reconnect: float
    raster_options: RasterOptions
    ignore: Callable[[Path], bool] | None

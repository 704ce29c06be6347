"""The seam to data set formats: a reader yields records, a writer takes them, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from maskweave.errors import InvalidValue
from maskweave.formats.ledger import Ledger
from maskweave.formats.record import Record

Feature: TypeAlias = Literal[
    "overlaps", "holes", "parts", "boxes", "scores", "tracks", "crowd", "class map", "class names", "category ids",
    "empty pictures", "file names",
]  # fmt: skip
"""What a record may hold and a format may not."""
FEATURES: tuple[Feature, ...] = get_args(Feature)

MaskStyle: TypeAlias = Literal["auto", "rle", "polygons"]
HolePolicy: TypeAlias = Literal["keep", "fill"]
OverlapPolicy: TypeAlias = Literal["score", "small", "refuse"]
CrowdPolicy: TypeAlias = Literal["keep", "skip"]
PicturePolicy: TypeAlias = Literal["none", "copy", "link"]
Affine: TypeAlias = tuple[float, float, float, float, float, float]
"""a, b, c, d, e, f: map x = a column + b row + c, map y = d column + e row + f."""


@dataclass(frozen=True)
class Options:
    """The choices of a conversion.

    - ``masks``: "polygons", "rle" (run lengths or bitmaps), or what the format usually has ("auto").
    - ``holes``: in formats of outlines, "keep" them (by another kind of mask, or a seam) or "fill" them.
    - ``overlaps``: in pictures of ids, the better "score" or the "small" object is in front, or they are refused.
    - ``crowd``: formats that know no crowds "keep" them as objects or "skip" them.
    - ``pictures``: are put beside the labels, where the layout has a place for them.
    - ``images``: folder of the pictures, where they do not lie where the layout says.
    - ``truth``: COCO file with images and categories for a file of results.
    - ``affine``: from pixels to a map, for GeoJSON.

    Raises `InvalidValue` for an affine transform that cannot be undone.
    """

    masks: MaskStyle = "auto"
    holes: HolePolicy = "keep"
    overlaps: OverlapPolicy = "score"
    crowd: CrowdPolicy = "keep"
    pictures: PicturePolicy = "none"
    images: Path | None = None
    truth: Path | None = None
    affine: Affine | None = None

    def __post_init__(self) -> None:
        """Check the transform."""
        if self.affine is not None and not self.affine[0] * self.affine[4] - self.affine[1] * self.affine[3]:
            raise InvalidValue(f"affine: need a transform that can be undone, got {self.affine}")


Put: TypeAlias = Callable[[Record], None]
Recognise: TypeAlias = Callable[[Path], str | None]
Read: TypeAlias = Callable[[Path, Options, Ledger], Iterator[Record]]
Write: TypeAlias = Callable[[Path, Options, Ledger], AbstractContextManager[Put]]


@dataclass(frozen=True)
class Format:
    """One format of the table.

    - ``name``: what ``--to`` and ``--from`` take. ``title``: for people. ``layout``: what lies on the disk.
    - ``keeps``: what of a record survives writing and reading; the rest is measured and told.
    - ``recognise``: why a path is taken for this format, or None when it is not; reads little.
    - ``read``: yields records one at a time; a record that is broken goes to the ledger, a source that cannot be read
      at all raises `SourceError` or `InvalidValue`.
    - ``write``: a context manager that gives the function which takes records; what it writes appears when whole.
      All losses of a record are told to the ledger before anything of it is written.
    - ``note``: what else the format cannot hold, for the table of the README.
    """

    name: str
    title: str
    layout: str
    keeps: frozenset[Feature]
    recognise: Recognise | None
    read: Read | None
    write: Write
    note: str = ""

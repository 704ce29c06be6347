"""What the directories of a TIFF say, read without decoding: how many pages, their sizes, georeferenced or not.

Layout: TIFF 6.0, https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf, and BigTIFF,
http://bigtiff.org/.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from maskweave.sources.kinds import is_regular
from maskweave.types.arrays import Size

_SUBFILE, _WIDTH, _HEIGHT, _GEO_KEYS = 254, 256, 257, 34735
_REDUCED_OR_MASK = (
    0b101  # bits of the sub-file type: a smaller version, or a transparency mask, of another page
)
_MOST_PAGES = 100_000
_MOST_ENTRIES = 4096


@dataclass(frozen=True)
class TiffPage:
    """One page: its number in the file, its (height, width), and what it is.

    ``is_view``: only a smaller version, or a mask, of another page.
    """

    number: int
    size: Size
    is_georeferenced: bool
    is_view: bool


def is_tiff(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is a TIFF or a BigTIFF."""
    return head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def tiff_pages(path: Path) -> list[TiffPage]:
    """The pages, views of other pages (overviews, masks) left out; none where the file is no whole TIFF.

    Raises `OSError` when the file cannot be read.
    """
    with path.open("rb") as file:
        try:
            return [page for page in _pages(file) if not page.is_view]
        except struct.error:  # cut short; whoever decodes it will say so
            return []


def has_pages(path: Path) -> bool:
    """Whether a file is a TIFF of more than one page; False also for what cannot be read."""
    try:
        return is_regular(path) and len(tiff_pages(path)) > 1
    except OSError:
        return False


def _pages(file: BinaryIO) -> list[TiffPage]:
    head = file.read(16)
    if not is_tiff(head):
        return []
    order = "<" if head[:2] == b"II" else ">"
    big = head[2:4].strip(b"\0") == b"+"
    place = struct.unpack_from(order + ("Q" if big else "I"), head, 8 if big else 4)[0]
    pages: list[TiffPage] = []
    seen: set[int] = set()
    while place and place not in seen and len(pages) < _MOST_PAGES:
        seen.add(place)
        file.seek(place)
        values = _directory(file, order, big)
        pages.append(
            TiffPage(
                len(pages),
                (values.get(_HEIGHT, 0), values.get(_WIDTH, 0)),
                _GEO_KEYS in values,
                bool(values.get(_SUBFILE, 0) & _REDUCED_OR_MASK),
            )
        )
        place = _unpack(file, order + ("Q" if big else "I"))
    return pages


def _directory(file: BinaryIO, order: str, big: bool) -> dict[int, int]:
    """The tags of a directory, each with the first number that stands in its own field."""
    count = _unpack(file, order + ("Q" if big else "H"))
    if count > _MOST_ENTRIES:
        raise struct.error("too many tags")
    step = 20 if big else 12
    data = file.read(count * step)
    values = {}
    for start in range(0, count * step, step):
        tag, kind = struct.unpack_from(order + "HH", data, start)
        values[tag] = struct.unpack_from(
            order + ("H" if kind == 3 else "I"), data, start + (12 if big else 8)
        )[0]
    return values


def _unpack(file: BinaryIO, layout: str) -> int:
    number: int = struct.unpack(layout, file.read(struct.calcsize(layout)))[0]
    return number

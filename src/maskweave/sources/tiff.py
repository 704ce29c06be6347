"""Read the directories of a TIFF without decoding it: its pages, and how their numbers are meant.

Layout: TIFF 6.0, https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf, and BigTIFF,
http://bigtiff.org/.
"""

from __future__ import annotations

import os
import re
import struct
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias

from maskweave.sources.kinds import is_regular, is_tiff
from maskweave.types.arrays import Size

_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_DESCRIPTION, _ORIENTATION, _SAMPLES, _PLANES, _SUB_DIRECTORIES = 270, 274, 277, 284, 330
_EXTRA, _FORMAT, _GEO_KEYS, _NODATA, _DNG = 338, 339, 34735, 42113, 50706
_REDUCED = 0b1  # bits of the sub-file type: a smaller version of another page,
_MASK = 0b100  # or a transparency mask of one
_MAX_PAGES = 100_000
_MAX_ENTRIES = 4096
_MAX_VALUES = 16  # of one tag that are read; descriptions are longer, and cut
_MAX_TEXT = 4096
_LETTERS = {1: "B", 2: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 16: "Q", 18: "Q"}
"""Type of a tag's values: letter for `struct`. Others (fractions, floats) are not needed."""
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _TRANSPARENCY_MASK = 0, 1, 4
_RAW_SENSOR = (32803, 34892)  # photometric: a color filter array, linear raw
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3
_PLAIN_COMPRESSION = (1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32946)  # that every build of Pillow decodes
_FORMAT_NAMES = {_UNSIGNED: "uint", _SIGNED: "int", _FLOAT: "float"}
_Order: TypeAlias = Literal["<", ">"]


@dataclass(frozen=True)
class TiffPage:
    """One page of a TIFF.

    - ``number``: in the file, views counted; ``offset``: of its directory.
    - ``size``: (height, width) as stored; `upright_size` as shown. ``orientation``: 1 to 8, as in EXIF.
    - ``is_view``: only a smaller version, or a mask, of another page. ``has_mask``: such a mask follows.
    - ``photometric``, ``bits``, ``sample_format``, ``samples``, ``extra``, ``compression``, ``is_planar``: the tags.
    - ``has_nodata``: it names a value that stands for no data.
    - ``stacked``: images that ImageJ put into this one page without directories of their own, else 1.
    """

    number: int
    offset: int
    size: Size
    is_view: bool = False
    has_mask: bool = False
    is_georeferenced: bool = False
    orientation: int = 1
    photometric: int = _BLACK_IS_ZERO
    bits: tuple[int, ...] = (1,)
    sample_format: int = _UNSIGNED
    samples: int = 1
    extra: tuple[int, ...] = ()
    compression: int = 1
    is_planar: bool = False
    has_nodata: bool = False
    is_raw_photo: bool = False
    stacked: int = 1

    @property
    def upright_size(self) -> Size:
        """(height, width) as it is shown."""
        return (self.size[1], self.size[0]) if self.orientation >= 5 else self.size

    @property
    def is_inverted(self) -> bool:
        """Whether 0 is white."""
        return self.photometric == _WHITE_IS_ZERO

    @property
    def is_premultiplied(self) -> bool:
        """Whether its colors were multiplied by their alpha ("associated alpha")."""
        return self.extra[:1] == (1,)

    @property
    def pillow_is_right(self) -> bool:
        """Whether Pillow, where it opens the page at all, decodes it to the numbers that were stored."""
        wide_planes = self.is_planar and self.samples > 1 and max(self.bits) > 8
        return self.compression in _PLAIN_COMPRESSION and not wide_planes

    def in_words(self) -> str:
        """How many channels of what kind, for messages.

        >>> TiffPage(0, 8, (2, 2), bits=(16,) * 5, samples=5).in_words()
        '5 bands of uint16'
        """
        kind = f"{_FORMAT_NAMES.get(self.sample_format, 'data ')}{max(self.bits)}"
        packed = "" if self.compression in _PLAIN_COMPRESSION else f", compression {self.compression}"
        return f"{self.samples} band{'s' if self.samples > 1 else ''} of {kind}{packed}"


@dataclass(frozen=True)
class TiffPages:
    """The pages of a file, views left out; ``is_whole``: whether their chain was read to its end."""

    pages: tuple[TiffPage, ...]
    is_whole: bool

    @property
    def missing(self) -> list[str]:
        """What is not there although it should be, in a sentence; nothing where the file is whole."""
        count = len(self.pages)
        promised = self.pages[0].stacked if count else 1
        if count > 1 and promised > count:
            return [f"{count} of {promised} pages: the file is damaged or cut short"]
        if count and not self.is_whole:
            return [f"the list of its pages breaks off after {count}: the file is damaged or cut short"]
        return []


def tiff_pages(data: Path | BinaryIO) -> TiffPages:
    """The pages of a TIFF up to where its chain of directories breaks; none where it is no TIFF.

    Raises `OSError` when a file cannot be read.
    """
    found: list[TiffPage] = []
    with data.open("rb") if isinstance(data, Path) else nullcontext(data) as file:
        is_whole = _read_chain(file, found)
    masked = {page.number - 1 for page in found if page.photometric == _TRANSPARENCY_MASK}
    pages = (
        replace(page, has_mask=page.number in masked)
        for page in found
        if not page.is_view or (page.number == 0 and page.is_raw_photo)
    )
    return TiffPages(tuple(pages), is_whole)


def has_pages(path: Path) -> bool:
    """Whether a file is a TIFF of more than one page; False also for what cannot be read."""
    try:
        return is_regular(path) and len(tiff_pages(path).pages) > 1
    except OSError:
        return False


def _read_chain(file: BinaryIO, found: list[TiffPage]) -> bool:
    """Add the pages to ``found``; False where the chain breaks before its end."""
    head = file.read(16)
    if not is_tiff(head):
        return False
    order: _Order = "<" if head[:2] == b"II" else ">"
    big = head[2:4].strip(b"\0") == b"+"
    length = file.seek(0, os.SEEK_END)
    seen: set[int] = set()
    try:
        (place,) = struct.unpack_from(order + ("Q" if big else "I"), head, 8 if big else 4)
        while place and place not in seen and len(found) < _MAX_PAGES:
            if place >= length:  # a number out of the file; seeking there may not even be possible
                return False
            seen.add(place)
            tags = _Directory(file, place, length, order, big=big)
            found.append(tags.page(len(found), is_canon_raw=head[8:10] == b"CR" and not big))
            place = tags.following
    except struct.error:
        return False
    return bool(found)


class _Directory:
    """The tags of one directory; raises `struct.error` where it is cut short."""

    def __init__(self, file: BinaryIO, place: int, length: int, order: _Order, *, big: bool) -> None:
        self._file, self._place, self._length, self._order, self._big = file, place, length, order, big
        file.seek(place)
        count = self._unpack("Q" if big else "H")
        if count > _MAX_ENTRIES:
            raise struct.error("too many tags")
        step = 20 if big else 12
        data = file.read(count * step)
        if len(data) < count * step:
            raise struct.error("cut short")
        self._fields: dict[int, tuple[int, int, bytes]] = {}
        for start in range(0, count * step, step):
            tag, kind = struct.unpack_from(order + "HH", data, start)
            (length,) = struct.unpack_from(order + ("Q" if big else "I"), data, start + 4)
            self._fields.setdefault(tag, (kind, length, data[start + (12 if big else 8) : start + step]))
        self.following = self._unpack("Q" if big else "I")

    def page(self, number: int, *, is_canon_raw: bool) -> TiffPage:
        """What they say of the page."""
        samples = self._first(_SAMPLES, 1)
        bits = self._values(_BITS) or (1,)
        subfile = self._first(_SUBFILE, 0)
        photometric = self._first(_PHOTOMETRIC, _BLACK_IS_ZERO)
        orientation = self._first(_ORIENTATION, 1)
        is_preview = number == 0 and bool(subfile & _REDUCED) and _SUB_DIRECTORIES in self._fields
        return TiffPage(
            number,
            self._place,
            (self._first(_HEIGHT, 0), self._first(_WIDTH, 0)),
            is_view=bool(subfile & (_REDUCED | _MASK)),
            is_georeferenced=_GEO_KEYS in self._fields,
            orientation=orientation if 1 <= orientation <= 8 else 1,
            photometric=photometric,
            bits=bits,
            sample_format=self._first(_FORMAT, _UNSIGNED),
            samples=samples,
            extra=self._values(_EXTRA),
            compression=self._first(_COMPRESSION, 1),
            is_planar=self._first(_PLANES, 1) == 2,
            has_nodata=_NODATA in self._fields,
            is_raw_photo=is_canon_raw or is_preview or _DNG in self._fields or photometric in _RAW_SENSOR,
            stacked=_images_of_imagej(self._text(_DESCRIPTION)),
        )

    def _first(self, tag: int, default: int) -> int:
        values = self._values(tag)
        return values[0] if values else default

    def _values(self, tag: int, limit: int = _MAX_VALUES) -> tuple[int, ...]:
        """The first whole numbers of a tag; none where it is not there, of another type, or out of the file."""
        kind, count, field = self._fields.get(tag, (0, 0, b""))
        letter = _LETTERS.get(kind)
        if letter is None:
            return ()
        size = struct.calcsize(letter) * count
        if size > len(field):
            (place,) = struct.unpack_from(self._order + ("Q" if self._big else "I"), field)
            if place >= self._length:
                return ()
            self._file.seek(place)
            field = self._file.read(struct.calcsize(letter) * min(count, limit))
        count = min(count, limit, len(field) // struct.calcsize(letter))
        return struct.unpack_from(f"{self._order}{count}{letter}", field)

    def _text(self, tag: int) -> str:
        return bytes(value for value in self._values(tag, _MAX_TEXT) if value >= 0).decode("latin-1")

    def _unpack(self, letter: str) -> int:
        number: int = struct.unpack(self._order + letter, self._file.read(struct.calcsize(letter)))[0]
        return number


def _images_of_imagej(description: str) -> int:
    """How many images ImageJ says that follow one another in a page.

    >>> _images_of_imagej("ImageJ=1.53k" + chr(10) + "images=40" + chr(10) + "slices=40")
    40
    """
    match = (
        re.search(r"^images=(\d{1,9})\s*$", description, re.M) if description.startswith("ImageJ=") else None
    )
    return max(1, int(match[1])) if match else 1

"""Detect damage in the middle of a Matroska or WebM file, by its own structure.

FFmpeg passes over what it cannot follow, up to the next cluster, without a word: frames are missing that nothing
has promised. Every element says how long it is, so the chain of them must meet its end, with nothing in it that the
format does not have; and where the writer has put a checksum into a cluster, as FFmpeg does, every byte of it counts.
Times play no part in this: a variable rate is no damage. Sources: RFC 9559 (Matroska), RFC 8794 (EBML).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

from maskweave.sources.zeros import only_zeros, zeros_sentence

MATROSKA = b"\x1a\x45\xdf\xa3"
"""How a file begins."""
_SEGMENT = 0x18538067
_INFO, _TRACKS, _CLUSTER = 0x1549A966, 0x1654AE6B, 0x1F43B675
_VOID, _CRC = 0xEC, 0xBF
_TOP = {_INFO, _TRACKS, _CLUSTER, 0x114D9B74, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367}
"""What a Segment holds: besides these three SeekHead, Cues, Attachments, Chapters and Tags."""
_TIME, _SIMPLE, _GROUP, _BLOCK = 0xE7, 0xA3, 0xA0, 0xA1
_NUMBERS = {_TIME, 0xA7, 0xAB}
"""The latter two: Position, PrevSize."""
_IN_CLUSTER = {*_NUMBERS, _SIMPLE, _GROUP, 0x5854, 0xAF, _VOID, _CRC}
"""Besides numbers and blocks SilentTracks and EncryptedBlock."""
_IN_GROUP = {_BLOCK, 0x75A1, 0x75A2, 0x9B, 0xA2, 0xA4, 0x8E, 0xC8, 0xFA, 0xFB, 0xFD, _VOID, _CRC}
"""Besides the block its additions, padding, duration, virtual block, codec state, slices and references."""
_TRACK_ENTRY, _TRACK_NUMBER, _SCALE = 0xAE, 0xD7, 0x2AD7B1
_PIECE = 1 << 20


class Element(NamedTuple):
    """One element's id, where its content begins, and its length in bytes (None: up to the next of its level)."""

    id: int
    start: int
    size: int | None


class _Broken(Exception):
    """The chain of elements does not go on here; ``zeros``: where it comes to zeros instead."""

    def __init__(self, zeros: int | None = None) -> None:
        super().__init__()
        self.zeros = zeros


@dataclass
class _Walk:
    """What was seen so far: nanoseconds of a tick, numbers of the tracks, the last cluster's time in ticks, damage.

    ``zeros``: where zeros begin that reach to the file's end.
    """

    scale: int = 1_000_000
    tracks: set[int] = field(default_factory=set)
    ticks: int = 0
    damaged: int = 0
    first: float = 0.0
    zeros: int | None = None

    def damage(self) -> None:
        self.first = self.first if self.damaged else self.ticks * self.scale / 1e9
        self.damaged += 1


def matroska_damage(path: Path) -> list[str]:
    """A sentence when the file is Matroska and damaged in its middle, else none; a cut is detected elsewhere.

    Raises `OSError` when it cannot be read.
    """
    length = path.stat().st_size
    walk = _Walk()
    with path.open("rb") as file, suppress(EOFError):  # it is cut
        segment = _segment(file)
        if segment is not None:
            end = length if segment.size is None else segment.start + segment.size
            _walk_segment(file, segment.start, end, length, walk)
    ends = [] if walk.zeros is None else [zeros_sentence(walk.zeros)]
    if not walk.damaged:
        return ends
    places = "a place" if walk.damaged == 1 else f"{walk.damaged} places"
    return [
        f"the container is damaged in {places}, first after {walk.first:.2f} seconds: frames may be missing or wrong",
        *ends,
    ]


def segment_end(file: BinaryIO) -> int:
    """Where a Matroska file's Segment, which holds all, should end; 0 where it is of unknown size or is not there.

    Raises `EOFError` where the file ends before it begins.
    """
    segment = _segment(file)
    return 0 if segment is None or segment.size is None else segment.start + segment.size


def _segment(file: BinaryIO) -> Element | None:
    file.seek(0)
    if file.read(4) != MATROSKA:
        return None
    try:
        head = _element(file, 0)
        segment = _element(file, head.start + (head.size or 0))
    except _Broken:
        return None
    return segment if segment.id == _SEGMENT else None


def _walk_segment(file: BinaryIO, place: int, end: int, length: int, walk: _Walk) -> None:
    """Follow the elements of the Segment up to ``end``; what does not fit is damage, up to the next cluster."""
    while place < min(end, length):
        try:
            element = _element(file, place)
            after = _after(file, element, end, length, walk)
        except _Broken as broken:
            if broken.zeros is not None and only_zeros(file, broken.zeros):
                walk.zeros = broken.zeros
                return
            walk.damage()
            place = _next_cluster(file, place + 1, length)
            continue
        place = after


def _after(file: BinaryIO, element: Element, end: int, length: int, walk: _Walk) -> int:
    """Look into an element of the Segment; returns where the next one is."""
    if element.id not in _TOP | {_VOID, _CRC}:
        raise _Broken
    if element.size is None:
        if element.id != _CLUSTER:
            raise _Broken
        return _walk_cluster(file, element.start, None, length, walk)
    after = element.start + element.size
    if after > end:
        raise _Broken
    if element.id == _INFO:
        walk.scale = next((_number(file, each) for each in _within(file, element, _SCALE)), walk.scale)
    elif element.id == _TRACKS:
        entries = _within(file, element, _TRACK_ENTRY)
        walk.tracks = {
            _number(file, each) for entry in entries for each in _within(file, entry, _TRACK_NUMBER)
        }
    elif element.id == _CLUSTER and after <= length:
        _check_cluster(file, element.start, after, walk)
    return after


def _check_cluster(file: BinaryIO, start: int, end: int, walk: _Walk) -> None:
    """A whole cluster, by its checksum where it has one, else by its chain of blocks; damage is noted, not raised."""
    try:
        first = _element(file, start)
        if first.id == _CRC and first.size == 4:
            file.seek(first.start)
            stored = int.from_bytes(file.read(4), "little")
            if stored != _checksum(file, end - first.start - 4):
                raise _Broken
            time = _element(file, first.start + 4)
            walk.ticks = _number(file, time) if time.id == _TIME else walk.ticks
            return
        _walk_cluster(file, start, end, end, walk)
    except _Broken:
        walk.damage()


def _walk_cluster(file: BinaryIO, place: int, end: int | None, length: int, walk: _Walk) -> int:
    """Follow the elements of a cluster, without an ``end`` up to what is no part of it; returns where that is."""
    while place < (length if end is None else end):
        element = _element(file, place)
        if end is None and element.id in _TOP:
            return place
        if element.size is None or element.id not in _IN_CLUSTER:
            raise _Broken
        place = element.start + element.size
        if end is not None and place > end:
            raise _Broken
        if element.id in _NUMBERS:
            number = _number(file, element)
            walk.ticks = number if element.id == _TIME else walk.ticks
        elif element.id == _SIMPLE:
            _check_block(file, element, walk)
        elif element.id == _GROUP:
            _check_group(file, element, walk)
    return place


def _check_group(file: BinaryIO, group: Element, walk: _Walk) -> None:
    for each in _children(file, group):
        if each.id not in _IN_GROUP:
            raise _Broken
        if each.id == _BLOCK:
            _check_block(file, each, walk)


def _check_block(file: BinaryIO, block: Element, walk: _Walk) -> None:
    """A block belongs to a track that there is."""
    file.seek(block.start)
    track = _vint(file)
    if walk.tracks and track not in walk.tracks:
        raise _Broken


def _within(file: BinaryIO, parent: Element, wanted: int) -> list[Element]:
    return [each for each in _children(file, parent) if each.id == wanted]


def _children(file: BinaryIO, parent: Element) -> Iterator[Element]:
    """The elements of one whose length is known; raises `_Broken` where they do not fill it."""
    place, end = parent.start, parent.start + (parent.size or 0)
    while place < end:
        element = _element(file, place)
        if element.size is None or element.start + element.size > end:
            raise _Broken
        yield element
        place = element.start + element.size


def _element(file: BinaryIO, place: int) -> Element:
    try:
        file.seek(place)
    except OSError:  # beyond what any file may have
        raise EOFError from None
    first = file.read(1)
    if not first:
        raise EOFError
    count = 9 - first[0].bit_length()
    if count > 4:
        raise _Broken(None if first[0] else place)
    rest = file.read(count - 1)
    if len(rest) < count - 1:
        raise EOFError
    size = _vint(file)
    return Element(int.from_bytes(first + rest), file.tell(), size)


def _vint(file: BinaryIO) -> int | None:
    """A length as EBML writes it: the place of the first bit says how many bytes; all ones: unknown."""
    first = file.read(1)
    if not first:
        raise EOFError
    count = 9 - first[0].bit_length()
    if count > 8:
        raise _Broken
    rest = file.read(count - 1)
    if len(rest) < count - 1:
        raise EOFError
    bits = 7 * count
    value = int.from_bytes(first + rest) & ((1 << bits) - 1)
    return None if value == (1 << bits) - 1 else value


def _number(file: BinaryIO, element: Element) -> int:
    if element.size is None or element.size > 8:
        raise _Broken
    file.seek(element.start)
    return int.from_bytes(file.read(element.size))


def _checksum(file: BinaryIO, left: int) -> int:
    checksum = 0
    while left and (piece := file.read(min(left, _PIECE))):
        checksum, left = zlib.crc32(piece, checksum), left - len(piece)
    return checksum


def _next_cluster(file: BinaryIO, place: int, length: int) -> int:
    """Where the next cluster's id stands, or ``length``."""
    wanted, kept = _CLUSTER.to_bytes(4), b""
    file.seek(place)
    while piece := file.read(_PIECE):
        at = (kept + piece).find(wanted)
        if at >= 0:
            return place - len(kept) + at
        place, kept = place + len(piece), (kept + piece)[-3:]
    return length

"""Detect video files that are cut short, by the lengths of their own parts.

Matroska, fragmented MP4, FLV and transport streams give no number of frames to compare with, and a file cut between
two frames reads well to its end. Source: `sources.matroska`; ISO/IEC 14496-12, 4.2 (boxes); ISO 13818-1, 2.4.3
(packets); Adobe's Flash Video File Format 10.1, E.4 (tags).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from maskweave.sources.matroska import MATROSKA, segment_end
from maskweave.sources.zeros import only_zeros

_MOVIE = (b"ftyp", b"moov", b"moof", b"mdat")
_SYNC, _TS_PACKET = b"\x47", 188
_FLV_TAG, _FLV_BACK, _FLV_KINDS = 11, 4, (8, 9, 18)
"""Bytes of a tag's head, and of the length behind it; audio, video and script data."""
_KIND = re.compile(rb"[ -~\xa9]{4}")
_MAX_BOXES = 1_000_000


def missing_bytes(path: Path) -> int:
    """How many bytes the file lacks; 0 where it is whole or does not say, as live recordings do not.

    Raises `OSError` when it cannot be read.
    """
    length = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        if head[:1] == _SYNC:
            return _missing_of_packet(file, length)
        try:
            if head[:3] == b"FLV":
                return max(0, _tags_end(file, length) - length)
            if head[:4] == MATROSKA:
                return max(0, segment_end(file) - length)
            return max(0, _boxes_end(file, length) - length) if head[4:] in _MOVIE else 0
        except (struct.error, EOFError):  # it ends within a length
            return 1


def joined_at(path: Path) -> int | None:
    """The byte at which a second MP4 or FLV begins behind the first, as ``cat`` joins them; None where none does.

    FFmpeg and players read the first alone, or the two as a muddle. Raises `OSError` when it cannot be read.
    """
    length = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        try:
            if head[:3] == b"FLV":
                end = _tags_end(file, length, joined=True)
                file.seek(end)
                return end if 0 < end < length and file.read(3) == b"FLV" else None
            return _second_movie(file, length) if head[4:] == b"ftyp" else None
        except (struct.error, EOFError):
            return None


def broken_at(path: Path) -> int | None:
    """The byte at which an MP4 in fragments or an FLV does not go on with a part of it; None where there is none.

    Zeros behind the last part are no damage. Raises `OSError` when it cannot be read.
    """
    length = path.stat().st_size
    has_fragments = False
    with path.open("rb") as file:
        try:
            head = file.read(8)
            if head[:3] == b"FLV":
                return _broken_tags(file, length)
            if head[4:] not in _MOVIE:
                return None
            for kind, place, _ in _boxes(file, length):
                if has_fragments and not _KIND.fullmatch(kind):
                    return place
                has_fragments |= kind == b"moof"
        except (struct.error, EOFError):
            return None
    return None


def _broken_tags(file: BinaryIO, length: int) -> int | None:
    end = _tags_end(file, length, joined=True)
    return end if end < length and not only_zeros(file, end) else None


def _second_movie(file: BinaryIO, length: int) -> int | None:
    has_movie = False
    for kind, place, _ in _boxes(file, length):
        if kind == b"ftyp" and has_movie:
            return place
        has_movie |= kind == b"moov"
    return None


def _tags_end(file: BinaryIO, length: int, *, joined: bool = False) -> int:
    """Where the last tag of an FLV ends; 0 where the chain of them does not lead to the file's end.

    ``joined``: to the end of the chain, whatever follows.
    """
    file.seek(5)
    place = int.from_bytes(_exactly(file, 4)) + _FLV_BACK
    while place < length:
        file.seek(place)
        head = file.read(_FLV_TAG)
        if len(head) < _FLV_TAG:
            return place + _FLV_TAG
        if head[0] & 0x1F not in _FLV_KINDS:
            return place if joined else 0
        place += _FLV_TAG + int.from_bytes(head[1:4]) + _FLV_BACK
    return place


def _exactly(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise EOFError
    return data


def _missing_of_packet(file: BinaryIO, length: int) -> int:
    """What the last packet of a transport stream lacks, if that is one to its end."""
    rest = length % _TS_PACKET
    for place in (_TS_PACKET, length - rest - _TS_PACKET, length - rest):
        file.seek(max(0, place))
        if file.read(1) != _SYNC:
            return 0
    return _TS_PACKET - rest if rest else 0


def _boxes_end(file: BinaryIO, length: int) -> int:
    """The end of the last box of an MP4 that holds images or describes them."""
    return max((end for kind, _, end in _boxes(file, length) if kind in _MOVIE), default=0)


def _boxes(file: BinaryIO, length: int) -> Iterator[tuple[bytes, int, int]]:
    """The boxes of an MP4: kind, and where each begins and ends; up to one without a length of its own."""
    place = 0
    for _ in range(_MAX_BOXES):
        file.seek(place)
        head = file.read(8)
        if len(head) < 8:
            return
        size, kind = struct.unpack(">I4s", head)
        if size == 1:
            (size,) = struct.unpack(">Q", file.read(8))
        if size < 8:  # 0: to the end of the file
            return
        yield kind, place, place + size
        place += size
        if place >= length:
            return

"""Detect video files that are cut short, by the lengths of their own parts and by what closes them.

Matroska, fragmented MP4, FLV, Ogg, ASF, transport and program streams give no number of frames to compare with, and a
file cut between two frames reads well to its end. Source: `sources.matroska`; ISO/IEC 14496-12, 4.2 (boxes);
ISO 13818-1, 2.4.3 (packets); RFC 3533 (Ogg); Advanced Systems Format 1.20, 3.2; Adobe's Flash Video File Format
10.1, E.4 (tags); the NUT container format, "index"; ITU-T T.81, B.1.1.3 (end of image).
"""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from maskweave.sources.kinds import HEAD
from maskweave.sources.matroska import MATROSKA, segment_end
from maskweave.sources.motion_jpeg import is_jpegs
from maskweave.sources.program_stream import PACK, program_stream_end
from maskweave.sources.zeros import only_zeros

_MOVIE = (b"ftyp", b"moov", b"moof", b"mdat")
_SYNC, _TS_PACKET = b"\x47", 188
_FLV_TAG, _FLV_BACK, _FLV_KINDS = 11, 4, (8, 9, 18)
"""Bytes of a tag's head, and of the length behind it; audio, video and script data."""
_ASF, _ASF_PROPERTIES = b"\x30\x26\xb2\x75", bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_MAX_PAGE, _PAGE_HEAD = 1 << 16, 27
_NUT, _NUT_INDEX, _NUT_TAIL = b"nut/multimedia", bytes.fromhex("4e58dd672f23e64e"), 12
"""How a NUT and its index begin, and the bytes that close that: its own length, and a checksum."""
_IMAGE_BEGIN, _IMAGE_END = b"\xff\xd8\xff", b"\xff\xd9"
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
            return max(0, _end_of(path, file, head, length) - length)
        except (struct.error, EOFError):  # it ends within a length
            return 1


def _end_of(path: Path, file: BinaryIO, head: bytes, length: int) -> int:
    """Where a file that begins with ``head`` should end; 0 where it does not say."""
    if head[:3] == b"FLV":
        return _tags_end(file, length)
    if head[:4] == b"OggS":
        return _pages_end(file, length)
    if head[:4] == _ASF:
        return _asf_length(file)
    if head[:4] == PACK:
        return program_stream_end(path)
    if head[:4] == MATROSKA:
        return segment_end(file)
    return _boxes_end(file, length) if head[4:] in _MOVIE else 0


def unclosed(path: Path) -> str | None:
    """What its writer puts at the end of every such file, and this one lacks; None where it is there, or never is.

    Raises `OSError` when it cannot be read.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[: len(_NUT)] == _NUT:
            length = int.from_bytes(data[-_NUT_TAIL : 8 - _NUT_TAIL])
            begin = len(data) - length
            is_closed = begin > 0 and data[begin : begin + len(_NUT_INDEX)] == _NUT_INDEX
            return None if is_closed else "the index"
        if data[:4] == b"OggS":
            return "the last page of a track" if _open_tracks(data) else None
        if is_jpegs(data[:HEAD]) and data.rfind(_IMAGE_BEGIN) > data.rfind(_IMAGE_END):
            return "the end of an image"
    return None


def _open_tracks(data: mmap.mmap) -> set[bytes]:
    """The serial numbers of an Ogg's tracks that have no page marked as their last."""
    tracks: set[bytes] = set()
    place = data.find(b"OggS")
    while 0 <= place <= len(data) - _PAGE_HEAD:
        mark, serial, count = data[place + 5], data[place + 14 : place + 18], data[place + 26]
        if mark & 4:
            tracks.discard(serial)
        else:
            tracks.add(serial)
        end = place + _PAGE_HEAD + count
        place = data.find(b"OggS", end + sum(data[place + _PAGE_HEAD : end]))
    return tracks


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


def _pages_end(file: BinaryIO, length: int) -> int:
    """Where the last page of an Ogg file should end (RFC 3533, 6)."""
    start = max(0, length - _MAX_PAGE)
    file.seek(start)
    rest = file.read()
    page = rest.rfind(b"OggS")
    if page < 0:
        return 0
    count = rest[page + 26] if len(rest) > page + 26 else 0
    return start + page + 27 + count + sum(rest[page + 27 : page + 27 + count])


def _asf_length(file: BinaryIO) -> int:
    """How long an ASF file is by its own word; 0 where it does not say, as of live recordings."""
    file.seek(0)
    head = file.read(_MAX_PAGE)
    at = head.find(_ASF_PROPERTIES)
    if at < 0 or len(head) < at + 92 or head[at + 88] & 1:
        return 0
    return int.from_bytes(head[at + 40 : at + 48], "little")


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

"""Detect damage in the middle of an MPEG program stream (.mpg, .vob), by its own structure.

FFmpeg looks for the next packet where one is broken, without a word. Every packet says how long it is, so each must
be followed by the head of another. Source: ISO/IEC 13818-1, 2.5.3 (packs) and 2.4.3.6 (packets); ISO/IEC 11172-1.
"""

from __future__ import annotations

import mmap
from pathlib import Path

PACK, _END = b"\0\0\1\xba", b"\0\0\1\xb9"
_FIRST_STREAM = 0xBB
_MAX_ZEROS = 64
"""Bytes between packets with which some writers fill their sectors."""


def program_stream_damage(path: Path) -> list[str]:
    """A sentence when the chain of packets is broken, else none; zeros behind the last are no damage.

    Raises `OSError` when the file cannot be read.
    """
    damaged, first, place = 0, 0, 0
    with path.open("rb") as file:
        if file.read(len(PACK)) != PACK:
            return []
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            while place < len(data):
                length = _length(data, place)
                if length is None:
                    following = data.find(PACK, place + 1)
                    end = len(data) if following < 0 else following
                    if (end - place > _MAX_ZEROS and following >= 0) or any(data[place:end]):
                        first, damaged = first if damaged else place, damaged + 1
                    place = end
                else:
                    place += length
    if not damaged:
        return []
    places = "a place" if damaged == 1 else f"{damaged} places"
    return [
        f"the program stream is damaged in {places}, first at byte {first:,}: frames may be missing or wrong"
    ]


def program_stream_end(path: Path) -> int:
    """Where the last packet should end; 0 where the chain of them breaks within the last stretch of the file."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        place = data.rfind(PACK)
        while 0 <= place < len(data):
            length = _length(data, place)
            if length is None:
                return 0
            place += length
        return max(0, place)


def _length(data: mmap.mmap, place: int) -> int | None:
    """Bytes of the pack's head, or of the packet, that begins at ``place``; None where none does."""
    head = data[place : place + 14]
    if head[:4] == _END:
        return 4
    if head[:4] == PACK and len(head) == 14:
        return 12 if head[4] >> 4 == 2 else 14 + (head[13] & 7)
    if head[:3] == b"\0\0\1" and len(head) >= 6 and head[3] >= _FIRST_STREAM:
        return 6 + int.from_bytes(head[4:6])
    return None

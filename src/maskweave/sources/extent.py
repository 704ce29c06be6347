"""Whether a file of a video ends before its container says it does, told by the lengths of its own parts.

Matroska and fragmented MP4 give no number of frames to compare with, and a file cut between two frames reads well to
its end. Source: `sources.matroska`; ISO/IEC 14496-12, 4.2 (boxes).
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from maskweave.sources.matroska import MATROSKA, segment_end

_MOVIE = (b"ftyp", b"moov", b"moof", b"mdat")
_MOST_BOXES = 1_000_000


def missing_bytes(path: Path) -> int:
    """How many bytes the file lacks; 0 where it is whole or does not say, as live recordings do not.

    Raises `OSError` when it cannot be read.
    """
    length = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        try:
            if head[:4] == MATROSKA:
                return max(0, segment_end(file) - length)
            return max(0, _boxes_end(file, length) - length) if head[4:] in _MOVIE else 0
        except (struct.error, EOFError):  # it ends within a length
            return 1


def _boxes_end(file: BinaryIO, length: int) -> int:
    """Where the last box of an MP4 ends that holds pictures or tells of them."""
    place = end = 0
    for _ in range(_MOST_BOXES):
        file.seek(place)
        head = file.read(8)
        if len(head) < 8:
            return end
        size, kind = struct.unpack(">I4s", head)
        if size == 1:
            (size,) = struct.unpack(">Q", file.read(8))
        if size < 8:  # 0: to the end of the file
            return end
        place += size
        if kind in _MOVIE:
            end = place
        if place >= length:
            return end
    return end

"""Detect damage in the middle of an MPEG transport stream, by its own structure.

FFmpeg looks for the next packet where one is broken, and passes over a unit whose head is, without a word where none
was begun. Packets of one stream are counted from 0 to 15, each follows the other, and where one says that a unit
begins there is one: where that does not hold, frames may be missing. Source: ISO/IEC 13818-1, 2.4.3.2 and 2.4.3.6.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

_SYNC, _PACKET = 0x47, 188
_STRIDES = (188, 192, 204)
"""Bytes from one packet to the next: plain, with a time before each (Blu-ray, AVCHD), with parity behind each."""
_CHECKED = 4
"""Packets in a row that tell a stride, and after damage that the stream goes on."""
_BLOCK = 1 << 22
_UNIT = np.array([0, 0, 1], dtype=np.uint8)
"""How a unit of a stream of images begins."""


@dataclass
class _Count:
    """The last packet's number of the stream that is looked at, and the places at which something was wrong."""

    stream: int
    last: int | None = None
    damaged: int = 0
    first: int = 0

    def skipped(self, place: int) -> None:
        """What lies there is no packet, and how many it was is not known."""
        self.last = None
        self.damage(place)

    def damage(self, *places: int) -> None:
        if places:
            self.first = self.first if self.damaged else places[0]
            self.damaged += len(places)


def transport_stream_damage(path: Path, stream: int) -> list[str]:
    """A sentence when packets of ``stream`` (its PID) are missing or damaged, else none; a cut is detected elsewhere.

    Raises `OSError` when the file cannot be read.
    """
    count = _Count(stream)
    end: int | None = None
    with path.open("rb") as file:
        for start, packets in _runs(file):
            if end is not None and end != start:
                count.skipped(end)
            _check(packets, start, count)
            end = start + packets.size
    if end is not None and path.stat().st_size - end >= max(_STRIDES):
        count.skipped(end)
    if not count.damaged:
        return []
    places = "a place" if count.damaged == 1 else f"{count.damaged} places"
    return [
        f"the transport stream is damaged in {places}, first at byte {count.first:,}: frames may be missing or wrong"
    ]


def _runs(file: BinaryIO) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Whole packets in a row, (N, stride) bytes, with the place of the first; what is none is passed over."""
    stride, start, data = 0, 0, b""
    while piece := file.read(_BLOCK):
        data += piece
        while len(data) >= _CHECKED * max(_STRIDES):
            begin, stride = _begin(data, stride)
            data, start = data[begin:], start + begin
            if not stride or len(data) < stride:
                break
            packets = np.frombuffer(data, dtype=np.uint8, count=len(data) // stride * stride).reshape(
                -1, stride
            )
            broken = np.flatnonzero(packets[:, 0] != _SYNC)
            whole = int(broken[0]) if len(broken) else len(packets)
            if whole:
                yield start, packets[:whole]
            data, start = data[whole * stride :], start + whole * stride
            if not len(broken):
                break


def _begin(data: bytes, stride: int) -> tuple[int, int]:
    """Where packets begin in ``data``, and their stride; shortly before the end, and ``stride``, where none do."""
    found = np.frombuffer(data, dtype=np.uint8) == _SYNC
    last = _CHECKED - 1
    for each in (stride,) if stride else _STRIDES:
        many = len(found) - last * each
        follows = np.logical_and.reduce([found[n * each : n * each + many] for n in range(_CHECKED)])
        if follows.any():
            return int(follows.argmax()), each
    return len(data) - _CHECKED * max(_STRIDES) + 1, stride


def _check(packets: NDArray[np.uint8], start: int, count: _Count) -> None:
    """Compare the numbers of packets in a row, and look for the units that they say begin in them."""
    pids = (packets[:, 1].astype(np.int64) & 0x1F) << 8 | packets[:, 2]
    has_payload = packets[:, 3] & 0x10 != 0
    rows = np.flatnonzero((pids == count.stream) & has_payload)
    if not len(rows):
        return
    chosen = packets[rows]
    numbers = chosen[:, 3].astype(np.int64) & 15
    before = np.concatenate([[numbers[0] - 1 if count.last is None else count.last], numbers[:-1]])
    has_fields = chosen[:, 3] & 0x20 != 0
    announced = has_fields & (chosen[:, 4] > 0) & (chosen[:, 5] & 0x80 != 0)
    step = (numbers - before) & 15  # 0: the same packet once more, which is allowed
    wrong = (step > 1) & ~announced | (chosen[:, 1] & 0x80 != 0)
    wrong |= _lacks_unit(chosen, has_fields)
    count.last = int(numbers[-1])
    count.damage(*(start + rows[wrong] * packets.shape[1]).tolist())


def _lacks_unit(packets: NDArray[np.uint8], has_fields: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether a unit should begin in a packet and does not; of scrambled ones nothing is known."""
    begins = (packets[:, 1] & 0x40 != 0) & (packets[:, 3] & 0xC0 == 0)
    at = 4 + np.where(has_fields, 1 + packets[:, 4].astype(np.int64), 0)
    inside = at <= _PACKET - len(_UNIT)
    places = np.minimum(at, _PACKET - len(_UNIT))[:, None] + np.arange(len(_UNIT))
    heads = np.take_along_axis(packets, places, axis=1)
    lacking: NDArray[np.bool_] = begins & inside & (heads != _UNIT).any(axis=1)
    return lacking

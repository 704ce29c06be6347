"""Detect damage in the middle of an MPEG transport stream, by its own structure.

FFmpeg looks for the next packet where one is broken, and passes over a unit whose head is, without a word where none
was begun. Packets of one stream are counted from 0 to 15, each follows the other, and where one says that a unit
begins there is one: where that does not hold, frames may be missing. Where the unit that begins there has a time far
from the one before, two files were joined, and nothing is missing. Source: ISO/IEC 13818-1, 2.4.3.2 and 2.4.3.6.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from maskweave.sources.zeros import only_zeros, zeros_sentence

_SYNC, _PACKET = 0x47, 188
_STRIDES = (188, 192, 204)
"""Bytes from one packet to the next: plain, with a time before each (Blu-ray, AVCHD), with parity behind each."""
_CHECKED = 4
"""Packets in a row that tell a stride, and after damage that the stream goes on."""
_BLOCK = 1 << 22
_UNIT = np.array([0, 0, 1], dtype=np.uint8)
"""How a unit of a stream of images begins."""
_STAMP = 14
"""Bytes of a unit's head up to the end of its presentation time, in 1/90,000 s of 33 bits."""
_CLOCK, _WRAP = 90_000, 1 << 33
_MAX_BACK, _MAX_STEP = 1 * _CLOCK, 10 * _CLOCK
"""Ticks; times of units come less out of order, and gaps are shorter."""


class TransportStreamDamage(NamedTuple):
    """Sentences about what is damaged, and the number of ``joints`` at which another file begins."""

    sentences: list[str]
    joints: int = 0


@dataclass
class _Count:
    """The last packet's number of the stream that is looked at, and the places at which something was wrong.

    ``stamp``: the time of the last unit. ``joints``: places at which another file begins.
    """

    stream: int
    last: int | None = None
    stamp: int | None = None
    joints: int = 0
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


def transport_stream_damage(path: Path, stream: int) -> TransportStreamDamage:
    """What is wrong where packets of ``stream`` (its PID) are missing or damaged; a cut is detected elsewhere.

    Raises `OSError` when the file cannot be read.
    """
    count = _Count(stream)
    sentences = []
    end: int | None = None
    with path.open("rb") as file:
        for start, packets in _runs(file):
            if end is not None and end != start:
                count.skipped(end)
            _check(packets, start, count)
            end = start + packets.size
        if end is not None and path.stat().st_size - end >= max(_STRIDES):
            if only_zeros(file, end):
                sentences.append(zeros_sentence(end))
            else:
                count.skipped(end)
    if count.damaged:
        places = "a place" if count.damaged == 1 else f"{count.damaged} places"
        sentences.insert(
            0,
            f"the transport stream is damaged in {places}, first at byte {count.first:,}: frames may be missing or "
            "wrong",
        )
    return TransportStreamDamage(sentences, count.joints)


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
    skips = (step > 1) & ~announced
    at = _payloads(chosen, has_fields)
    joints = _joints(chosen, at, skips, count)
    count.joints += int(joints.sum())
    wrong = skips & ~joints | (chosen[:, 1] & 0x80 != 0)
    wrong |= _lacks_unit(chosen, at)
    count.last = int(numbers[-1])
    count.damage(*(start + rows[wrong] * packets.shape[1]).tolist())


def _payloads(packets: NDArray[np.uint8], has_fields: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Where the content of each packet begins."""
    return 4 + np.where(has_fields, 1 + packets[:, 4].astype(np.int64), 0)


def _begins_unit(packets: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether each packet says that a unit begins in it; of scrambled ones nothing is known."""
    begins: NDArray[np.bool_] = (packets[:, 1] & 0x40 != 0) & (packets[:, 3] & 0xC0 == 0)
    return begins


def _joints(
    packets: NDArray[np.uint8], at: NDArray[np.int64], skips: NDArray[np.bool_], count: _Count
) -> NDArray[np.bool_]:
    """Which of the packets whose number does not follow begin a unit whose time does not follow either."""
    joints = np.zeros(len(packets), dtype=np.bool_)
    for row in np.flatnonzero(_begins_unit(packets)).tolist():
        stamp = _stamp(packets[row, at[row] : _PACKET].tobytes())
        if stamp is None:
            continue
        if skips[row] and count.stamp is not None:
            change = (stamp - count.stamp + _WRAP // 2) % _WRAP - _WRAP // 2
            joints[row] = not -_MAX_BACK <= change <= _MAX_STEP
        count.stamp = stamp
    return joints


def _stamp(unit: bytes) -> int | None:
    """The presentation time of a unit that begins so; None where it has none."""
    if len(unit) < _STAMP or not unit[7] & 0x80:
        return None
    time = unit[9:14]
    return (time[0] >> 1 & 7) << 30 | time[1] << 22 | time[2] >> 1 << 15 | time[3] << 7 | time[4] >> 1


def _lacks_unit(packets: NDArray[np.uint8], at: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a unit should begin in a packet and does not."""
    begins = _begins_unit(packets)
    inside = at <= _PACKET - len(_UNIT)
    places = np.minimum(at, _PACKET - len(_UNIT))[:, None] + np.arange(len(_UNIT))
    heads = np.take_along_axis(packets, places, axis=1)
    lacking: NDArray[np.bool_] = begins & inside & (heads != _UNIT).any(axis=1)
    return lacking

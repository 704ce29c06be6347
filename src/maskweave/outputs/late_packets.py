"""Keep the encoded images of an endless recording on disk until it ends."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from maskweave.spool import Spool

_HEAD = struct.Struct("<qqqII?")  # pts, dts, duration, time base, is a key frame
_KEY = "packets"


class LatePackets:
    """Encoded images of one stream, muxed when all are there.

    FFmpeg keeps the place of every packet of an MP4 in memory until the file's end, 7 MB an hour of video: nothing
    for a video file, but a camera runs for days. Side data of packets is not kept.
    """

    def __init__(self, folder: Path) -> None:
        self._spool = Spool(folder)

    def add(self, packet: Any) -> None:
        """Keep a packet; raises `OSError` when the disk is full."""
        base = Fraction(packet.time_base)
        times = packet.pts, packet.dts, packet.duration, base.numerator, base.denominator
        self._spool.add(_KEY, _HEAD.pack(*times, packet.is_keyframe) + bytes(packet))

    def mux(self, container: Any, stream: Any) -> None:
        """Write all packets to ``stream`` of ``container``."""
        for place in self._spool.places(_KEY):
            record = self._spool.read(place)
            packet = av.Packet(record[_HEAD.size :])
            packet.pts, packet.dts, packet.duration, *base, packet.is_keyframe = _HEAD.unpack_from(record)
            packet.time_base = Fraction(*base)
            packet.stream = stream
            container.mux(packet)

    def close(self) -> None:
        """Let go of what is kept."""
        self._spool.close()

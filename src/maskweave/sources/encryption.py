"""Detect encrypted videos by their container, not by what decoding gives."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

_PACKET, _SYNC = 188, 0x47
_SAMPLE = 5_000 * _PACKET
_MIN_SHARE = 0.2


def is_encrypted(packet: Any) -> bool:
    """Whether a packet of MP4 (Common Encryption) or WebM came encrypted."""
    return bool(packet.has_sidedata("encryption_info"))


def is_scrambled(path: Path) -> bool:
    """Whether a file is a transport stream whose packets are scrambled, as pay television is recorded.

    Source: ISO 13818-1, 2.4.3.3, transport_scrambling_control. Tables are never scrambled, so a fifth is enough.
    """
    with suppress(OSError), path.open("rb") as file:
        data = file.read(_SAMPLE)
        heads = range(0, len(data) - 3, _PACKET)
        controls = [data[at + 3] >> 6 for at in heads if data[at] == _SYNC]
        whole = len(heads) > 1 and len(controls) == len(heads)
        return whole and sum(each >= 2 for each in controls) > _MIN_SHARE * len(controls)
    return False

"""Text subtitles as MP4 holds them (``mov_text``, 3GPP TS 26.245): plain, without styles."""

from __future__ import annotations

import re
import struct

TEXT_CODECS = frozenset({"subrip", "srt", "text", "webvtt", "ass", "ssa"})
"""Codecs whose packets are text; those of images (DVD, Blu-ray, DVB) cannot be held."""
_TAG, _OVERRIDE = re.compile(r"<[^<>]*>"), re.compile(r"\{[^{}]*\}")
_ASS_FIELDS = 8
"""Of an event in Matroska, before its text: order, layer, style, name, three margins, effect."""
_MAX_BYTES = 0xFFFF


def subtitle_text(codec: str, payload: bytes) -> str:
    r"""The plain text of a packet.

    >>> subtitle_text("ass", b"0,0,Default,,0,0,0,,{\\i1}two\\Nlines")
    'two\nlines'
    """
    text = payload.decode("utf-8", "replace").strip("\x00\r\n ")
    if codec in ("ass", "ssa"):
        text = text.split(",", _ASS_FIELDS)[-1]
        return _OVERRIDE.sub("", text).replace(r"\N", "\n").replace(r"\n", "\n").replace(r"\h", " ")
    return _TAG.sub("", text)


def mov_text(text: str) -> bytes:
    """A sample of ``mov_text``: the length in two bytes, then UTF-8."""
    data = text.encode()[:_MAX_BYTES].decode("utf-8", "ignore").encode()
    return struct.pack(">H", len(data)) + data

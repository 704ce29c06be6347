"""Tell Motion JPEG, images of one size one after the other, from a single JPEG image.

Cameras also append images to a photo: smaller ones (previews, gain maps), or others that an MPF segment lists (MPO,
ITU-T T.81; CIPA DC-007). Those are no frames of a video. What a network camera serves has a head of text before each
image (multipart/x-mixed-replace), and is a video also where it was saved with them.
"""

from __future__ import annotations

import re
from typing import BinaryIO

_START, _FRAME_HEADS = b"\xff\xd8", (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC))
_SCAN, _END, _APP2 = 0xDA, 0xD9, 0xE2
_ALONE = {0x01, *range(0xD0, 0xD9)}
"""Markers without content."""
_PIECE = 1 << 16
_MAX_SCAN = 32 << 20
_MAX_PADDING = 64
_MULTIPART = re.compile(
    rb"\s*--[^\r\n]{1,70}\r?\n(?:[\w-]+:[^\r\n]*\r?\n){0,8}?content-type:\s*image/jpe?g\b", re.IGNORECASE
)


def is_multipart(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is images with heads of text, as a camera's address serves them."""
    return _MULTIPART.match(head) is not None


def is_jpegs(head: bytes) -> bool:
    """Whether a video that begins with ``head`` is JPEG images one after the other, with text between or without."""
    return head.startswith(_START) or is_multipart(head)


def is_motion_jpeg(file: BinaryIO) -> bool:
    """Whether a second image of the same size follows the first."""
    file.seek(0)
    first = _size(file)
    if first is None or not _skip_scans(file):
        return False
    place = file.tell()
    rest = file.read(_MAX_PADDING)
    at = rest.find(_START)
    if at < 0 or rest[:at].strip(b"\x00\xff"):
        return False
    file.seek(place + at)
    return _size(file) == first


def _size(file: BinaryIO) -> bytes | None:
    """Height and width as an image's head has them, read up to its first scan; None where it is no single image."""
    if file.read(2) != _START:
        return None
    size = None
    while (marker := _marker(file)) is not None:
        if marker in _ALONE:
            continue
        length = int.from_bytes(file.read(2))
        content = file.read(length - 2) if length >= 2 else b""
        if len(content) != length - 2 or (marker == _APP2 and content.startswith(b"MPF\x00")):
            return None
        if marker in _FRAME_HEADS:
            size = content[1:5]
        if marker == _SCAN:
            return size
    return None


def _marker(file: BinaryIO) -> int | None:
    if file.read(1) != b"\xff":
        return None
    code = file.read(1)
    while code == b"\xff":
        code = file.read(1)
    return code[0] if code else None


def _skip_scans(file: BinaryIO) -> bool:
    """Go behind the image's end; False where there is none near."""
    begin, kept = file.tell(), b""
    while file.tell() - begin < _MAX_SCAN and (piece := file.read(_PIECE)):
        data = kept + piece
        at = data.find(bytes([0xFF, _END]))
        if at >= 0:
            file.seek(file.tell() - len(data) + at + 2)
            return True
        kept = data[-1:]
    return False

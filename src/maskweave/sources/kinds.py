"""Is a file a picture or a video? By its first bytes where they tell, else by its suffix."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["image", "video"]

IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".tif", ".tiff", ".bmp", ".dib"),
    *(".gif", ".jp2", ".avif", ".ppm", ".pgm", ".pbm", ".pnm"),
)
"""Suffixes that a folder's pictures are found by."""

VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"),
    *(".flv", ".wmv", ".3gp", ".ogv", ".y4m", ".mxf"),
)
"""Suffixes that a folder's videos are found by."""

_SIGNATURES: tuple[tuple[int, bytes, Kind], ...] = (
    (0, b"\xff\xd8\xff", "image"),  # JPEG
    (0, b"\x89PNG\r\n\x1a\n", "image"),
    (0, b"GIF8", "image"),
    (0, b"II*\x00", "image"),  # TIFF, little-endian
    (0, b"MM\x00*", "image"),  # TIFF, big-endian
    (0, b"II+\x00", "image"),  # BigTIFF
    (0, b"MM\x00+", "image"),
    (8, b"WEBP", "image"),
    (128, b"DICM", "image"),
    (0, b"\x00\x00\x00\x0cjP  ", "image"),  # JPEG 2000
    *((4, b"ftyp" + brand, "image") for brand in (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1")),
    (4, b"ftyp", "video"),  # MP4, MOV, 3GP
    *((4, atom, "video") for atom in (b"moov", b"mdat", b"wide", b"skip")),  # QuickTime without ftyp
    (0, b"\x1a\x45\xdf\xa3", "video"),  # Matroska, WebM
    (8, b"AVI ", "video"),
    (0, b"FLV\x01", "video"),
    (0, b"\x00\x00\x01\xba", "video"),  # MPEG program stream
    (0, b"\x00\x00\x01\xb3", "video"),  # MPEG video
    (0, b"OggS", "video"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "video"),  # ASF, WMV
    (0, b"YUV4MPEG2", "video"),
)


def kind_by_content(head: bytes) -> Kind | None:
    """Kind of a file that begins with ``head`` (200 bytes are enough), or None when they do not tell."""
    for offset, signature, kind in _SIGNATURES:
        if head[offset : offset + len(signature)] == signature:
            return kind
    if head[:1] == b"\x47" and head[188:189] == b"\x47":  # MPEG transport stream: a sync byte per packet
        return "video"
    if head[:2] == b"BM" and head[6:10] == bytes(4):  # BMP: two reserved words
        return "image"
    return None


def kind_by_suffix(path: Path) -> Kind | None:
    """Kind that a file's suffix stands for, or None when it is not in the lists."""
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        return "image"
    return "video" if suffix in VIDEO_SUFFIXES else None


def kind_of(path: Path) -> Kind | None:
    """Kind of an existing file: by content where it tells, else by suffix, else None.

    Raises `OSError` when the file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(200)
    return kind_by_content(head) or kind_by_suffix(path)


def is_regular(path: Path) -> bool:
    """Whether ``path`` is neither a pipe nor a device, which may wait for ever or be read only once.

    What is not there, or may not be looked at, is no pipe either: it fails when it is opened.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return True
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def is_pipe(path: Path) -> bool:
    """Whether ``path`` is a FIFO or the shell's ``<(...)``: readable once, by waiting for whoever writes."""
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except OSError:
        return False

"""Count the frames of a GIF from its blocks, and tell whether the last is complete: Pillow stops where it is cut.

Source: https://www.w3.org/Graphics/GIF/spec-gif89a.txt.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

_IMAGE, _EXTENSION, _TRAILER = b"\x2c", b"\x21", b"\x3b"


class GifFrames(NamedTuple):
    """Frames that are whole, and whether another one begins that is not."""

    whole: int
    is_cut: bool


def gif_frames(data: Path | bytes) -> GifFrames:
    """Go through the blocks of a GIF up to its end, or to where they stop to make sense.

    Raises:
        OSError: The file cannot be read.
    """
    whole = 0
    with data.open("rb") if isinstance(data, Path) else BytesIO(data) as file:
        try:
            _skip_colors(file, _read(file, 13)[10])
            while (mark := file.read(1)) not in (b"", _TRAILER):
                if mark == b"\0":  # padding
                    continue
                if mark == _EXTENSION:
                    _read(file, 1)
                elif mark == _IMAGE:
                    _skip_colors(file, _read(file, 9)[8])
                    _read(file, 1)
                else:
                    raise EOFError
                _skip_blocks(file)
                whole += mark == _IMAGE
        except EOFError:
            return GifFrames(whole, is_cut=True)
    return GifFrames(whole, is_cut=False)


def _skip_colors(file: BinaryIO, flags: int) -> None:
    """Go behind the table of colors that ``flags`` say there is."""
    if flags & 0x80:
        _read(file, 3 << ((flags & 7) + 1))


def _skip_blocks(file: BinaryIO) -> None:
    """Go behind blocks that begin with their length, up to one of no length."""
    while length := _read(file, 1)[0]:
        _read(file, length)


def _read(file: BinaryIO, length: int) -> bytes:
    data = file.read(length)
    if len(data) < length:
        raise EOFError
    return data

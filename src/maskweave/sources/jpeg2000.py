"""JPEG 2000 that Pillow refuses or decodes to other numbers, although it is sound.

Pillow refuses a file whose container names other colors than its channels are (GDAL writes bands without color names
as gray), and rounds colors of more than 8 bits beyond white, to black. The codestream alone is read without the
former; FFmpeg decodes the latter to the numbers that are stored. Layout: ISO/IEC 15444-1, A.5.1 and I.5.4.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

_STREAM = b"\xff\x4f\xff\x51"
_DEPTH = 42
"""Where a codestream says of its first channel how many bits it has."""
_OTHER_COLORS = "the colors that it names are not those it has: its channels are shown as red, green, blue"


def load_jpeg2000(image: Pillow.Image, data: Path | bytes, warnings: list[str]) -> Pillow.Image:
    """The image, loaded; ``data``: what it was opened from, ``warnings`` gets what its container says wrongly.

    Raises what Pillow raises for what is damaged.
    """
    content = data if isinstance(data, bytes) else data.read_bytes()
    stream = content[max(0, content.find(_STREAM)) :]
    loaded = image
    try:
        loaded.load()
    except OSError:
        if len(stream) == len(content):
            raise
        loaded = Pillow.open(BytesIO(stream), formats=["JPEG2000"])
        loaded.load()
        content = stream
        warnings.append(_OTHER_COLORS)
    if loaded.mode in ("RGB", "RGBA") and (stream[_DEPTH] & 0x7F) + 1 > 8:
        try:
            values = _high_bytes(content, loaded.mode)
        except av.FFmpegError:  # it holds to what the container says of colors
            values = _high_bytes(stream, loaded.mode)
        high = Pillow.fromarray(values)
        high.info.update(image.info)
        return high
    return loaded


def _high_bytes(content: bytes, mode: str) -> NDArray[np.uint8]:
    """(H, W, 3 or 4): the highest 8 bits of colors of more."""
    decoder = av.CodecContext.create("jpeg2000", "r")
    (frame,) = decoder.decode(av.Packet(content))
    wide = frame.reformat(format="rgb48le" if mode == "RGB" else "rgba64le").to_ndarray()
    values = np.asarray(wide, dtype=np.uint16)
    return np.asarray(values >> 8, dtype=np.uint8)

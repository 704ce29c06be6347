"""Small pieces of text for drawings, rendered once and reused."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures
from PIL import ImageDraw, ImageFont

from maskweave.outputs.palette import Colour
from maskweave.types.arrays import Image


@lru_cache(maxsize=8)
def _font(pixels: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(pixels)


@lru_cache(maxsize=1024)
def text_coverage(text: str, pixels: int) -> NDArray[np.float32]:
    """(h, w, 1) float in [0, 1]: how much of each pixel ``text``, ``pixels`` high, covers."""
    font = _font(pixels)
    left, _, right, _ = font.getbbox(text)
    ascent, descent = font.getmetrics() if isinstance(font, ImageFont.FreeTypeFont) else (pixels, 0)
    picture = Pictures.new("L", (max(1, round(right - left)), ascent + descent))
    ImageDraw.Draw(picture).text((-left, 0), text, fill=255, font=font)
    coverage = np.asarray(picture, dtype=np.float32) / np.float32(255)
    return coverage[..., None]


def readable_on(colour: Colour) -> Colour:
    """Black or white, whichever stands out from ``colour``."""
    luminance = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    return (0, 0, 0) if luminance > 140 else (255, 255, 255)


def draw_text(image: Image, text: str, at: tuple[int, int], *, pixels: int, colour: Colour) -> None:
    """Draw ``text`` into ``image`` with its top-left corner ``at`` (x, y); what lies outside is cut off."""
    coverage = text_coverage(text, pixels)
    x, y = at
    left, top = max(0, x), max(0, y)
    right = min(image.shape[1], x + coverage.shape[1])
    bottom = min(image.shape[0], y + coverage.shape[0])
    if left >= right or top >= bottom:
        return
    share = coverage[top - y : bottom - y, left - x : right - x]
    region = image[top:bottom, left:right]
    region[:] = region + share * (np.array(colour, dtype=np.float32) - region) + 0.5


def draw_label(image: Image, text: str, at: tuple[int, int], *, pixels: int, colour: Colour) -> None:
    """Draw ``text`` on a plate of ``colour`` whose bottom-left corner is ``at`` (x, y), kept inside the image."""
    height, width = text_coverage(text, pixels).shape[:2]
    pad = max(1, pixels // 5)
    plate_height, plate_width = height + pad, width + 2 * pad
    x = max(0, min(at[0], image.shape[1] - plate_width))
    y = max(0, min(at[1] - plate_height, image.shape[0] - plate_height))
    image[y : y + plate_height, x : x + plate_width] = colour
    draw_text(image, text, (x + pad, y + pad // 2), pixels=pixels, colour=readable_on(colour))

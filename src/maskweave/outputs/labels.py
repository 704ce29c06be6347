"""Render small labels for drawings, once each."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PILImage
from PIL import ImageDraw, ImageFont

from maskweave.ops.palette import Color
from maskweave.types.arrays import FloatArray, Image


@lru_cache(maxsize=8)
def _font(pixels: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(pixels)


@lru_cache(maxsize=1024)
def text_coverage(text: str, pixels: int) -> NDArray[np.uint8]:
    """(h, w), 0 to 255: how much of each pixel ``text``, ``pixels`` high, covers."""
    font = _font(pixels)
    left, _, right, _ = font.getbbox(text)
    ascent, descent = font.getmetrics() if isinstance(font, ImageFont.FreeTypeFont) else (pixels, 0)
    image = PILImage.new("L", (max(1, round(right - left)), ascent + descent))
    ImageDraw.Draw(image).text((-left, 0), text, fill=255, font=font)
    return np.asarray(image)


def readable_on(color: Color) -> Color:
    """Black or white, whichever stands out from ``color``."""
    luminance = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]
    return (0, 0, 0) if luminance > 140 else (255, 255, 255)


def draw_text(image: Image, text: str, at: tuple[int, int], *, pixels: int, color: Color) -> None:
    """Draw ``text`` into ``image`` with its top-left corner ``at`` (x, y); what lies outside is cut off."""
    coverage = text_coverage(text, pixels)
    x, y = at
    left, top = max(0, x), max(0, y)
    right = min(image.shape[1], x + coverage.shape[1])
    bottom = min(image.shape[0], y + coverage.shape[0])
    if left >= right or top >= bottom:
        return
    share = coverage[top - y : bottom - y, left - x : right - x, None] / np.float32(255)
    region = image[top:bottom, left:right]
    region[:] = _mixed(region, share, color)


def draw_label(image: Image, text: str, at: tuple[int, int], *, pixels: int, color: Color) -> None:
    """Draw ``text`` on a plate of ``color`` whose bottom-left corner is ``at`` (x, y), kept inside the image."""
    coverage = text_coverage(text, pixels)
    height, width = coverage.shape
    pad = max(1, pixels // 5)
    covered = np.zeros((height + pad, width + 2 * pad), dtype=np.uint8)
    covered[pad // 2 : pad // 2 + height, pad : pad + width] = coverage
    # The plate is of one color, so a pixel's is told by its coverage: one table look-up a channel.
    shares = np.arange(256, dtype=np.float32)[:, None] / np.float32(255)
    table = _mixed(np.array([color], dtype=np.uint8), shares, readable_on(color)).astype(np.uint8)
    plate = cv2.LUT(cv2.merge([covered] * 3), table[None])
    x = max(0, min(at[0], image.shape[1] - plate.shape[1]))
    y = max(0, min(at[1] - plate.shape[0], image.shape[0] - plate.shape[0]))
    region = image[y : y + plate.shape[0], x : x + plate.shape[1]]
    region[:] = plate[: region.shape[0], : region.shape[1]]


def _mixed(below: Image, share: FloatArray, color: Color) -> FloatArray:
    """``color`` over what is below it, to be cut to whole numbers."""
    mixed: FloatArray = below + share * (np.array(color, dtype=np.float32) - below) + 0.5
    return mixed

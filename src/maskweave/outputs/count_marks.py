"""Draw lines, zones and their counts over an image."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from maskweave.ops.palette import Color
from maskweave.outputs.labels import draw_text, text_coverage
from maskweave.types.arrays import Image
from maskweave.types.counts import Counts, LineCount, Point, ZoneCount

_INK: Color = (255, 255, 255)
_ACTIVE: Color = (255, 214, 64)  # a line that was just crossed, a zone that somebody stands in
_EDGE: Color = (24, 24, 24)
_SHIFT = 4  # binary digits behind the point in OpenCV's drawing


def draw_places(image: Image, counts: Counts, *, width: int) -> None:
    """Draw every zone as a veil with a border and every line as a stroke, in place; ``width`` of strokes in pixels.

    A zone that somebody stands in and a line that was just crossed are yellow, the others white.
    """
    for zone in counts.zones:
        _draw_zone(image, zone, width=width)
    for line in counts.lines:
        active = bool(line.forward_now or line.backward_now)
        _stroke(image, np.array(line.line.points), _ACTIVE if active else _INK, width=2 * width)


def draw_numbers(image: Image, counts: Counts, *, pixels: int) -> None:
    """Draw what was counted, in place; ``pixels``: height of the text.

    Beside a line stand two numbers, each on the side to which those objects went; in a zone "now / ever".
    """
    for zone in counts.zones:
        middle = np.array(zone.zone.points).mean(axis=0).tolist()
        text = f"{zone.zone.name}  {len(zone.inside)} / {zone.seen}"
        _plate(image, text, (middle[0], middle[1]), pixels=pixels, color=_color(zone.inside))
    for line in counts.lines:
        _draw_line_numbers(image, line, pixels=pixels)


def _draw_zone(image: Image, count: ZoneCount, *, width: int) -> None:
    points, color = np.array(count.zone.points), _color(count.inside)
    left, top = np.maximum(np.floor(points.min(axis=0)).astype(int), 0)
    right, bottom = np.minimum(np.ceil(points.max(axis=0)).astype(int) + 1, image.shape[1::-1])
    if bottom <= top or right <= left:
        return
    inside = np.zeros((bottom - top, right - left), dtype=np.uint8)
    cv2.fillPoly(inside, [_fixed(points - (left, top))], 255, shift=_SHIFT)
    region = image[top:bottom, left:right]
    veil = cv2.addWeighted(region, 0.84, np.full_like(region, color), 0.16, 0)
    region[:] = cv2.copyTo(veil, inside, region)
    _stroke(image, points, color, width=width, closed=True)


def _draw_line_numbers(image: Image, count: LineCount, *, pixels: int) -> None:
    start, end = np.array(count.line.start), np.array(count.line.end)
    along = (end - start) / math.dist(count.line.start, count.line.end)
    right = np.array([-along[1], along[0]])  # y points down
    middle = (start + end) / 2
    for number, now, side in (
        (str(count.forward), count.forward_now, right),
        (str(count.backward), count.backward_now, -right),
    ):
        _arrow(image, middle + side * pixels * 0.35, side, size=pixels * 0.7, color=_color(now))
        beside = _beside(middle, side, number, pixels)
        _plate(image, number, beside, pixels=pixels, color=_color(now))
    _plate(image, count.line.name, count.line.start, pixels=pixels, color=_INK)


def _color(ids: tuple[int, ...]) -> Color:
    return _ACTIVE if ids else _INK


def _beside(middle: NDArray[np.float64], side: NDArray[np.float64], text: str, pixels: int) -> Point:
    """Where a number's plate has its center, so that it clears the arrow."""
    height, width = _plate_size(text, pixels)
    reach = 1.3 * pixels + abs(side[0]) * width / 2 + abs(side[1]) * height / 2
    return float(middle[0] + side[0] * reach), float(middle[1] + side[1] * reach)


def _arrow(
    image: Image, at: NDArray[np.float64], towards: NDArray[np.float64], *, size: float, color: Color
) -> None:
    across = np.array([-towards[1], towards[0]])
    points = np.stack([at + across * size * 0.6, at + towards * size, at - across * size * 0.6])
    cv2.fillPoly(image, [_fixed(points)], color, cv2.LINE_AA, _SHIFT)
    cv2.polylines(image, [_fixed(points)], True, _EDGE, 1, cv2.LINE_AA, _SHIFT)


def _stroke(
    image: Image, points: NDArray[np.float64], color: Color, *, width: int, closed: bool = False
) -> None:
    """A line with a dark edge, which shows on any ground."""
    cv2.polylines(image, [_fixed(points)], closed, _EDGE, width + 2, cv2.LINE_AA, _SHIFT)
    cv2.polylines(image, [_fixed(points)], closed, color, width, cv2.LINE_AA, _SHIFT)


def _plate(image: Image, text: str, center: Point, *, pixels: int, color: Color) -> None:
    """Text on a dark plate about ``center``, kept inside the image."""
    height, width = _plate_size(text, pixels)
    x = max(0, min(round(center[0] - width / 2), image.shape[1] - width))
    y = max(0, min(round(center[1] - height / 2), image.shape[0] - height))
    region = image[y : y + height, x : x + width]
    region[:] = region * np.float32(0.3) + np.float32(8)
    draw_text(image, text, (x + pixels // 3, y + pixels // 8), pixels=pixels, color=color)


def _plate_size(text: str, pixels: int) -> tuple[int, int]:
    height, width = text_coverage(text, pixels).shape[:2]
    return height + 2 * (pixels // 8), width + 2 * (pixels // 3)


def _fixed(points: NDArray[np.float64]) -> NDArray[np.int32]:
    """OpenCV's fixed-point coordinates, in which whole numbers are the middles of pixels."""
    return np.rint((points - 0.5) * (1 << _SHIFT)).astype(np.int32)

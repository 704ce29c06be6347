"""Place an image in a network's input, and map results back: one reversible transform."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from maskweave.types.arrays import FloatArray, Image, Size, check_size


@dataclass(frozen=True)
class Letterbox:
    """A source image of ``source_size`` scaled to ``scaled_size`` at ``offset`` of an ``input_size`` canvas.

    Sizes are (height, width), ``offset`` is (y, x), all in pixels. Continuous coordinates: pixel ``i`` spans
    ``i`` to ``i + 1``, so the map between source and input is a plain scale and shift without half-pixel terms.

    >>> Letterbox.long_side((480, 640), 320, multiple=32).scaled_size
    (240, 320)
    """

    source_size: Size
    scaled_size: Size
    input_size: Size
    offset: tuple[int, int] = (0, 0)

    @classmethod
    def squash(cls, source_size: Size, input_size: Size) -> Letterbox:
        """Fill the whole input, aspect not kept."""
        return cls(check_size(source_size), check_size(input_size), input_size)

    @classmethod
    def long_side(
        cls,
        source_size: Size,
        side: int,
        *,
        multiple: int = 1,
        square: bool = False,
        center: bool = False,
    ) -> Letterbox:
        """Keep the aspect, long side scaled to ``side``; the canvas is padded to a ``multiple``.

        ``square`` makes the canvas ``side`` x ``side``. The image lies at the top left, or in the
        middle with ``center``.
        """
        height, width = check_size(source_size)
        return cls._scaled((height, width), side / max(height, width), side, multiple, square, center)

    @classmethod
    def short_side(
        cls, source_size: Size, short: int, *, max_side: int | None = None, multiple: int = 1
    ) -> Letterbox:
        """Keep the aspect, short side scaled to ``short`` unless the long one would pass ``max_side``."""
        height, width = check_size(source_size)
        scale = short / min(height, width)
        if max_side is not None:
            scale = min(scale, max_side / max(height, width))
        return cls._scaled((height, width), scale, 0, multiple, square=False, center=False)

    @classmethod
    def _scaled(
        cls, source: Size, scale: float, side: int, multiple: int, square: bool, center: bool
    ) -> Letterbox:
        height, width = (max(1, round(edge * scale)) for edge in source)
        canvas = (side, side) if square else (height, width)
        padded = (-(-canvas[0] // multiple) * multiple, -(-canvas[1] // multiple) * multiple)
        offset = ((padded[0] - height) // 2, (padded[1] - width) // 2) if center else (0, 0)
        return cls(source, (height, width), padded, offset)

    @property
    def scale(self) -> tuple[float, float]:
        """(y, x) input pixels per source pixel."""
        return (
            self.scaled_size[0] / self.source_size[0],
            self.scaled_size[1] / self.source_size[1],
        )

    @property
    def canvas_extent(self) -> tuple[float, float, float, float]:
        """x1, y1, x2, y2 of the whole input, padding included, in source pixels."""
        height, width = self.input_size
        x1, y1, x2, y2 = self.to_source(np.array([[0, 0, width, height]], dtype=np.float64))[0].tolist()
        return x1, y1, x2, y2

    def apply(self, image: Image, *, pad_value: int = 0, antialias: bool = True) -> Image:
        """Lay (H, W, 3) ``image`` into a (h, w, 3) canvas of ``input_size``; smaller by area, larger bilinear.

        Without ``antialias`` both are bilinear between pixel centers, as networks were fed in training that know
        images only so: an edge of a shrunk image is then as rough as they expect it.
        """
        if image.shape[:2] == self.scaled_size:
            scaled = image
        else:
            by_area = antialias and min(self.scale) < 1
            method = cv2.INTER_AREA if by_area else cv2.INTER_LINEAR
            whole = _halved(image, self.scaled_size) if antialias else image
            scaled = np.asarray(cv2.resize(whole, self.scaled_size[::-1], interpolation=method), np.uint8)
        if self.scaled_size == self.input_size:
            return scaled
        canvas = np.full((*self.input_size, 3), pad_value, dtype=np.uint8)
        top, left = self.offset
        canvas[top : top + self.scaled_size[0], left : left + self.scaled_size[1]] = scaled
        return canvas

    def to_source(self, boxes: FloatArray) -> FloatArray:
        """Map (N, 4) xyxy boxes from input pixels to source pixels, not clipped."""
        return (np.asarray(boxes, np.float64) - self._shift()) / self._factors()

    def to_input(self, boxes: FloatArray) -> FloatArray:
        """Map (N, 4) xyxy boxes from source pixels to input pixels."""
        return np.asarray(boxes, np.float64) * self._factors() + self._shift()

    def _factors(self) -> FloatArray:
        return np.array([self.scale[1], self.scale[0]] * 2)

    def _shift(self) -> FloatArray:
        return np.array([self.offset[1], self.offset[0]] * 2, dtype=np.float64)


def _halved(image: Image, min_size: Size) -> Image:
    """Average 2x2 pixels while that is exact and leaves ``min_size`` (height, width) or more.

    OpenCV averages over whole factors ten times as fast as over others, and what is left is small.
    """
    while not (image.shape[0] % 2 or image.shape[1] % 2):
        height, width = image.shape[0] // 2, image.shape[1] // 2
        if height < min_size[0] or width < min_size[1]:
            break
        image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return image


def fit_inside(source: Size, canvas: Size, *, center: bool = False) -> Letterbox:
    """Scale an image of ``source`` size to the largest that fits ``canvas``, aspect kept.

    It lies at the top left, or in the middle with ``center``; an odd pixel of padding then goes right or below.
    """
    scale = min(canvas[0] / source[0], canvas[1] / source[1])
    height, width = (
        min(limit, max(1, round(side * scale))) for side, limit in zip(source, canvas, strict=True)
    )
    offset = ((canvas[0] - height) // 2, (canvas[1] - width) // 2) if center else (0, 0)
    return Letterbox(source, (height, width), canvas, offset)

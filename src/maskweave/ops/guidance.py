"""Crop around an object, and draw the maps that tell a network which object is meant.

A `Window` is a square of the image, in parts perhaps outside of it; a crop shows it on S x S pixels. Guidance is four
uint8 maps of that size: an old mask (its probability), a box (filled), clicks on the object and clicks beside it
(discs, as in RITM, arXiv:2102.06583). What is not given is zero everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from maskweave.types.arrays import FloatArray, Image, Size

MAPS = 4
MASK, BOX, INSIDE, OUTSIDE = range(MAPS)
"""What each map holds."""
CLICK_RADIUS = 5
"""Of a click's disc, in pixels of the crop."""
FILL = 127
"""Gray beyond the image's edge: zero to the network."""
_ALIASING = 0.6
"""Images are shrunk by area before they are sampled at a smaller scale than this."""

Click = tuple[float, float, bool]
"""x, y in pixels of a crop, and whether it is on the object."""


@dataclass(frozen=True)
class Window:
    """A square of an image.

    Attributes:
        x: Of its left side, in pixels of the image.
        y: Of its upper side.
        side: Length of its sides.
    """

    x: float
    y: float
    side: float

    @classmethod
    def around(cls, box: Sequence[float] | FloatArray, factor: float, *, min_side: float = 16.0) -> Window:
        """The square about the middle of a box, `factor` times as large as its longer side."""
        x1, y1, x2, y2 = (float(value) for value in box)
        side = max(factor * max(x2 - x1, y2 - y1), min_side)
        return cls((x1 + x2 - side) / 2, (y1 + y2 - side) / 2, side)

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """x1, y1, x2, y2 in pixels of the image."""
        return self.x, self.y, self.x + self.side, self.y + self.side

    def place(self, points: FloatArray, size: int) -> FloatArray:
        """(N, 2) places x, y in the image as places in a crop of `size` x `size`."""
        placed: FloatArray = (np.asarray(points, dtype=np.float64) - (self.x, self.y)) * (size / self.side)
        return placed

    def matrix(self, size: int) -> NDArray[np.float64]:
        """(2, 3) affine map from the image's pixel centers to the crop's."""
        scale = size / self.side
        return np.array([[scale, 0, (0.5 - self.x) * scale - 0.5], [0, scale, (0.5 - self.y) * scale - 0.5]])


def crop_image(image: Image, window: Window, size: int) -> Image:
    """Show a window of (H, W, 3) uint8 RGB on (size, size, 3)."""
    return warp_image(image, window.matrix(size), size)


def warp_image(image: Image, matrix: NDArray[np.float64], size: int) -> Image:
    """Sample (H, W, C) or (H, W) by an affine map of pixel centers, with no aliasing and gray beyond the edge."""
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    fill = (FILL,) * 3 if image.ndim == 3 else 0
    if scale < _ALIASING:
        image, matrix = _shrunk(image, matrix, scale, size)
    warped = cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderValue=fill)
    return np.asarray(warped, dtype=np.uint8)


def _shrunk(
    image: Image, matrix: NDArray[np.float64], scale: float, size: int
) -> tuple[Image, NDArray[np.float64]]:
    """The part of an image that a map shows, reduced by area, and the map from there."""
    corners = np.array([[0, 0, 1], [size, 0, 1], [0, size, 1], [size, size, 1]], dtype=np.float64)
    shown = corners @ cv2.invertAffineTransform(matrix).T
    height, width = image.shape[:2]
    x1, y1 = np.floor(shown.min(axis=0) - 2 / scale).clip(0, [width - 1, height - 1]).astype(int)
    x2, y2 = np.ceil(shown.max(axis=0) + 2 / scale).clip([x1 + 1, y1 + 1], [width, height]).astype(int)
    part = image[y1:y2, x1:x2]
    reduced = max(1, round((x2 - x1) * scale)), max(1, round((y2 - y1) * scale))
    small = cv2.resize(part, reduced, interpolation=cv2.INTER_AREA)
    joined: NDArray[np.float64] = matrix @ grid_to_image((x1, y1, x2, y2), (reduced[1], reduced[0]))
    return np.asarray(small, dtype=np.uint8), joined


def grid_to_image(extent: tuple[float, float, float, float], size: Size) -> NDArray[np.float64]:
    """(3, 3) affine map from the centers of an (h, w) grid's cells to an image's; x1 y1 x2 y2 is what it covers."""
    x1, y1, x2, y2 = extent
    sx, sy = (x2 - x1) / size[1], (y2 - y1) / size[0]
    return np.array([[sx, 0, x1 + sx / 2 - 0.5], [0, sy, y1 + sy / 2 - 0.5], [0, 0, 1]])


def draw_guidance(
    size: int,
    *,
    mask: NDArray[np.uint8] | None = None,
    box: Sequence[float] | FloatArray | None = None,
    clicks: Sequence[Click] = (),
) -> NDArray[np.uint8]:
    """Draw the maps (size, size, 4) uint8 of what guides a crop, all given in its pixels.

    Args:
        size: Side of the crop.
        mask: (size, size), an old mask from 0 to 255.
        box: x1, y1, x2, y2.
        clicks: Any number of them.
    """
    maps = np.zeros((MAPS, size, size), dtype=np.uint8)
    if mask is not None:
        maps[MASK] = mask
    if box is not None:
        x1, y1, x2, y2 = (round(min(max(float(value), 0), size)) for value in box)
        maps[BOX, y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)] = 255
    for x, y, inside in clicks:
        draw_click(maps[INSIDE if inside else OUTSIDE], x, y)
    return np.ascontiguousarray(maps.transpose(1, 2, 0))


def draw_click(one_map: NDArray[np.uint8], x: float, y: float) -> None:
    """Draw a click's disc into an (S, S) map."""
    cv2.circle(one_map, (round(x - 0.5), round(y - 0.5)), CLICK_RADIUS, 255, -1)


def innermost(region: NDArray[np.bool_]) -> tuple[float, float, float]:
    """x, y of the pixel center farthest from a region's border, and that distance; the image's edge is a border."""
    padded = np.pad(region.astype(np.uint8), 1)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = np.unravel_index(int(distance.argmax()), distance.shape)
    return float(column) + 0.5, float(row) + 0.5, float(distance[row, column])


def error_regions(
    answer: NDArray[np.bool_], truth: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Label the connected regions in which an answer is wrong: (H, W) labels from 1, and the (K,) areas of them."""
    wrong = (answer ^ truth).view(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(wrong, connectivity=4)
    return np.asarray(labels, dtype=np.int32), np.asarray(stats[1:, cv2.CC_STAT_AREA], dtype=np.int32)


def error_middle(answer: NDArray[np.bool_], truth: NDArray[np.bool_]) -> tuple[float, float] | None:
    """x, y in the middle of an answer's largest error; None where it has none."""
    labels, areas = error_regions(answer, truth)
    if not len(areas):
        return None
    x, y, _ = innermost(labels == 1 + int(areas.argmax()))
    return x, y


def expected_iou(mask_probs: FloatArray, mask: NDArray[np.bool_]) -> float:
    """IoU of a mask with the truth that (H, W) probabilities expect, were the pixels independent."""
    covered = float(mask_probs[mask].sum())
    union = float(mask.sum()) + float(mask_probs.sum()) - covered
    return covered / union if union > 0 else 0.0

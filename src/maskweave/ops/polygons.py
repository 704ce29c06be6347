"""Trace exact outlines of masks, holes included, and fill outlines into masks.

Outlines run along pixel borders, so a mask survives the round trip to the last pixel. Pixels that touch only
at a corner belong to different rings (4-connectivity).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue
from maskweave.ops.masks import unite
from maskweave.types.arrays import MAX_OBJECT_PIXELS, FloatArray, IntArray, Mask, Size
from maskweave.types.masks import Masks

_MAX_COORDINATE = 1e12  # pixels; a point beyond that is damage


@dataclass(frozen=True, eq=False)
class Polygon:
    """One connected part of an object: its outer ring and the rings of its holes.

    Each ring is (P, 2) x, y in pixels, closed implicitly. Outer rings run clockwise on the screen (y down),
    holes counter-clockwise.
    """

    exterior: FloatArray
    holes: tuple[FloatArray, ...] = ()

    @property
    def rings(self) -> tuple[FloatArray, ...]:
        """The outer ring, then the holes."""
        return (self.exterior, *self.holes)


def mask_to_polygons(mask: Mask, *, offset: tuple[int, int] = (0, 0)) -> list[Polygon]:
    """Trace an (H, W) bool mask; ``offset`` (x, y) is added to every point. An empty mask has no polygons."""
    if mask.ndim != 2 or mask.dtype != np.bool_:
        raise InvalidValue(f"mask: need (H, W) bool, got {mask.shape} {mask.dtype}")
    if not mask.any():
        return []
    framed = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2), dtype=bool)
    framed[1:-1, 1:-1] = mask
    outer: list[_Ring] = []
    inner: list[_Ring] = []
    for ring in _trace(framed):
        (outer if ring.outer else inner).append(ring)
    labels = _labels(framed, outer, inner)
    holes: dict[int, list[FloatArray]] = {}
    shift = np.array(offset) - 1
    for ring in inner:
        holes.setdefault(int(labels[ring.beside]), []).append((ring.points + shift).astype(np.float64))
    return [
        Polygon((ring.points + shift).astype(np.float64), tuple(holes.get(int(labels[ring.beside]), ())))
        for ring in outer
    ]


def masks_to_polygons(masks: Masks) -> list[list[Polygon]]:
    """Trace each object of ``masks``, in image coordinates."""
    return [mask_to_polygons(crop, offset=(x, y)) for crop, x, y in masks.placed()]


def rings_to_mask(rings: Sequence[FloatArray], size: Size) -> Mask:
    """Fill rings, each (P, 2) x, y with P >= 3, by the even-odd rule into an (H, W) bool mask."""
    return Masks(*_filled(rings, size), size).union()


def fill_polygons(polygons: Sequence[Polygon], size: Size) -> Masks:
    """The object that polygons enclose, `Masks` of length 1: a pixel is inside where its center is.

    Each polygon is filled by the even-odd rule, so its holes stay open; polygons are united. Parts outside the
    image of ``size`` are cut off. Only the pixels round the object are looked at, however large the image.

    Raises `InvalidValue` for a ring of fewer than three points, or points that are not finite.
    """
    crops, corners = [], []
    for polygon in polygons:
        (crop,), (corner,) = _filled(polygon.rings, size)
        crops.append(crop)
        corners.append(corner)
    return unite(Masks(crops, corners, size))


def check_ring(points: FloatArray) -> None:
    """Raise `InvalidValue` for points that are no outline in pixels."""
    if points.ndim != 2 or points.shape[1] != 2:
        raise InvalidValue(f"polygon: need x, y of each point, got numbers in the form {points.shape}")
    if len(points) < 3:
        raise InvalidValue(f"polygon: need at least 3 points, got {len(points)}")
    if not np.isfinite(points).all():
        raise InvalidValue("polygon: need finite numbers, got NaN or infinity")
    if np.abs(points).max() > _MAX_COORDINATE:
        raise InvalidValue(f"polygon: need points in pixels, got one at {np.abs(points).max():g}")


def _filled(rings: Sequence[FloatArray], size: Size) -> tuple[list[Mask], list[tuple[int, int]]]:
    """The bitmap round what rings enclose, and the x, y of its first pixel; one of each."""
    height, width = size
    places = []
    for ring in rings:
        points = np.asarray(ring, dtype=np.float64)
        check_ring(points)
        rows, crossings = _crossings(points, height)
        columns = np.clip(np.ceil(crossings - 0.5), 0, width).astype(np.int64)
        places.append(np.stack([rows, columns]))
    rows, columns = np.concatenate(places, axis=1) if places else np.zeros((2, 0), np.int64)
    if not len(rows):
        return [np.zeros((0, 0), dtype=bool)], [(0, 0)]
    top, left = int(rows.min()), int(columns.min())
    extent = int(rows.max()) + 1 - top, int(columns.max()) + 1 - left
    if extent[0] * extent[1] > MAX_OBJECT_PIXELS:
        raise InvalidValue(
            f"ring: need an object of at most {MAX_OBJECT_PIXELS:,} pixels, got {extent[1]} x {extent[0]}"
        )
    toggles = np.zeros(extent, dtype=np.int32)
    np.add.at(toggles, (rows - top, columns - left), 1)
    crop: Mask = (np.cumsum(toggles[:, :-1], axis=1) % 2).astype(bool)  # after the last column none is inside
    return [crop], [(left, top)]


def ring_area(ring: FloatArray | IntArray) -> float:
    """Signed area of a (P, 2) ring; positive when it runs clockwise on the screen (y down)."""
    x, y = ring[:, 0].astype(np.float64), ring[:, 1].astype(np.float64)
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def simplify(polygon: Polygon, tolerance: float) -> Polygon:
    """Drop points that move the outline by at most ``tolerance`` pixels (Douglas-Peucker).

    Rings that shrink to fewer than three points are kept as they were.
    """

    def reduce(ring: FloatArray) -> FloatArray:
        fewer = cv2.approxPolyDP(ring.astype(np.float32)[:, None], tolerance, True)[:, 0]
        return fewer.astype(np.float64) if len(fewer) >= 3 else ring

    return Polygon(reduce(polygon.exterior), tuple(reduce(hole) for hole in polygon.holes))


def _crossings(points: FloatArray, height: int) -> tuple[NDArray[np.int64], FloatArray]:
    """Rows whose center line an edge crosses, and the x where it does, for all edges of a ring."""
    start, end = points, np.roll(points, -1, axis=0)
    upper = np.where(start[:, 1:] <= end[:, 1:], start, end)
    lower = np.where(start[:, 1:] <= end[:, 1:], end, start)
    first = np.clip(np.ceil(upper[:, 1] - 0.5), 0, height).astype(np.int64)
    last = np.clip(np.ceil(lower[:, 1] - 0.5), 0, height).astype(np.int64)
    counts = last - first
    edge = np.repeat(np.arange(len(points)), counts)
    rows = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + first[edge]
    span = lower[edge] - upper[edge]
    share = (rows + 0.5 - upper[edge, 1]) / span[:, 1]
    return rows, upper[edge, 0] + share * span[:, 0]


class _Ring(NamedTuple):
    """(P, 2) corner points x, y with the object on the right hand, and one pixel (y, x) of it ``beside`` them."""

    points: IntArray
    beside: tuple[int, int]
    outer: bool  # not the ring of a hole


def _labels(framed: Mask, outer: list[_Ring], inner: list[_Ring]) -> IntArray:
    """(H, W) integers that differ where the parts of the object do; all alike where no hole can be another part's."""
    if not inner or len(outer) == 1:
        return np.broadcast_to(np.int32(0), framed.shape)
    _, labels = cv2.connectedComponents(framed.view(np.uint8), connectivity=4)
    return labels.astype(np.int32, copy=False)


def _trace(mask: Mask) -> list[_Ring]:
    """Rings of a mask with an empty border.

    A pixel-border outline turns only at lattice points whose four pixels are not paired; between turns it
    runs straight. In each lattice row the turns pair up into horizontal sides, in each column into vertical
    ones; a ring alternates between the two.
    """
    height, width = mask.shape
    pixels = mask.ravel()  # row after row: with its empty border no row meets the next
    beside, below = pixels[1:] != pixels[:-1], pixels[width:] != pixels[:-width]
    upper, lower = beside[:-width], beside[width:]
    corners = np.flatnonzero((upper | lower) & (below[1:] | below[:-1]))
    # A saddle is two corners, one of each pixel there. In its row the left pixel's comes first, in its column the
    # upper one's: that is the left one's as well where the object lies top-left and bottom-right.
    saddle = upper[corners] & lower[corners]
    corners = np.repeat(corners, 1 + saddle)
    late = np.zeros(len(corners), dtype=np.int64)
    second = np.flatnonzero(saddle) + np.arange(1, 1 + np.count_nonzero(saddle))
    falling = pixels[corners[second]]
    late[second], late[second - 1] = falling, ~falling
    y, x = np.divmod(corners, width)
    down = np.argsort((x * height + y) * 2 + late)
    vertical = np.empty_like(down)
    vertical[down[0::2]], vertical[down[1::2]] = down[1::2], down[0::2]
    points = np.stack([x, y], axis=1) + 1
    return [_oriented(points[members], mask) for members in _walks(vertical.tolist())]


def _walks(vertical: list[int]) -> list[list[int]]:
    """The corners of each ring in order, from every corner's partner in its column; 0 and 1, 2 and 3 … share a side.

    Lists, since Python reads single numbers faster from them than from arrays.
    """
    rings, seen = [], [False] * len(vertical)
    for start in range(0, len(vertical), 2):
        members, corner = [], start
        while not seen[corner]:
            across = corner ^ 1
            members += [corner, across]
            seen[corner] = seen[across] = True
            corner = vertical[across]
        if members:
            rings.append(members)
    return rings


def _oriented(points: IntArray, mask: Mask) -> _Ring:
    """Turn a ring that begins with its topmost side, from the left, so that the object is on its right hand."""
    x, y = points[0].tolist()
    outer = bool(mask[y, x])  # below its topmost side lies what a ring encloses
    return _Ring(points if outer else points[::-1], (y if outer else y - 1, x), outer)

"""Exact outlines of masks, holes included, and masks back from outlines.

Outlines run along pixel borders, so a mask survives the round trip to the last pixel. Pixels that touch only
at a corner belong to different rings (4-connectivity).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue
from maskweave.types.arrays import FloatArray, IntArray, Mask, Size
from maskweave.types.masks import Masks


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
    rings = _trace(np.pad(mask, 1))
    _, labels = cv2.connectedComponents(np.pad(mask, 1).astype(np.uint8), connectivity=4)
    exteriors: dict[int, IntArray] = {}
    holes: dict[int, list[FloatArray]] = {}
    shift = np.array(offset) - 1
    for ring, (y, x) in rings:
        label = int(labels[y, x])
        if ring_area(ring) > 0:
            exteriors[label] = ring + shift
        else:
            holes.setdefault(label, []).append((ring + shift).astype(np.float64))
    return [
        Polygon(ring.astype(np.float64), tuple(holes.get(label, ()))) for label, ring in exteriors.items()
    ]


def masks_to_polygons(masks: Masks) -> list[list[Polygon]]:
    """Trace each object of ``masks``, in image coordinates."""
    return [mask_to_polygons(crop, offset=(x, y)) for crop, x, y in masks.placed()]


def polygons_to_mask(polygons: Sequence[Polygon], size: Size) -> Mask:
    """Fill polygons into an (H, W) bool mask: a pixel is inside where its centre is.

    Each polygon is filled by the even-odd rule, so its holes stay open; polygons are united. Parts outside the
    image are cut off.
    """
    out = np.zeros(size, dtype=bool)
    for polygon in polygons:
        out |= rings_to_mask(polygon.rings, size)
    return out


def rings_to_mask(rings: Sequence[FloatArray], size: Size) -> Mask:
    """Fill rings, each (P, 2) x, y with P >= 3, by the even-odd rule into an (H, W) bool mask."""
    height, width = size
    toggles = np.zeros((height, width + 1), dtype=np.int32)
    for ring in rings:
        points = np.asarray(ring, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3 or not np.isfinite(points).all():
            raise InvalidValue(f"ring: need (P, 2) finite points, P at least 3, got {points.shape}")
        rows, crossings = _crossings(points, height)
        columns = np.clip(np.ceil(crossings - 0.5), 0, width).astype(np.int64)
        np.add.at(toggles, (rows, columns), 1)
    filled: Mask = (np.cumsum(toggles[:, :width], axis=1) % 2).astype(bool)
    return filled


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
    """Rows whose centre line an edge crosses, and the x where it does, for all edges of a ring."""
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


def _trace(mask: Mask) -> list[tuple[IntArray, tuple[int, int]]]:
    """Rings (corner points x, y) of a mask with an empty border, each with one object pixel (y, x) beside it.

    A pixel-border outline turns only at lattice points whose four pixels are not paired; between turns it
    runs straight. In each lattice row the turns pair up into horizontal sides, in each column into vertical
    ones; a ring alternates between the two.
    """
    top_left, top_right = mask[:-1, :-1], mask[:-1, 1:]
    bottom_left, bottom_right = mask[1:, :-1], mask[1:, 1:]
    count = top_left.astype(np.int8) + top_right + bottom_left + bottom_right
    saddle = (count == 2) & (top_left == bottom_right)
    y, x = np.nonzero((count == 1) | (count == 3) | saddle)
    twice = saddle[y, x]
    falling = top_left[y, x]  # at a saddle: the object lies top-left and bottom-right
    x, y, twin = (
        np.concatenate([x, x[twice]]),
        np.concatenate([y, y[twice]]),
        np.concatenate([np.zeros(len(x), np.int64), np.ones(int(twice.sum()), np.int64)]),
    )
    falling = np.concatenate([falling, falling[twice]])
    # Twin 0 belongs to the upper pixel of a saddle, twin 1 to the lower one. In a row, the pixel that lies to
    # the left comes first: that is the upper one only where the object falls. In a column the upper is first.
    horizontal = _partners(np.lexsort((np.where(falling, twin, 1 - twin), x, y)))
    vertical = _partners(np.lexsort((twin, y, x)))
    rings, seen = [], np.zeros(len(x), dtype=bool)
    for start in range(len(x)):
        if not seen[start]:
            members = _walk(start, horizontal, vertical, seen)
            rings.append(_oriented(np.stack([x[members], y[members]], axis=1) + 1, mask))
    return rings


def _partners(order: IntArray) -> IntArray:
    """Pair up corners that follow each other in ``order``."""
    partner = np.empty_like(order)
    partner[order[0::2]], partner[order[1::2]] = order[1::2], order[0::2]
    return partner


def _walk(start: int, horizontal: IntArray, vertical: IntArray, seen: NDArray[np.bool_]) -> list[int]:
    members, corner = [], start
    while not seen[corner]:
        across = int(horizontal[corner])
        members += [corner, across]
        seen[corner] = seen[across] = True
        corner = int(vertical[across])
    return members


def _oriented(ring: IntArray, mask: Mask) -> tuple[IntArray, tuple[int, int]]:
    """Turn a ring so that the object lies on its right hand (y down), and name one object pixel beside it."""
    (x1, y1), (x2, _) = ring[0].tolist(), ring[1].tolist()
    column, object_below = min(x1, x2), bool(mask[y1, min(x1, x2)])
    rightwards = x2 > x1
    if rightwards != object_below:
        ring = ring[::-1]
    return ring, (y1 if object_below else y1 - 1, column)

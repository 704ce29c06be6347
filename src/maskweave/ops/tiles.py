"""Large pictures cut into overlapping tiles, and what was found in the tiles put together again.

Objects are told to be the same where two tiles see the same ground, the band in which they overlap: there the masks
of one object agree, while different objects that touch do not, however close they are. All is done on compact masks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue
from maskweave.ops.iou import mask_intersections
from maskweave.types.arrays import IntArray, Mask, Size
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks
from maskweave.types.windows import Tile

SMALLEST = 64
"""Pixels of a tile's side under which networks see too little to tell anything."""
MOST_OVERLAP = 0.75
"""Share of a tile's side that it may have in common with the next; every pixel is then looked at 16 times."""

_AGREE = 0.5  # intersection over union in the band, from where on two masks are of one object
_INSIDE = 0.7  # share of a piece, cut by its tile's border, that lies in an object of the other tile
_NEAR = 0.015  # of the band's side: masks of networks end a little before the border that cuts them


def tile_grid(size: Size, tile: int, overlap: float) -> list[Tile]:
    """Tiles of ``tile`` x ``tile`` pixels that cover a picture of ``size``, row after row.

    Neighbours have at least the share ``overlap`` of their side in common; tiles are spread evenly, so that none
    hangs over the edge. A side that is shorter than a tile has one, as long as itself.

    Raises `InvalidValue` for a tile under 64 pixels or an overlap outside [0, 0.75].

    >>> [tile.left for tile in tile_grid((64, 200), 100, 0.2)]
    [0, 50, 100]
    """
    check_tiling(tile, overlap)
    return [
        Tile(top, left, bottom, right)
        for top, bottom in _spans(size[0], tile, overlap)
        for left, right in _spans(size[1], tile, overlap)
    ]


def tile_cores(size: Size, tile: int, overlap: float) -> list[Tile]:
    """What of each tile of `tile_grid` is nearer to its own middle than to its neighbours'; no pixel is in two.

    >>> [(core.left, core.right) for core in tile_cores((64, 200), 100, 0.2)]
    [(0, 75), (75, 125), (125, 200)]
    """
    check_tiling(tile, overlap)
    return [
        Tile(top, left, bottom, right)
        for top, bottom in _cores(_spans(size[0], tile, overlap))
        for left, right in _cores(_spans(size[1], tile, overlap))
    ]


def check_tiling(tile: int, overlap: float) -> None:
    """Raise `InvalidValue` for a tile under 64 pixels or an overlap outside [0, 0.75]."""
    if tile < SMALLEST:
        raise InvalidValue(f"tile: need {SMALLEST} pixels or more, got {tile}")
    if not 0 <= overlap <= MOST_OVERLAP:
        raise InvalidValue(f"overlap: need a share in [0, {MOST_OVERLAP}] of the tile's side, got {overlap}")


def merge_tiles(
    pieces: Iterable[tuple[Tile, Instances]], size: Size, class_names: tuple[str, ...]
) -> Instances:
    """Join what was found in each tile, in tile pixels, to the objects of a picture of ``size``, best score first.

    ``pieces`` come row after row, as `tile_grid` gives the tiles. Objects of one class in two tiles are one where
    their masks agree in the band that the tiles share, or where a piece that the tile's border cuts off lies in the
    other. The joined object is the union of the masks and boxes and has the best of the scores. No mask is made
    larger than its object.
    """
    placed: list[
        tuple[Tile, int, Instances]
    ] = []  # of the last rows of tiles: where its objects begin, and they
    found: list[Instances] = []
    groups = _Groups()
    for tile, inside in pieces:
        whole, begin = _placed(inside, tile, size), len(groups)
        groups.extend(len(whole))
        placed = [each for each in placed if each[0].bottom > tile.top]
        for other, other_begin, other_whole in placed:
            if other.meets(tile):
                for first, second in _same(other, other_whole, tile, whole):
                    groups.join(other_begin + first, begin + second)
        placed.append((tile, begin, whole))
        found.append(whole)
    return _joined(found, groups, size, class_names)


def _spans(length: int, tile: int, overlap: float) -> list[tuple[int, int]]:
    """Start and end of each tile along one side."""
    if length <= tile:
        return [(0, length)]
    step = max(1, tile - math.ceil(overlap * tile))
    count = 1 + -(-(length - tile) // step)
    starts = [round(index * (length - tile) / (count - 1)) for index in range(count)]
    return [(start, start + tile) for start in starts]


def _cores(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans, cut in the middle of what neighbours have in common."""
    middles = [(end + start) // 2 for (_, end), (start, _) in pairwise(spans)]
    return list(zip([spans[0][0], *middles], [*middles, spans[-1][1]], strict=True))


def _placed(inside: Instances, tile: Tile, size: Size) -> Instances:
    """From pixels of the tile to pixels of the picture."""
    masks = inside.masks
    corners = masks.corners + np.array([tile.left, tile.top])
    boxes = inside.boxes + np.array([tile.left, tile.top] * 2)
    return inside.replace(masks=Masks.of_tight(masks.crops, corners, size), boxes=boxes)


def _same(tile: Tile, ours: Instances, other: Tile, theirs: Instances) -> Iterator[tuple[int, int]]:
    """Rows of two tiles' objects, in pairs, that are one object."""
    band = tile.shared(other)
    rows, in_band = _within(ours, band)
    columns, others_in_band = _within(theirs, band)
    if not len(rows) or not len(columns):
        return
    shared = mask_intersections(in_band, others_in_band).astype(np.float64)
    shared *= ours.class_ids[rows][:, None] == theirs.class_ids[columns][None]
    areas, other_areas = in_band.areas[:, None], others_in_band.areas[None]
    agreement = shared / (areas + other_areas - shared)
    free, other_free = np.ones(len(rows), dtype=bool), np.ones(len(columns), dtype=bool)
    for row, column in _best_first(agreement, _AGREE):
        if free[row] and other_free[column]:
            free[row] = other_free[column] = False
            yield int(rows[row]), int(columns[column])
    lies_inside = (shared / areas >= _INSIDE) & (free & _is_cut(in_band, band, tile, ours.size))[:, None]
    lies_inside |= (shared / other_areas >= _INSIDE) & (
        other_free & _is_cut(others_in_band, band, other, ours.size)
    )
    for row, column in np.argwhere(lies_inside):
        yield int(rows[row]), int(columns[column])


def _within(instances: Instances, band: Tile) -> tuple[NDArray[np.int64], Masks]:
    """Rows of the objects that have pixels in ``band``, and what of their masks lies in it."""
    extents = instances.masks.boxes
    near = np.flatnonzero(
        (extents[:, 0] < band.right)
        & (extents[:, 2] > band.left)
        & (extents[:, 1] < band.bottom)
        & (extents[:, 3] > band.top)
    )
    crops, corners = [], []
    for crop, x, y in instances.masks[near].placed():
        left, top = max(x, band.left), max(y, band.top)
        crops.append(crop[top - y : band.bottom - y, left - x : band.right - x])
        corners.append((left, top))
    masks = Masks(crops, np.array(corners, dtype=np.int64).reshape(-1, 2), instances.size)
    seen = masks.areas > 0
    return near[seen], masks[seen]


def _best_first(agreement: NDArray[np.float64], least: float) -> Iterator[tuple[int, int]]:
    """Rows and columns of what is at least ``least``, the largest first."""
    rows, columns = np.nonzero(agreement >= least)
    order = np.argsort(-agreement[rows, columns], kind="stable")
    yield from zip(rows[order].tolist(), columns[order].tolist(), strict=True)


def _is_cut(masks: Masks, band: Tile, tile: Tile, size: Size) -> NDArray[np.bool_]:
    """(N,) whether a mask in the band ends at a border of ``tile`` that is not one of the picture."""
    x1, y1, x2, y2 = masks.boxes.T
    near_y, near_x = (1 + _NEAR * side for side in tile.size)
    cut = np.zeros(len(masks), dtype=bool)
    if tile.left > 0 and band.left == tile.left:
        cut |= x1 <= band.left + near_x
    if tile.top > 0 and band.top == tile.top:
        cut |= y1 <= band.top + near_y
    if tile.right < size[1] and band.right == tile.right:
        cut |= x2 >= band.right - near_x
    if tile.bottom < size[0] and band.bottom == tile.bottom:
        cut |= y2 >= band.bottom - near_y
    return cut


class _Groups:
    """Rows that are one object, by union and find; each group is named by its first row."""

    def __init__(self) -> None:
        self._parents: list[int] = []

    def __len__(self) -> int:
        return len(self._parents)

    def extend(self, count: int) -> None:
        """Add ``count`` rows, each a group of its own."""
        self._parents += range(len(self._parents), len(self._parents) + count)

    def join(self, first: int, second: int) -> None:
        """Make one group of two rows'."""
        low, high = sorted((self._root(first), self._root(second)))
        self._parents[high] = low

    def roots(self) -> IntArray:
        """The name of each row's group."""
        return np.array([self._root(row) for row in range(len(self))], dtype=np.int64)

    def _root(self, row: int) -> int:
        while (parent := self._parents[row]) != row:
            self._parents[row] = row = self._parents[parent]
        return row


def _joined(found: list[Instances], groups: _Groups, size: Size, class_names: tuple[str, ...]) -> Instances:
    """One row for each group."""
    if not len(groups):
        return Instances.empty(size, class_names)
    crops = [crop for each in found for crop in each.masks.crops]
    corners = np.concatenate([each.masks.corners for each in found])
    boxes = np.concatenate([each.boxes for each in found])
    scores = np.concatenate([each.scores for each in found])
    class_ids = np.concatenate([each.class_ids for each in found])
    names, members = np.unique(groups.roots(), return_inverse=True)
    joined = [_union(crops, corners, rows) for rows in _rows_of(members, len(names))]
    low, high = np.full((len(names), 2), np.inf), np.full((len(names), 2), -np.inf)
    np.minimum.at(low, members, boxes[:, :2])
    np.maximum.at(high, members, boxes[:, 2:])
    best = np.zeros(len(names))
    np.maximum.at(best, members, scores)
    order = np.argsort(-best, kind="stable")
    return Instances(
        Masks([joined[row][0] for row in order], np.array([joined[row][1] for row in order]), size),
        np.concatenate([low, high], axis=1)[order],
        best[order],
        class_ids[names][order],
        class_names,
    )


def _rows_of(members: IntArray, groups: int) -> list[IntArray]:
    """The rows of each group."""
    order = np.argsort(members, kind="stable")
    return np.split(order, np.searchsorted(members[order], np.arange(1, groups)))


def _union(crops: list[Mask], corners: IntArray, rows: IntArray) -> tuple[Mask, tuple[int, int]]:
    """The bitmap of the pixels of any of the rows, and its corner x, y."""
    if len(rows) == 1:
        (row,) = rows.tolist()
        return crops[row], (int(corners[row, 0]), int(corners[row, 1]))
    left, top = corners[rows].min(axis=0).tolist()
    right = max(int(corners[row, 0]) + crops[row].shape[1] for row in rows)
    bottom = max(int(corners[row, 1]) + crops[row].shape[0] for row in rows)
    whole = np.zeros((bottom - top, right - left), dtype=bool)
    for row in rows:
        x, y = int(corners[row, 0]) - left, int(corners[row, 1]) - top
        crop = crops[row]
        whole[y : y + crop.shape[0], x : x + crop.shape[1]] |= crop
    whole.flags.writeable = False  # read-only tight crops are not copied
    return whole, (left, top)

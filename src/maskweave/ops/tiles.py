"""Merge the results of overlapping tiles into those of the whole image.

Objects are told to be the same where two tiles see the same ground, the band in which they overlap: there the masks
of one object agree, while different objects that touch do not, however close they are. All is done on compact masks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from maskweave.ops.iou import mask_containment, mask_intersections, mask_iou
from maskweave.types.arrays import FloatArray, IntArray, Mask, Size
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks, concatenate
from maskweave.types.windows import Tile

_AGREE = 0.5  # intersection over union in the band, from where on two masks are of one object
_INSIDE = 0.7  # share of a piece, cut by its tile's border, that lies in an object of the other tile
_NEAR = 0.015  # of the band's side: masks of networks end a little before the border that cuts them


def merge_tiles(
    pieces: Iterable[tuple[Tile, Instances]],
    size: Size,
    class_names: tuple[str, ...],
    *,
    overview: Instances | None = None,
) -> Instances:
    """Join what was found in each tile, in tile pixels, to the objects of an image of ``size``, best score first.

    ``pieces`` come row after row, as `tile_grid` gives the tiles. Objects of one class in two tiles are one where
    their masks agree in the band that the tiles share, or where a piece that the tile's border cuts off lies in the
    other. The joined object is the union of the masks and boxes and has the best of the scores. No mask is made
    larger than its object.

    ``overview``: objects too large for a tile, found in the image as a whole. One that the tiles found as well is
    left out. What a network takes parts of the others for is left out: pieces that lie in one, cut off by a tile's
    border without another tile knowing the rest, and what was put together of pieces alone and covers the same.
    """
    near: list[_Found] = []  # of the last rows of tiles
    stored: list[_Stored] = []
    groups = _Groups()
    for tile, inside in pieces:
        new = _Found(tile, len(groups), _placed(inside, tile, size))
        groups.extend(len(new.objects))
        near = [each for each in near if each.tile.bottom > tile.top]
        for other in near:
            if other.tile.meets(tile):
                for first, second in _same(other.tile, other.objects, tile, new.objects):
                    groups.join(other.begin + first, new.begin + second)
                    other.close(first, tile)
                    new.close(second, other.tile)
        near.append(new)
        stored.append(_Stored.of(new))
    found, is_open, is_torn = _joined(stored, groups, size, class_names)
    return found if overview is None else _with_large(found, is_open, is_torn, overview)


def _placed(inside: Instances, tile: Tile, size: Size) -> Instances:
    """From pixels of the tile to pixels of the image."""
    masks = inside.masks
    corners = masks.corners + np.array([tile.left, tile.top])
    boxes = inside.boxes + np.array([tile.left, tile.top] * 2)
    return inside.replace(masks=Masks.of_tight(masks.crops, corners, size), boxes=boxes)


def _same(tile: Tile, first: Instances, other: Tile, second: Instances) -> Iterator[tuple[int, int]]:
    """Rows of two tiles' objects, in pairs, that are one object."""
    band = tile.shared(other)
    rows, in_band = _within(first, band)
    columns, others_in_band = _within(second, band)
    if not len(rows) or not len(columns):
        return
    shared = mask_intersections(in_band, others_in_band).astype(np.float64)
    shared *= first.class_ids[rows][:, None] == second.class_ids[columns][None]
    areas, other_areas = in_band.areas[:, None], others_in_band.areas[None]
    agreement = shared / (areas + other_areas - shared)
    free, other_free = np.ones(len(rows), dtype=bool), np.ones(len(columns), dtype=bool)
    for row, column in _best_first(agreement, _AGREE):
        if free[row] and other_free[column]:
            free[row] = other_free[column] = False
            yield int(rows[row]), int(columns[column])
    lies_inside = (shared / areas >= _INSIDE) & (free & _is_cut(in_band, band, tile, first.size))[:, None]
    lies_inside |= (shared / other_areas >= _INSIDE) & (
        other_free & _is_cut(others_in_band, band, other, first.size)
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


def _best_first(agreement: NDArray[np.float64], min_agreement: float) -> Iterator[tuple[int, int]]:
    """Rows and columns of what is at least ``min_agreement``, the largest first."""
    rows, columns = np.nonzero(agreement >= min_agreement)
    order = np.argsort(-agreement[rows, columns], kind="stable")
    yield from zip(rows[order].tolist(), columns[order].tolist(), strict=True)


def _is_cut(masks: Masks, band: Tile, tile: Tile, size: Size) -> NDArray[np.bool_]:
    """(N,) whether a mask in the band ends at a border of ``tile`` that is not one of the image."""
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


class _Found:
    """The objects of one tile in the image, and at which of the tile's borders each ends without its rest."""

    def __init__(self, tile: Tile, begin: int, objects: Instances) -> None:
        self.tile, self.begin, self.objects = tile, begin, objects
        x1, y1, x2, y2 = objects.masks.boxes.T
        near_y, near_x = (1 + _NEAR * side for side in tile.size)
        height, width = objects.size
        self.cut = np.stack(
            [
                (x1 <= tile.left + near_x) & (tile.left > 0),
                (y1 <= tile.top + near_y) & (tile.top > 0),
                (x2 >= tile.right - near_x) & (tile.right < width),
                (y2 >= tile.bottom - near_y) & (tile.bottom < height),
            ]
        )

        self.torn: NDArray[np.bool_] = np.any(self.cut, axis=0)

    def close(self, row: int, other: Tile) -> None:
        """Note that ``other`` knows the rest of an object, as far as it reaches."""
        tile = self.tile
        self.cut[:, row] &= (
            other.left >= tile.left,
            other.top >= tile.top,
            other.right <= tile.right,
            other.bottom <= tile.bottom,
        )


@dataclass(frozen=True)
class _Stored:
    """The objects of one tile, their masks packed, since those of all tiles are held till the end.

    ``cut`` is the very array of `_Found`, which later tiles still change; ``torn``: not seen whole in its tile.
    """

    bits: list[NDArray[np.uint8]]
    shapes: list[Size]
    corners: IntArray
    boxes: FloatArray
    scores: FloatArray
    class_ids: IntArray
    cut: NDArray[np.bool_]
    torn: NDArray[np.bool_]

    @classmethod
    def of(cls, found: _Found) -> _Stored:
        """Pack what was found."""
        objects = found.objects
        return cls(
            [np.packbits(crop) for crop in objects.masks.crops],
            [(crop.shape[0], crop.shape[1]) for crop in objects.masks.crops],
            objects.masks.corners,
            objects.boxes,
            objects.scores,
            objects.class_ids,
            found.cut,
            found.torn,
        )

    def masks(self) -> Iterator[_PackedMask]:
        """The mask of each object."""
        return map(_PackedMask, self.bits, self.shapes, map(tuple, self.corners.tolist()))


class _PackedMask(NamedTuple):
    """A crop, packed, its (height, width), and its corner x, y."""

    bits: NDArray[np.uint8]
    shape: Size
    corner: tuple[int, int]

    def crop(self) -> Mask:
        """(h, w) bool."""
        height, width = self.shape
        return np.unpackbits(self.bits, count=height * width).reshape(height, width).view(np.bool_)


def _joined(
    stored: list[_Stored], groups: _Groups, size: Size, class_names: tuple[str, ...]
) -> tuple[Instances, NDArray[np.bool_], NDArray[np.bool_]]:
    """One row for each group; whether its rest is in no tile; whether no tile saw it whole."""
    if not len(groups):
        return Instances.empty(size, class_names), np.zeros(0, dtype=bool), np.zeros(0, dtype=bool)
    packed = [mask for each in stored for mask in each.masks()]
    boxes = np.concatenate([each.boxes for each in stored])
    scores = np.concatenate([each.scores for each in stored])
    class_ids = np.concatenate([each.class_ids for each in stored])
    cut = np.concatenate([each.cut for each in stored], axis=1).any(axis=0)
    torn = np.concatenate([each.torn for each in stored])
    names, members = np.unique(groups.roots(), return_inverse=True)
    low, high = np.full((len(names), 2), np.inf), np.full((len(names), 2), -np.inf)
    np.minimum.at(low, members, boxes[:, :2])
    np.maximum.at(high, members, boxes[:, 2:])
    best = np.zeros(len(names))
    np.maximum.at(best, members, scores)
    is_open, is_torn = np.zeros(len(names), dtype=bool), np.ones(len(names), dtype=bool)
    np.logical_or.at(is_open, members, cut)
    np.logical_and.at(is_torn, members, torn)
    order = np.argsort(-best, kind="stable")
    rows_of = _rows_of(members, len(names))
    joined = [_union([packed[row] for row in rows_of[group]]) for group in order]
    found = Instances(
        Masks([crop for crop, _ in joined], np.array([corner for _, corner in joined]), size),
        np.concatenate([low, high], axis=1)[order],
        best[order],
        class_ids[names][order],
        class_names,
    )
    return found, is_open[order], is_torn[order]


def _rows_of(members: IntArray, groups: int) -> list[IntArray]:
    """The rows of each group."""
    order = np.argsort(members, kind="stable")
    return np.split(order, np.searchsorted(members[order], np.arange(1, groups)))


def _union(masks: list[_PackedMask]) -> tuple[Mask, tuple[int, int]]:
    """The bitmap of the pixels of any of the masks, read-only, and its corner x, y."""
    left, top = min(mask.corner[0] for mask in masks), min(mask.corner[1] for mask in masks)
    right = max(mask.corner[0] + mask.shape[1] for mask in masks)
    bottom = max(mask.corner[1] + mask.shape[0] for mask in masks)
    whole = np.zeros((bottom - top, right - left), dtype=bool)
    for mask in masks:
        x, y = mask.corner[0] - left, mask.corner[1] - top
        whole[y : y + mask.shape[0], x : x + mask.shape[1]] |= mask.crop()
    whole.flags.writeable = False  # read-only tight crops are not copied
    return whole, (left, top)


def _with_large(
    found: Instances, is_open: NDArray[np.bool_], is_torn: NDArray[np.bool_], overview: Instances
) -> Instances:
    """What the tiles found, less pieces of what only the overview shows whole, and that; best score first."""
    agree = mask_iou(overview.masks, found.masks) >= _AGREE
    known = (agree & (overview.class_ids[:, None] == found.class_ids[None])).any(axis=1)
    large = overview[~known]
    parts = is_open & (mask_containment(found.masks, large.masks) >= _INSIDE).any(axis=1)
    parts |= is_torn & agree[~known].any(axis=0)  # all of its parts were taken for something else
    kept = found[~parts]
    scores = np.concatenate([kept.scores, large.scores])
    whole = Instances(
        concatenate([kept.masks, large.masks]),
        np.concatenate([kept.boxes, large.boxes]),
        scores,
        np.concatenate([kept.class_ids, large.class_ids]),
        found.class_names,
    )
    return whole[np.argsort(-scores, kind="stable")]

"""Overlapping tiles that cover an image."""

from __future__ import annotations

import math
from itertools import pairwise

from maskweave.errors import InvalidValue
from maskweave.types.arrays import Size
from maskweave.types.windows import Tile

MIN_TILE = 64
"""Pixels of a tile's side under which networks see too little to tell anything."""
MAX_OVERLAP = 0.75
"""Share of a tile's side that it may have in common with the next; every pixel is then looked at 16 times."""


def tile_grid(size: Size, tile: int, overlap: float) -> list[Tile]:
    """Tiles of ``tile`` x ``tile`` pixels that cover an image of ``size``, row after row.

    Neighbors have at least the share ``overlap`` of their side in common; tiles are spread evenly, so that none
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
    """What of each tile of `tile_grid` is nearer to its own middle than to its neighbors'; no pixel is in two.

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
    if tile < MIN_TILE:
        raise InvalidValue(f"tile: need {MIN_TILE} pixels or more, got {tile}")
    if not 0 <= overlap <= MAX_OVERLAP:
        raise InvalidValue(f"overlap: need a share in [0, {MAX_OVERLAP}] of the tile's side, got {overlap}")


def _spans(length: int, tile: int, overlap: float) -> list[tuple[int, int]]:
    """Start and end of each tile along one side."""
    if length <= tile:
        return [(0, length)]
    step = max(1, tile - math.ceil(overlap * tile))
    count = 1 + -(-(length - tile) // step)
    starts = [round(index * (length - tile) / (count - 1)) for index in range(count)]
    return [(start, start + tile) for start in starts]


def _cores(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans, cut in the middle of what neighbors have in common."""
    middles = [(end + start) // 2 for (_, end), (start, _) in pairwise(spans)]
    return list(zip([spans[0][0], *middles], [*middles, spans[-1][1]], strict=True))

"""Fill polygons exactly as COCO's own tools do, so that published measures come out to the last digit.

An outline is drawn on a grid five times as fine, with rounded coordinates; a column of pixels changes between outside
and inside where the drawn outline crosses its middle. Source: the COCO API, ``common/maskApi.c`` (``rleFrPoly``),
https://github.com/cocodataset/cocoapi.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue
from maskweave.ops.masks import unite
from maskweave.ops.polygons import check_ring
from maskweave.ops.rle import fill_runs
from maskweave.types.arrays import FloatArray, IntArray, Size
from maskweave.types.masks import Masks

_SCALE = 5
_MIDDLE = 2  # the fine column before the middle of a pixel's five
_MAX_CROSSINGS = 50_000_000


def fill_coco_polygons(rings: Sequence[FloatArray], size: Size) -> Masks:
    """One object, `Masks` of length 1: the union of rings, each (P, 2) x, y in pixels, in an image of ``size``.

    Parts outside the image are cut off. Outlines along pixel borders give their pixels exactly.

    Raises:
        InvalidValue: A ring has fewer than three points, or points that are not finite.
    """
    crops, corners = [], []
    for ring in rings:
        starts, ends = _runs(np.asarray(ring, dtype=np.float64), size)
        if len(starts):
            crop, corner = fill_runs(starts, ends, size[0])
            crops.append(crop)
            corners.append(corner)
    return unite(Masks(crops, corners, size))


def _runs(ring: FloatArray, size: Size) -> tuple[IntArray, IntArray]:
    """Where the runs of inside pixels begin and end, counted column by column."""
    check_ring(ring)
    height, width = size
    columns, fine_rows = _crossings(np.trunc(_SCALE * ring + 0.5), width)
    rows = np.ceil(np.clip((fine_rows + 0.5) / _SCALE - 0.5, 0, height)).astype(np.int64)
    toggles = np.sort(columns * height + rows)
    if len(toggles) % 2:
        toggles = np.append(toggles, height * width)
    starts, ends = toggles[0::2], toggles[1::2]
    kept = ends > starts
    return starts[kept], ends[kept]


def _crossings(points: FloatArray, width: int) -> tuple[NDArray[np.int64], FloatArray]:
    """The columns whose middles the outline crosses, and the fine row of each crossing."""
    start, end = points, np.roll(points, -1, axis=0)
    across, down = np.abs(end[:, 0] - start[:, 0]), np.abs(end[:, 1] - start[:, 1])
    flat = across >= down
    turned = np.where(flat, start[:, 0] > end[:, 0], start[:, 1] > end[:, 1])[:, None]
    begin, stop = np.where(turned, end, start), np.where(turned, start, end)
    left = np.minimum(start[:, 0], end[:, 0])
    right = np.maximum(start[:, 0], end[:, 0])
    first = np.clip(np.ceil((left - _MIDDLE) / _SCALE), 0, width).astype(np.int64)
    last = np.clip(np.floor((right - _MIDDLE - 1) / _SCALE) + 1, 0, width).astype(np.int64)
    counts = np.maximum(last - first, 0)
    total = int(counts.sum())
    if total > _MAX_CROSSINGS:
        raise InvalidValue(f"ring: need an outline of at most {_MAX_CROSSINGS:,} crossings, got {total:,}")
    edge = np.repeat(np.arange(len(points)), counts)
    columns = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts) + first[edge]
    before = (_SCALE * columns + _MIDDLE).astype(np.float64)
    rows = np.where(
        flat[edge],
        _rows_of_flat(before, begin[edge], stop[edge]),
        _rows_of_steep(before, begin[edge], stop[edge]),
    )
    return columns, rows


def _rows_of_flat(before: FloatArray, begin: FloatArray, stop: FloatArray) -> FloatArray:
    """Of edges drawn column by column: the upper one of the two points beside a middle."""
    span = np.maximum(stop[:, 0] - begin[:, 0], 1)
    slope = (stop[:, 1] - begin[:, 1]) / span
    step = before - begin[:, 0]
    here, there = (np.trunc(begin[:, 1] + slope * (step + each) + 0.5) for each in (0, 1))
    lower: FloatArray = np.minimum(here, there)
    return lower


def _rows_of_steep(before: FloatArray, begin: FloatArray, stop: FloatArray) -> FloatArray:
    """Of edges drawn row by row: the last row before the drawn column passes the middle."""
    span = np.maximum(stop[:, 1] - begin[:, 1], 1)
    slope = (stop[:, 0] - begin[:, 0]) / span
    rising = slope > 0
    safe = np.where(slope == 0, 1, slope)
    near = np.floor((before + 0.5 - begin[:, 0]) / safe)
    found = near
    for shift in (2, 1, 0, -1, -2):  # rounding may put the step one beside where it was computed
        step = near + shift
        here, there = (np.trunc(begin[:, 0] + slope * (step + each) + 0.5) for each in (0, 1))
        passes = np.where(rising, (here <= before) & (there > before), (here > before) & (there <= before))
        found = np.where(passes, step, found)
    row: FloatArray = begin[:, 1] + found
    return row

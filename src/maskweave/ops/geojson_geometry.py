"""Outlines as GeoJSON geometries.

Source: RFC 7946, https://datatracker.ietf.org/doc/html/rfc7946#section-3.1.6.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from maskweave.ops.polygons import Polygon, ring_area
from maskweave.types.arrays import FloatArray


def polygons_geometry(
    polygons: Sequence[Polygon],
    *,
    to_map: Callable[[FloatArray], FloatArray] | None = None,
    decimals: int | None = None,
) -> dict[str, Any]:
    """The parts of one object as a GeoJSON ``Polygon``, or a ``MultiPolygon`` where there are none or several.

    ``to_map`` turns (P, 2) pixel coordinates x, y into those of the map; None keeps pixels, y down. Rings are closed;
    with x to the right and y up outer ones run counter-clockwise and holes clockwise, as RFC 7946 wants. ``decimals``
    rounds.

    >>> square = Polygon(np.array([[0, 0], [2, 0], [2, 1], [0, 1]]))
    >>> polygons_geometry([square])["coordinates"]
    [[[0.0, 0.0], [2.0, 0.0], [2.0, 1.0], [0.0, 1.0], [0.0, 0.0]]]
    """
    parts = [
        [_ring(ring, to_map, decimals, outer=number == 0) for number, ring in enumerate(polygon.rings)]
        for polygon in polygons
    ]
    if len(parts) == 1:
        return {"type": "Polygon", "coordinates": parts[0]}
    return {"type": "MultiPolygon", "coordinates": parts}


def _ring(
    ring: FloatArray, to_map: Callable[[FloatArray], FloatArray] | None, decimals: int | None, *, outer: bool
) -> list[list[float]]:
    points: FloatArray = np.asarray(ring, dtype=np.float64)
    if to_map is not None:
        points = to_map(points)
    if (
        ring_area(points) < 0
    ) == outer:  # whether a map's axes keep or turn the sense is not known beforehand
        points = points[::-1]
    if decimals is not None:
        points = points.round(decimals)
    closed: list[list[float]] = np.concatenate([points, points[:1]]).tolist()
    return closed

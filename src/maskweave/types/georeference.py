"""An image's place on a map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maskweave.types.arrays import FloatArray


@dataclass(frozen=True)
class GeoReference:
    """An affine transform from pixels to map coordinates, and the coordinate system of these.

    - ``transform``: a, b, c, d, e, f, by which x = a · column + b · row + c and y = d · column + e · row + f; pixel
      (0, 0) covers columns and rows 0 to 1.
    - ``crs``: the coordinate reference system as well-known text, or as "EPSG:32633".

    >>> GeoReference((10, 0, 500, 0, -10, 900), "EPSG:32633").to_map(np.array([[2, 3]])).tolist()
    [[520.0, 870.0]]
    """

    transform: tuple[float, float, float, float, float, float]
    crs: str

    def to_map(self, points: FloatArray) -> FloatArray:
        """(P, 2) map coordinates x, y of (P, 2) pixel coordinates x, y."""
        a, b, c, d, e, f = self.transform
        mapped: FloatArray = np.asarray(points, dtype=np.float64) @ np.array([[a, d], [b, e]]) + np.array(
            [c, f]
        )
        return mapped

    @property
    def pixel_area(self) -> float:
        """Square units of the map that a pixel covers."""
        a, b, _, d, e, _ = self.transform
        return abs(a * e - b * d)

"""Convert pixels to map coordinates and back, cut at the antimeridian as RFC 7946 wants."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from maskweave.errors import OutputError
from maskweave.ops.antimeridian import cut_at_antimeridian
from maskweave.ops.polygons import Polygon
from maskweave.optional import optional
from maskweave.types.arrays import FloatArray, Size
from maskweave.types.georeference import GeoReference

_DEGREE_DECIMALS = 7  # a centimeter
_FINE = 0.001  # pixels to which coordinates are exact
_MAP_DECIMALS = 3  # a millimeter, where the unit is the meter


@dataclass(frozen=True)
class MapCoordinates:
    """How (P, 2) pixel coordinates become a map's.

    Attributes:
        to_map: The function.
        decimals: To which coordinates are rounded; None keeps them.
        square_meters: Of a pixel, where the map's unit is a length.
        degrees: Whether they are longitude and latitude, which end at 180 degrees.
    """

    to_map: Callable[[FloatArray], FloatArray]
    decimals: int | None = None
    square_meters: float | None = None
    degrees: bool = False


def map_coordinates(geo: GeoReference, *, wgs84: bool) -> MapCoordinates:
    """Longitude and latitude (WGS 84), or the image's own map coordinates.

    Raises:
        MissingDependency: rasterio is not installed.
        OutputError: The image's coordinate system is not known.
    """
    crs, transform = _rasterio(geo)
    meters = crs.linear_units_factor[1] if crs.is_projected else None
    square_meters = None if meters is None else geo.pixel_area * meters**2
    if not wgs84:
        decimals = _MAP_DECIMALS if crs.is_projected else _DEGREE_DECIMALS + 2
        return MapCoordinates(geo.to_map, decimals, square_meters)

    def to_degrees(points: FloatArray) -> FloatArray:
        xs, ys = geo.to_map(points).T
        degrees: FloatArray = np.array(transform(crs, "EPSG:4326", xs, ys), dtype=np.float64).T
        if not np.isfinite(degrees).all():
            raise OutputError(
                "geojson: some outlines have no longitude and latitude; use --geojson-crs source"
            )
        return degrees

    side = math.sqrt(geo.pixel_area) * (1 if meters is None else meters / 111_320)  # a pixel's, in degrees
    decimals = max(_DEGREE_DECIMALS, math.ceil(-math.log10(side * _FINE)) if side > 0 else 0)
    return MapCoordinates(to_degrees, decimals, square_meters, degrees=True)


def parts_on_map(polygons: Sequence[Polygon], place: MapCoordinates) -> list[Polygon]:
    """Polygons in pixels as polygons on the map; those that cross 180 degrees of longitude in several parts."""
    if place.degrees:
        return [part for each in polygons for part in cut_at_antimeridian(each, place.to_map)]
    return [Polygon(place.to_map(each.exterior), tuple(map(place.to_map, each.holes))) for each in polygons]


def pixels_from_degrees(geo: GeoReference, size: Size) -> Callable[[FloatArray], FloatArray]:
    """From longitude and latitude to the image's own map coordinates.

    Longitudes that are 360 degrees off the image's middle, as behind the antimeridian, are taken back to it.
    """
    crs, transform = _rasterio(geo)
    middle = geo.to_map(np.array([[size[1] / 2, size[0] / 2]]))[0]

    def to_own(points: FloatArray) -> FloatArray:
        xs, ys = transform("EPSG:4326", crs, points[:, 0], points[:, 1])
        own: FloatArray = np.array([xs, ys], dtype=np.float64).T
        if crs.is_geographic:
            own[:, 0] -= 360 * np.rint((own[:, 0] - middle[0]) / 360)
        return own

    return to_own


def crs_name(crs: str) -> str:
    """The name by which GeoJSON of before RFC 7946 calls a system, or its well-known text."""
    authority, _, code = crs.partition(":")
    return f"urn:ogc:def:crs:{authority}::{code}" if code.isdigit() else crs


def _rasterio(geo: GeoReference) -> tuple[Any, Callable[..., Any]]:
    """The coordinate system, and what converts between systems."""
    with optional("geojson: map coordinates", extra="geo"):
        from rasterio.crs import CRS
        from rasterio.errors import CRSError
        from rasterio.warp import transform
    try:
        return CRS.from_user_input(geo.crs), transform
    except CRSError as error:
        raise OutputError(f"geojson: the image's coordinate system is not known ({error})") from error

"""Objects as GeoJSON, in the coordinates of the map that the picture lies on.

Source: RFC 7946, https://datatracker.ietf.org/doc/html/rfc7946.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from maskweave.errors import InvalidValue, MissingDependency, OutputError
from maskweave.ops.geojson_geometry import polygons_geometry
from maskweave.ops.polygons import mask_to_polygons
from maskweave.outputs.base import Target, Writer
from maskweave.outputs.coco import file_info
from maskweave.outputs.files import atomic_file
from maskweave.types.arrays import FloatArray
from maskweave.types.frame import Frame
from maskweave.types.georeference import GeoReference
from maskweave.types.instances import Instances
from maskweave.types.prediction import Prediction

_DEGREE_DECIMALS = 7  # a centimetre
_MAP_DECIMALS = 3  # a millimetre, where the unit is the metre


class GeoJsonFile(Writer):
    """``<name>.geojson``: one feature for each object, its outline with holes, along the borders of its pixels.

    Properties are ``class``, ``score``, ``area_pixels`` and, where the map's unit is a length, ``area_m2``. Of a
    georeferenced picture coordinates are longitude and latitude (WGS 84, as RFC 7946 wants), or with the target's
    ``geojson_crs`` "source" those of the picture's own system, which is named in a member ``crs`` as GeoJSON had it
    before that RFC. Of any other picture coordinates are pixels, y down, and a warning says so.

    Raises `MissingDependency` where a georeference needs rasterio, and `OutputError` for a system that cannot be
    converted or a file of that name that MaskWeave did not write.
    """

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._path = target.path(".geojson")
        self._warnings: list[str] = []

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def warnings(self) -> list[str]:
        """Which coordinates the file has, where they are not those of a map."""
        return self._warnings

    def write(self, frame: Frame, prediction: Prediction) -> None:
        """Write the file."""
        if not isinstance(prediction, Instances):
            raise InvalidValue("geojson: need instances, got a semantic map; use --task instances")
        if frame.geo is None:
            self._warnings.append("no georeference: the coordinates of the GeoJSON are pixels")
        pieces = geojson_text(
            prediction,
            frame.geo,
            model=self.target.model,
            file_name=frame.file_name or frame.source,
            wgs84=self.target.geojson_crs == "wgs84",
        )
        with (
            atomic_file(self._path, only_ours=True) as temporary,
            temporary.open("w", encoding="utf-8") as file,
        ):
            file.writelines(pieces)


def geojson_text(
    instances: Instances, geo: GeoReference | None, *, model: str, file_name: str, wgs84: bool = True
) -> Iterator[str]:
    """A GeoJSON file in pieces, a feature at a time; see `GeoJsonFile`.

    Where the coordinates are pixels, each feature says of which picture, as `maskweave convert` reads it.
    """
    height, width = instances.size
    picture = {"file_name": file_name, "width": width, "height": height} if geo is None else {}
    to_map, decimals, square_metres = _mapping(geo, wgs84=wgs84)
    yield f'{{\n"info": {json.dumps(file_info(model))},\n"type": "FeatureCollection",\n'
    if geo is not None and not wgs84:
        yield f'"crs": {json.dumps({"type": "name", "properties": {"name": _crs_name(geo.crs)}})},\n'
    yield '"features": ['
    areas = instances.masks.areas.tolist()
    for row, (crop, x, y) in enumerate(instances.masks.placed()):
        properties: dict[str, Any] = picture | {
            "class": instances.names[row],
            "score": round(float(instances.scores[row]), 5),
            "area_pixels": areas[row],
        }
        if square_metres is not None:
            properties["area_m2"] = round(areas[row] * square_metres, 3)
        outline = mask_to_polygons(crop, offset=(x, y))
        feature = {
            "type": "Feature",
            "id": row + 1,
            "properties": properties,
            "geometry": polygons_geometry(outline, to_map=to_map, decimals=decimals),
        }
        yield (",\n" if row else "\n") + json.dumps(feature)
    yield "\n]\n}\n"


def _mapping(
    geo: GeoReference | None, *, wgs84: bool
) -> tuple[Callable[[FloatArray], FloatArray] | None, int | None, float | None]:
    """From pixels to the coordinates of the file, their decimals, and the square metres of a pixel if known."""
    if geo is None:
        return None, None, None
    try:
        from rasterio.crs import CRS
        from rasterio.errors import CRSError
        from rasterio.warp import transform
    except ImportError as error:
        raise MissingDependency(
            "geojson: map coordinates need rasterio. Use `pip install maskweave[geo]`."
        ) from error
    try:
        crs = CRS.from_user_input(geo.crs)
        metres = crs.linear_units_factor[1] if crs.is_projected else None
    except CRSError as error:
        raise OutputError(f"geojson: the picture's coordinate system is not known ({error})") from error
    square_metres = None if metres is None else geo.pixel_area * metres**2
    if not wgs84:
        return geo.to_map, _MAP_DECIMALS if crs.is_projected else _DEGREE_DECIMALS + 2, square_metres

    def to_degrees(points: FloatArray) -> FloatArray:
        xs, ys = geo.to_map(points).T
        degrees = np.array(transform(crs, "EPSG:4326", xs, ys), dtype=np.float64).T
        if not np.isfinite(degrees).all():
            raise OutputError(
                "geojson: some outlines have no longitude and latitude; use --geojson-crs source"
            )
        return degrees

    return to_degrees, _DEGREE_DECIMALS, square_metres


def _crs_name(crs: str) -> str:
    """The name by which GeoJSON of before RFC 7946 calls a system, or its well-known text."""
    authority, _, code = crs.partition(":")
    return f"urn:ogc:def:crs:{authority}::{code}" if code.isdigit() else crs

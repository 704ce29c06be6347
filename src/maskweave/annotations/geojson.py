"""GeoJSON: a feature for each object, in longitude and latitude where the image lies on a map, else in pixels.

``properties`` hold what a polygon does not: ``file_name``, ``width``, ``height``, ``class`` and, where there are
such, ``category_id``, ``score``, ``track_id``, ``crowd``, ``video``, ``frame`` and ``time``; of objects that a model
found also ``area_pixels`` and, where the map's unit is a length, ``area_m2``. An image without objects is a feature
without geometry. How pixels became map coordinates is undone when the file is read: by the member ``affine`` (a, b,
c, d, e, f), or by ``georeferences``, which has the transform and the system of each image. Source: RFC 7946.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from maskweave.annotations.base import FEATURES, Format, Put
from maskweave.annotations.json_stream import json_outline, stream_lists
from maskweave.annotations.map_coordinates import (
    MapCoordinates,
    crs_name,
    map_coordinates,
    parts_on_map,
    pixels_from_degrees,
)
from maskweave.annotations.options import Affine, Options
from maskweave.annotations.outlines import outlines
from maskweave.annotations.places import image_file, own_name, sized
from maskweave.annotations.record import Category, Record
from maskweave.annotations.report import DAMAGE, Report
from maskweave.annotations.shapes import Shape, ShapeList
from maskweave.annotations.text_files import JsonList, file_info, text_file
from maskweave.annotations.values import flag, number, score, shown, whole
from maskweave.errors import BadRecord, InvalidValue
from maskweave.ops.polygons import Polygon, fill_polygons, ring_area
from maskweave.spool import Spool
from maskweave.types.arrays import FloatArray, Size
from maskweave.types.georeference import GeoReference
from maskweave.types.masks import Masks

_IDENTITY: Affine = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
_NEAR = 1e-3  # pixels: what lies so near to a pixel's border is put there
ToPixels: TypeAlias = Callable[[FloatArray], FloatArray]


def detect(path: Path) -> str | None:
    """A JSON file that is a FeatureCollection."""
    return "a FeatureCollection" if json_outline(path).kind == "FeatureCollection" else None


def read(path: Path, options: Options, report: Report) -> Iterator[Record]:
    """Yield a record for each image that features name, in the order in which they are first named.

    Coordinates are pixels unless the file, or ``--affine``, says how they became a map's. A feature without a
    ``file_name`` is a problem, and so is one that is no polygon.
    """
    affine, placed = options.affine, {}
    with Spool() as spool:
        count = 0
        for key, value in stream_lists(path, ("features",)):
            if key == "affine" and affine is None:
                affine = _affine(path, value)
            elif key == "georeferences" and isinstance(value, dict):
                placed = value
            elif key == "features":
                count += 1
                named = report.attempt(f"{path.name}, feature {count}", partial(_name_of, value))
                if named is not None:
                    spool.add(named, json.dumps([count, value]).encode())
        if not count:
            raise InvalidValue(f"{path}: need a FeatureCollection with features, got none")
        for image in spool:
            features = [json.loads(spool.read(place)) for place in spool.places(image)]
            name = _name_of(features[0][1])[0]
            geo = placed.get(name) if options.affine is None else None
            read_one = partial(_record, name, features, geo, affine or _IDENTITY, options, report, path)
            yield from report.made(f"{path.name}, {name}", read_one)


def _affine(path: Path, value: Any) -> Affine:
    try:
        a, b, c, d, e, f = (number(each, "affine") for each in value)
        return Options(affine=(a, b, c, d, e, f)).affine or _IDENTITY
    except (BadRecord, TypeError, ValueError) as error:
        raise InvalidValue(f"{path}: need six numbers as affine, got {shown(value)}") from error


def _name_of(feature: Any) -> tuple[str, str]:
    """The name of the image that a feature is of, and the frame where it is one of a video."""
    properties = feature.get("properties") if isinstance(feature, dict) else None
    if not isinstance(properties, dict):
        raise BadRecord("need a feature with properties")
    if properties.get("file_name") is None:
        raise BadRecord(
            "need the properties file_name, width and height, which say of which image it is; got none"
        )
    return own_name(properties.get("file_name")), str(properties.get("frame"))


def _record(
    name: str,
    features: Sequence[tuple[int, Any]],
    geo: Any,
    affine: Affine,
    options: Options,
    report: Report,
    path: Path,
) -> Record:
    first = features[0][1]["properties"]
    _, image = image_file(name, options, path.parent, report=report)
    size = sized(first.get("height"), first.get("width"), image)
    to_pixels = partial(_to_pixels, affine=affine) if geo is None else _geo_pixels(path, geo, size)
    objects, ids = ShapeList(size), dict[str, int]()
    for count, feature in features:
        if feature.get("geometry") is None:
            continue
        try:
            shape = _shape(feature["properties"], _mask(feature["geometry"], to_pixels, size))
            category = feature["properties"].get("category_id")
            own_id = None if category is None else whole(category, "category_id")
            objects.add(shape)
            ids |= {} if own_id is None else {shape.label: own_id}
        except DAMAGE as error:
            report.problem(f"{path.name}, feature {count}", error)
    frame, time = first.get("frame"), first.get("time")
    return Record(
        file_name=name,
        **objects.columns(),
        categories=tuple(Category(key, each) for each, key in ids.items()),
        video=str(first.get("video") or ""),
        frame=None if frame is None else whole(frame, "frame"),
        time=None if time is None else number(time, "time"),
        image=image,
    )


def _shape(properties: Mapping[str, Any], mask: Masks) -> Shape:
    """An object with what the properties of its feature say of it, checked."""
    name, given, track = (properties.get(key) for key in ("class", "score", "track_id"))
    return Shape(
        "object" if name is None or name == "" else str(name),
        mask,
        score=None if given is None else score(given),
        track_id=None if track is None else whole(track, "track_id"),
        crowd=flag(properties.get("crowd"), "crowd"),
    )


def _mask(geometry: Mapping[str, Any], to_pixels: ToPixels, size: Size) -> Masks:
    kind = geometry.get("type")
    coordinates: Any = geometry.get("coordinates")
    if kind not in ("Polygon", "MultiPolygon"):
        raise BadRecord(f"need a Polygon or MultiPolygon, got {kind!r}")
    parts = []
    for rings in [coordinates] if kind == "Polygon" else coordinates:
        points = [to_pixels(np.array([point[:2] for point in ring], np.float64)) for ring in rings]
        if any(len(ring) < 4 for ring in points):
            raise BadRecord("need rings of at least three different points, the first one again at the end")
        exterior, *holes = (ring[:-1] if (ring[0] == ring[-1]).all() else ring for ring in points)
        parts.append(Polygon(exterior, tuple(holes)))
    return fill_polygons(parts, size)


def _to_map(points: FloatArray, affine: Affine) -> FloatArray:
    return GeoReference(affine, "").to_map(points)


def _to_pixels(points: FloatArray, affine: Affine, near: float = _NEAR) -> FloatArray:
    """Undo `_to_map`; borders that lie as near to a pixel's as arithmetic brings them are put there."""
    a, b, c, d, e, f = affine
    x, y = points[:, 0] - c, points[:, 1] - f
    with np.errstate(invalid="ignore", over="ignore"):  # infinity is refused where the polygon is filled
        pixels = np.stack([e * x - b * y, a * y - d * x], axis=1) / (a * e - b * d)
        nearest = np.rint(pixels)
        return np.where(np.abs(pixels - nearest) < near, nearest, pixels)


def _geo_pixels(path: Path, value: Any, size: Size) -> ToPixels:
    """From map coordinates to pixels, as an entry of ``georeferences`` says."""
    if not isinstance(value, dict) or not isinstance(value.get("crs"), str):
        raise BadRecord(f"need a georeference with crs and affine, got {shown(value)}")
    affine = _affine(path, value.get("affine"))
    if flag(value.get("wgs84"), "wgs84"):
        to_own = pixels_from_degrees(GeoReference(affine, value["crs"]), size)
        return lambda points: _to_pixels(to_own(points), affine, near=0.02)
    return partial(_to_pixels, affine=affine)


@contextmanager
def write(path: Path, options: Options, report: Report) -> Iterator[Put]:
    """Write features as records come."""
    with text_file(path, options) as file:
        written, placed = JsonList(file), {}
        has_head = False

        def put(record: Record) -> None:
            nonlocal has_head
            if record.geo is None and options.affine is None and options.model is not None:
                report.warn("no georeference: the coordinates of the GeoJSON are pixels")
            features = _features(record, options, report)
            if not has_head:
                file.write(_head(record.geo, options))
                has_head = True
            if record.geo is not None:
                wgs84 = options.crs == "wgs84"
                placed[record.file_name] = {
                    "crs": record.geo.crs,
                    "affine": record.geo.transform,
                    "wgs84": wgs84,
                }
            written.add(*features)

        yield put
        if not has_head:
            file.write(_head(None, options))
        more = f',\n"georeferences": {json.dumps(placed)}' if placed else ""
        written.finish(f"{more}\n}}\n")


def _head(geo: GeoReference | None, options: Options) -> str:
    head: dict[str, Any] = {"type": "FeatureCollection"}
    if options.affine is not None:
        head["affine"] = options.affine
    if geo is not None and options.crs == "source":
        head["crs"] = {"type": "name", "properties": {"name": crs_name(geo.crs)}}
    return f'{{\n"info": {json.dumps(file_info(options))},\n{json.dumps(head)[1:-1]},\n"features": ['


def _features(record: Record, options: Options, report: Report) -> list[dict[str, Any]]:
    height, width = record.size
    about: dict[str, Any] = {"file_name": record.file_name, "width": width, "height": height}
    if record.frame is not None:
        about |= {"video": record.video, "frame": record.frame}
    if record.time is not None:
        about["time"] = record.time
    instances = record.instances
    if not len(instances):
        return [_feature(about, None)]
    place = _placing(record, options)
    drawn = outlines(instances.masks, options, report)
    return [
        {
            **_feature(
                about | _properties(record, row, options, place), polygons_geometry(outline.polygons, place)
            ),
            "id": row + 1,
        }
        for row, outline in enumerate(drawn)
    ]


def _placing(record: Record, options: Options) -> MapCoordinates | None:
    """How the record's pixels become the file's coordinates; None keeps them."""
    if options.affine is not None:
        return MapCoordinates(partial(_to_map, affine=options.affine))
    return None if record.geo is None else map_coordinates(record.geo, wgs84=options.crs == "wgs84")


def _properties(record: Record, row: int, options: Options, place: MapCoordinates | None) -> dict[str, Any]:
    instances, name = record.instances, record.instances.names[row]
    found, value = options.model is not None, float(instances.scores[row])
    own: dict[str, Any] = {"class": name}
    ids = [each.id for each in record.categories if each.name == name]
    if ids:
        own["category_id"] = ids[0]
    if found or value != 1:
        own["score"] = round(value, 5) if found else value
    if instances.track_ids is not None:
        own["track_id"] = int(instances.track_ids[row])
    if record.crowds[row]:
        own["crowd"] = True
    if found:
        area = int(instances.masks.areas[row])
        own["area_pixels"] = area
        if place is not None and place.square_meters is not None:
            own["area_m2"] = round(area * place.square_meters, 3)
    return own


def _feature(properties: dict[str, Any], geometry: dict[str, Any] | None) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def polygons_geometry(polygons: Sequence[Polygon], place: MapCoordinates | None = None) -> dict[str, Any]:
    """The parts of one object as a GeoJSON ``Polygon``, or a ``MultiPolygon`` where there are none or several.

    ``place`` turns (P, 2) pixel coordinates x, y into those of the map; None keeps pixels, y down. Rings are closed;
    with x to the right and y up outer ones run counter-clockwise and holes clockwise, as RFC 7946 wants.

    >>> square = Polygon(np.array([[0, 0], [2, 0], [2, 1], [0, 1]]))
    >>> polygons_geometry([square])["coordinates"]
    [[[0.0, 0.0], [2.0, 0.0], [2.0, 1.0], [0.0, 1.0], [0.0, 0.0]]]
    """
    placed = polygons if place is None else parts_on_map(polygons, place)
    decimals = None if place is None else place.decimals
    parts = [
        [_ring(ring, decimals, outer=row == 0) for row, ring in enumerate(polygon.rings)]
        for polygon in placed
    ]
    if len(parts) == 1:
        return {"type": "Polygon", "coordinates": parts[0]}
    return {"type": "MultiPolygon", "coordinates": parts}


def _ring(ring: FloatArray, decimals: int | None, *, outer: bool) -> list[list[float]]:
    points: FloatArray = np.asarray(ring, dtype=np.float64)
    if (
        ring_area(points) < 0
    ) == outer:  # whether a map's axes keep or turn the sense is not known beforehand
        points = points[::-1]
    if decimals is not None:
        points = points.round(decimals)
    closed: list[list[float]] = np.concatenate([points, points[:1]]).tolist()
    return closed


FORMAT = Format(
    name="geojson",
    title="GeoJSON",
    layout="one `.geojson`",
    holds=frozenset(FEATURES) - {"boxes", "class map"},
    detect=detect,
    read=read,
    write=write,
    suffix=".geojson",
    media_type="application/geo+json",
)

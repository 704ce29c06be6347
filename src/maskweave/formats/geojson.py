"""GeoJSON: a feature for each object, with pixel coordinates, or a map's where a transform is given.

``properties`` hold what a polygon does not: ``file_name``, ``width``, ``height``, ``class`` and, where there are
such, ``category_id``, ``score``, ``track_id``, ``crowd``, ``video``, ``frame`` and ``time``. A picture without
objects is a feature without geometry. The member ``affine`` of the file (a, b, c, d, e, f) says how pixels became map
coordinates, and is undone when the file is read. Source: RFC 7946.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from maskweave.errors import BadRecord, InvalidValue, MaskWeaveError
from maskweave.formats.base import Affine, Format, Options, Put
from maskweave.formats.json_stream import json_ends, stream_lists
from maskweave.formats.ledger import Ledger
from maskweave.formats.outlines import outlines
from maskweave.formats.places import checked_size, find_picture, safe_name
from maskweave.formats.record import Category, Record
from maskweave.ops.geojson_geometry import polygons_geometry
from maskweave.ops.polygons import Polygon, fill_polygons
from maskweave.outputs.coco import converted_info
from maskweave.outputs.files import atomic_file
from maskweave.outputs.spool import Spool
from maskweave.types.arrays import FloatArray, Size
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks, concatenate

_IDENTITY: Affine = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def recognise(path: Path) -> str | None:
    """A JSON file that is a FeatureCollection."""
    return "a FeatureCollection" if '"FeatureCollection"' in json_ends(path) else None


def read(path: Path, options: Options, ledger: Ledger) -> Iterator[Record]:
    """Yield a record for each picture that features name, in the order in which they are first named.

    Coordinates are pixels unless the file, or ``--affine``, says how they became a map's. A feature without a
    ``file_name`` is a problem, and so is one that is no polygon.
    """
    affine = options.affine
    with Spool() as spool:
        number = 0
        for key, value in stream_lists(path, ("features",)):
            if key == "affine" and affine is None:
                affine = _affine(path, value)
            elif key == "features":
                number += 1
                named = ledger.attempt(f"{path.name}, feature {number}", partial(_name_of, value))
                if named is not None:
                    spool.add(named, json.dumps([number, value]).encode())
        if not number:
            raise InvalidValue(f"{path}: need a FeatureCollection with features, got none")
        for name in map(str, spool):
            features = [json.loads(spool.read(place)) for place in spool.places(name)]
            record = ledger.attempt(
                f"{path.name}, {name}",
                partial(_record, name, features, affine or _IDENTITY, options, ledger, path),
            )
            if record is not None:
                yield record


def _affine(path: Path, value: Any) -> Affine:
    try:
        a, b, c, d, e, f = (float(each) for each in value)
        return Options(affine=(a, b, c, d, e, f)).affine or _IDENTITY
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidValue(f"{path}: need six numbers as affine, got {value!r}") from error


def _name_of(feature: Any) -> str:
    properties = feature.get("properties") if isinstance(feature, dict) else None
    if not isinstance(properties, dict):
        raise BadRecord("need a feature with properties")
    return safe_name(properties.get("file_name"))


def _record(
    name: str, features: list[tuple[int, Any]], affine: Affine, options: Options, ledger: Ledger, path: Path
) -> Record:
    first = features[0][1]["properties"]
    size = checked_size(first.get("height"), first.get("width"))
    rows: list[tuple[Mapping[str, Any], Any]] = []
    for number, feature in features:
        if feature.get("geometry") is None:
            continue
        try:
            properties = feature["properties"]
            float(properties.get("score", 1.0))
            rows.append((properties, _mask(feature["geometry"], affine, size)))
        except (MaskWeaveError, TypeError, ValueError, KeyError, OverflowError) as error:
            ledger.problem(f"{path.name}, feature {number}", error)
    names = tuple(dict.fromkeys(str(each.get("class", "object")) for each, _ in rows))
    masks = concatenate([Masks.empty(size), *(mask for _, mask in rows)])
    tracks = [each.get("track_id") for each, _ in rows]
    instances = Instances(
        masks=masks,
        boxes=masks.boxes,
        scores=np.array([float(each.get("score", 1.0)) for each, _ in rows]),
        class_ids=np.array([names.index(str(each.get("class", "object"))) for each, _ in rows], np.int64),
        class_names=names,
        track_ids=np.array(tracks, np.int64)
        if tracks and all(type(each) is int and abs(each) < 1 << 63 for each in tracks)
        else None,
    )
    ids = {
        str(each.get("class", "object")): each["category_id"]
        for each, _ in rows
        if type(each.get("category_id")) is int
    }
    frame, time = first.get("frame"), first.get("time")
    return Record(
        file_name=name,
        instances=instances,
        crowd=np.array([bool(each.get("crowd", False)) for each, _ in rows], np.bool_),
        categories=tuple(Category(number, each) for each, number in ids.items()),
        video=str(first.get("video", "")),
        frame=frame if type(frame) is int else None,
        time=_seconds(time),
        picture=find_picture(name, options.images, path.parent),
    )


def _seconds(value: Any) -> float | None:
    """A time, None where it is no number."""
    try:
        return float(value) if isinstance(value, int | float) else None
    except OverflowError as error:
        raise BadRecord("need a time in seconds, got a number without end") from error


def _mask(geometry: Mapping[str, Any], affine: Affine, size: Size) -> Masks:
    kind = geometry.get("type")
    coordinates: Any = geometry.get("coordinates")
    if kind not in ("Polygon", "MultiPolygon"):
        raise BadRecord(f"need a Polygon or MultiPolygon, got {kind!r}")
    parts = []
    for rings in [coordinates] if kind == "Polygon" else coordinates:
        points = [_to_pixels(np.array([point[:2] for point in ring], np.float64), affine) for ring in rings]
        if any(len(ring) < 4 for ring in points):
            raise BadRecord("need rings of at least three different points, the first one again at the end")
        exterior, *holes = (ring[:-1] if (ring[0] == ring[-1]).all() else ring for ring in points)
        parts.append(Polygon(exterior, tuple(holes)))
    return fill_polygons(parts, size)


def _to_map(points: FloatArray, affine: Affine) -> FloatArray:
    a, b, c, d, e, f = affine
    x, y = points[:, 0], points[:, 1]
    return np.stack([a * x + b * y + c, d * x + e * y + f], axis=1)


def _to_pixels(points: FloatArray, affine: Affine) -> FloatArray:
    """Undo `_to_map`; borders that lie as near to a pixel's as arithmetic brings them are put there."""
    a, b, c, d, e, f = affine
    x, y = points[:, 0] - c, points[:, 1] - f
    with np.errstate(invalid="ignore", over="ignore"):  # infinity is refused where the polygon is filled
        pixels = np.stack([e * x - b * y, a * y - d * x], axis=1) / (a * e - b * d)
        nearest = np.rint(pixels)
        return np.where(np.abs(pixels - nearest) < 1e-3, nearest, pixels)


@contextmanager
def write(path: Path, options: Options, ledger: Ledger) -> Iterator[Put]:
    """Write features as records come."""
    head: dict[str, Any] = {"type": "FeatureCollection"}
    if options.affine is not None:
        head["affine"] = options.affine
    with atomic_file(path, only_ours=True) as part, part.open("w", encoding="utf-8") as file:
        file.write(f'{{\n"info": {json.dumps(converted_info())},\n{json.dumps(head)[1:-1]},\n"features": [')
        separator = "\n"

        def put(record: Record) -> None:
            nonlocal separator
            for feature in _features(record, options, ledger):
                file.write(separator + json.dumps(feature))
                separator = ",\n"

        yield put
        file.write("\n]\n}\n")


def _features(record: Record, options: Options, ledger: Ledger) -> list[dict[str, Any]]:
    height, width = record.size
    about: dict[str, Any] = {"file_name": record.file_name, "width": width, "height": height}
    if record.frame is not None:
        about |= {"video": record.video, "frame": record.frame}
    if record.time is not None:
        about["time"] = record.time
    instances = record.instances
    if not len(instances):
        return [_feature(about, None)]
    ids = {each.name: each.id for each in record.categories}
    to_map = None if options.affine is None else partial(_to_map, affine=options.affine)
    drawn = outlines(instances.masks, options, ledger)
    features = []
    for row, (name, outline) in enumerate(zip(instances.names, drawn, strict=True)):
        about_object = {**about, "class": name}
        if name in ids:
            about_object["category_id"] = ids[name]
        if instances.scores[row] != 1:
            about_object["score"] = float(instances.scores[row])
        if instances.track_ids is not None:
            about_object["track_id"] = int(instances.track_ids[row])
        if record.crowds[row]:
            about_object["crowd"] = True
        features.append(_feature(about_object, polygons_geometry(outline.polygons, to_map=to_map)))
    return features


def _feature(properties: dict[str, Any], geometry: dict[str, Any] | None) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": properties}


FORMAT = Format(
    name="geojson",
    title="GeoJSON",
    layout="one `.geojson`",
    keeps=frozenset(
        {
            *("overlaps", "holes", "parts", "scores", "tracks", "crowd", "class names", "category ids"),
            "empty pictures",
            "file names",
        }
    ),
    recognise=recognise,
    read=read,
    write=write,
)

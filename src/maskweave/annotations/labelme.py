"""labelme: a JSON file beside each image, with shapes.

Read: polygons, rectangles, circles and masks; shapes of one label and ``group_id`` are one object. Written: polygons,
and masks for objects with holes. Source: https://github.com/wkentaro/labelme (``labelme/label_file.py``,
``labelme/utils/shape.py``, version 5).
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PILImage

from maskweave.annotations.base import Format, Put
from maskweave.annotations.json_stream import json_outline, read_json
from maskweave.annotations.options import Options
from maskweave.annotations.outlines import Outline, outlines
from maskweave.annotations.places import find_image, label_files, new_file, put_image, safe_name, sized
from maskweave.annotations.record import Record
from maskweave.annotations.report import DAMAGE, Report
from maskweave.annotations.segmentation import placed_bitmap, points_of
from maskweave.annotations.shapes import Shape, ShapeList, box_corners, ellipse
from maskweave.annotations.values import score, shown
from maskweave.errors import BadRecord
from maskweave.files import atomic_folder
from maskweave.ops.polygons import Polygon, fill_polygons
from maskweave.sources.walk import files_below
from maskweave.types.arrays import FloatArray, Mask, Size
from maskweave.types.masks import Masks

_VERSION = "5.5.0"
_BESIDE = {"imagePath", "imageData", "imageHeight"}
_LOOKED_AT = 20
_WITHOUT_AREA = ("point", "points", "line", "linestrip")


def detect(path: Path) -> str | None:
    """A JSON file with shapes and what else labelme says, or a folder that has one among its first JSON files."""
    files = islice(files_below(path, (".json",)), _LOOKED_AT) if path.is_dir() else (path,)
    found = any(keys >= {"shapes"} and keys & _BESIDE for keys in (json_outline(file).keys for file in files))
    return "JSON with labelme's shapes" if found else None


def read(path: Path, options: Options, report: Report) -> Iterator[Record]:
    """Yield a record for each JSON file of a folder, or for one file."""
    for file, where in label_files(path, ".json", need="labelme's JSON files"):
        yield from report.made(where, partial(_record, file, where, options, report))


def _record(file: Path, where: str, options: Options, report: Report) -> Record:
    data = read_json(file, need="a labelme file")
    shapes = data.get("shapes", ()) if isinstance(data, dict) else ()
    if not isinstance(shapes, list | None):
        raise BadRecord("need a labelme file with a list of shapes")
    given = data.get("imagePath")
    # Files name images in other folders of the machine they come from; only the last part is looked for.
    name = f"{file.stem}.jpg" if given is None else given
    name = safe_name(name.replace("\\", "/").rpartition("/")[2] if isinstance(name, str) else name)
    name = (Path(where).parent / name).as_posix()
    image = find_image(name, options.images, file.parents[len(Path(where).parts) - 1])
    height, width = data.get("imageHeight"), data.get("imageWidth")
    if not (height and width) and image is None and isinstance(data.get("imageData"), str):
        size = _embedded_size(data["imageData"])
    else:
        size = sized(height, width, image)
    objects = ShapeList(size)
    for place, shape in enumerate(shapes or (), start=1):
        try:
            group = shape.get("group_id") if isinstance(shape, dict) else None
            objects.add(_shape(shape, size), None if group in ("", "null") else group)
            report.leave_out("flags of shapes", sum(map(bool, _flags(shape).values())))
        except DAMAGE as error:
            report.problem(f"{where}, shape {place}", error)
    report.leave_out("flags of images", sum(map(bool, _flags(data).values())))
    return Record(name, **objects.columns(), image=image)


def _flags(data: Mapping[str, Any]) -> Mapping[str, Any]:
    flags = data.get("flags")
    return flags if isinstance(flags, dict) else {}


def _embedded_size(text: str) -> Size:
    """(height, width) of the image that a file holds in base64."""
    try:
        with PILImage.open(BytesIO(base64.b64decode(text))) as image:
            return image.size[1], image.size[0]
    except (binascii.Error, OSError, ValueError, SyntaxError, PILImage.DecompressionBombError) as error:
        raise BadRecord(
            f"need imageHeight and imageWidth, or a readable image in imageData ({error})"
        ) from error


def _shape(shape: Any, size: Size) -> Shape:
    if not isinstance(shape, dict):
        raise BadRecord(f"need an object with label and points, got {type(shape).__name__}")
    label, kind = shape.get("label"), str(shape.get("shape_type") or "polygon").lower()
    if isinstance(label, bool) or not isinstance(label, str | int | float) or label == "":
        raise BadRecord(f"need a label, got {shown(label)}")
    given = shape.get("score")  # of a dialect
    points = points_of(shape.get("points"))
    mask = (
        _bitmap(shape.get("mask"), points, size)
        if kind == "mask"
        else fill_polygons([Polygon(_outline(kind, points))], size)
    )
    return Shape(str(label), mask, score=None if given is None else score(given))


def _outline(kind: str, points: FloatArray) -> FloatArray:
    """(P, 2) corners of a shape that is no mask."""
    if kind == "rectangle" and len(points) == 2:
        return box_corners(*points.ravel().tolist())
    if kind == "circle" and len(points) == 2:
        radius = math.dist(points[0], points[1])
        return ellipse(points[0], (radius, radius))
    if kind in _WITHOUT_AREA:
        raise BadRecord(f"need a shape with an area (a polygon, rectangle, circle or mask), got a {kind}")
    if len(points) < 3:  # of dialects: any other shape is the outline of its corners
        raise BadRecord(f"need at least 3 corners of a shape of the type {kind!r}, got {len(points)}")
    return points


def _bitmap(text: Any, points: FloatArray, size: Size) -> Masks:
    """A mask shape: an image whose first and last pixel lie at its two points."""
    if len(points) != 2 or not isinstance(text, str):
        raise BadRecord("need a mask of two points and an image in base64")
    (x1, y1), (x2, y2) = ((round(x), round(y)) for x, y in points.tolist())
    if not (x1 <= x2 and y1 <= y2):
        raise BadRecord(f"need a mask from its first to its last pixel, got {points.tolist()}")
    return placed_bitmap(decode_bitmap(text, (y2 + 1 - y1, x2 + 1 - x1)), x1, y1, size)


def decode_bitmap(text: str, size: Size) -> Mask:
    """(H, W) bool of a PNG in base64 that must be of ``size``; raises `BadRecord`."""
    try:
        data = base64.b64decode(text, validate=True)
        with PILImage.open(BytesIO(data), formats=("PNG",)) as image:
            if image.size != size[::-1]:
                raise BadRecord(f"need a mask of {size[::-1]} pixels, got {image.size}")
            values = np.asarray(image)
    except (binascii.Error, OSError, ValueError, SyntaxError, PILImage.DecompressionBombError) as error:
        raise BadRecord(f"need a mask as PNG in base64 ({error})") from error
    mask: Mask = (values.reshape(*size, -1) != 0).any(axis=2)
    return mask


@contextmanager
def write(path: Path, options: Options, report: Report) -> Iterator[Put]:
    """Write a JSON file for each record."""
    with atomic_folder(path, overwrite=options.overwrite) as folder:

        def put(record: Record) -> None:
            data = _document(record, options, report)
            file = new_file(folder, f"{record.stem}.json")
            put_image(record, folder, options.with_images)
            file.write_text(json.dumps(data), encoding="utf-8")

        yield put


def _document(record: Record, options: Options, report: Report) -> dict[str, Any]:
    instances = record.instances
    shapes: list[dict[str, Any]] = []
    for row, outline in enumerate(outlines(instances.masks, options, report)):
        label = instances.names[row]
        if options.masks == "rle" or outline.has_holes:
            shapes.append(_mask_shape(label, instances.masks, row))
        else:
            shapes += _polygon_shapes(label, outline, group=row + 1)
    return {
        "version": _VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": record.image_name.rpartition("/")[2],
        "imageData": None,
        "imageHeight": record.size[0],
        "imageWidth": record.size[1],
    }


def _polygon_shapes(label: str, outline: Outline, *, group: int) -> list[dict[str, Any]]:
    rings = outline.exteriors
    group_id = group if len(rings) > 1 else None
    return [_shape_entry(label, "polygon", ring.tolist(), group_id) for ring in rings]


def _mask_shape(label: str, masks: Masks, row: int) -> dict[str, Any]:
    x, y = masks.corners[row].tolist()
    crop = masks.crops[row]
    points = [[x, y], [x + crop.shape[1] - 1, y + crop.shape[0] - 1]]
    buffer = BytesIO()
    PILImage.fromarray(crop.astype(np.uint8)).save(buffer, format="PNG")
    text = base64.b64encode(buffer.getvalue()).decode("ascii")
    return {**_shape_entry(label, "mask", points, None), "mask": text}


def _shape_entry(label: str, kind: str, points: list[Any], group_id: int | None) -> dict[str, Any]:
    return {
        "label": label,
        "points": points,
        "group_id": group_id,
        "description": "",
        "shape_type": kind,
        "flags": {},
        "mask": None,
    }


FORMAT = Format(
    name="labelme",
    title="labelme",
    layout="a folder of `.json`",
    holds=frozenset({"overlaps", "holes", "parts", "class names", "empty images", "file names"}),
    detect=detect,
    read=read,
    write=write,
)

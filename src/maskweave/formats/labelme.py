"""labelme: a JSON file beside each picture, with shapes.

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
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pictures

from maskweave.errors import BadRecord, InvalidValue, MaskWeaveError
from maskweave.formats.base import Format, Options, Put
from maskweave.formats.json_stream import json_ends, read_json
from maskweave.formats.ledger import Ledger
from maskweave.formats.outlines import Outline, outlines
from maskweave.formats.places import checked_size, find_picture, new_file, put_picture, safe_name
from maskweave.formats.record import Record
from maskweave.ops.polygons import Polygon, fill_polygons
from maskweave.ops.unite import unite
from maskweave.outputs.files import atomic_folder
from maskweave.sources.images import picture_size
from maskweave.sources.walk import files_below
from maskweave.types.arrays import FloatArray, Mask, Size
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks, concatenate

_VERSION = "5.5.0"
_CIRCLE_POINTS = 72


def recognise(path: Path) -> str | None:
    """A JSON file with shapes and imagePath, or a folder whose first JSON file is one."""
    first = next(files_below(path, (".json",)), None) if path.is_dir() else path
    text = json_ends(first) if first is not None else ""
    return "JSON with labelme's shapes" if '"shapes"' in text and '"imagePath"' in text else None


def read(path: Path, options: Options, ledger: Ledger) -> Iterator[Record]:
    """Yield a record for each JSON file of a folder, or for one file."""
    root = path if path.is_dir() else path.parent
    files = files_below(path, (".json",)) if path.is_dir() else iter((path,))
    found = False
    for file in files:
        found = True
        where = file.relative_to(root).as_posix()
        record = ledger.attempt(where, partial(_record, file, where, options, ledger))
        if record is not None:
            yield record
    if not found:
        raise InvalidValue(f"{path}: need labelme's JSON files, found none")


def _record(file: Path, where: str, options: Options, ledger: Ledger) -> Record:
    data = read_json(file, need="a labelme file")
    if not isinstance(data, dict) or not isinstance(data.get("shapes"), list):
        raise BadRecord("need a labelme file with a list of shapes")
    told = data.get("imagePath")
    # Files name pictures in other folders of the machine they come from; only the last part is looked for.
    name = safe_name(told.replace("\\", "/").rpartition("/")[2] if isinstance(told, str) else told)
    name = (Path(where).parent / name).as_posix()
    picture = find_picture(name, options.images, file.parents[len(Path(where).parts) - 1])
    height, width = data.get("imageHeight"), data.get("imageWidth")
    size = picture_size(picture) if picture and not (height and width) else checked_size(height, width)
    objects: dict[object, tuple[str, Masks]] = {}
    for number, shape in enumerate(data["shapes"], start=1):
        try:
            label, mask = _shape(shape, size)
        except (MaskWeaveError, TypeError, ValueError, KeyError, OverflowError) as error:
            ledger.problem(f"{where}, shape {number}", error)
            continue
        group = shape.get("group_id")
        key = number if group is None else (label, str(group))
        objects[key] = (label, concatenate([objects[key][1], mask])) if key in objects else (label, mask)
    names = tuple(dict.fromkeys(label for label, _ in objects.values()))
    masks = concatenate([Masks.empty(size), *(unite(parts) for _, parts in objects.values())])
    instances = Instances(
        masks=masks,
        boxes=masks.boxes,
        scores=np.ones(len(masks)),
        class_ids=np.array([names.index(label) for label, _ in objects.values()], dtype=np.int64),
        class_names=names,
    )
    return Record(name, instances, picture=picture)


def _shape(shape: Mapping[str, Any], size: Size) -> tuple[str, Masks]:
    if not isinstance(shape, dict):
        raise BadRecord(f"need an object with label and points, got {type(shape).__name__}")
    label, kind = shape.get("label"), shape.get("shape_type", "polygon")
    if not isinstance(label, str) or not label:
        raise BadRecord(f"need a label, got {label!r}")
    points: FloatArray = np.array(shape.get("points"), dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise BadRecord("need finite points x, y")
    if kind == "mask":
        return label, _bitmap(shape.get("mask"), points, size)
    if kind == "rectangle" and len(points) == 2:
        (x1, y1), (x2, y2) = points.min(axis=0), points.max(axis=0)
        points = np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)])
    elif kind == "circle" and len(points) == 2:
        points = _circle(points)
    elif kind not in ("polygon", "rectangle"):
        raise BadRecord(f"need a polygon, rectangle, circle or mask, got a {kind}, which has no area")
    return label, fill_polygons([Polygon(points)], size)


def _circle(points: FloatArray) -> FloatArray:
    radius = math.dist(points[0], points[1])
    angles = np.linspace(0, 2 * np.pi, _CIRCLE_POINTS, endpoint=False)
    circle: FloatArray = points[0] + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return circle


def _bitmap(text: Any, points: FloatArray, size: Size) -> Masks:
    """A mask shape: a picture whose first and last pixel lie at its two points."""
    if len(points) != 2 or not isinstance(text, str):
        raise BadRecord("need a mask of two points and a picture in base64")
    (x1, y1), (x2, y2) = ((round(x), round(y)) for x, y in points.tolist())
    if not (0 <= x1 <= x2 < size[1] and 0 <= y1 <= y2 < size[0]):
        raise BadRecord(
            f"need a mask inside the picture of {size[1]} x {size[0]}, got one at {points.tolist()}"
        )
    crop = decode_bitmap(text, (y2 + 1 - y1, x2 + 1 - x1))
    return Masks([crop], [(x1, y1)], size)


def decode_bitmap(text: str, size: Size) -> Mask:
    """(H, W) bool of a PNG in base64 that must be of ``size``; raises `BadRecord`."""
    try:
        data = base64.b64decode(text, validate=True)
        with Pictures.open(BytesIO(data), formats=("PNG",)) as picture:
            if picture.size != size[::-1]:
                raise BadRecord(f"need a mask of {size[::-1]} pixels, got {picture.size}")
            values = np.asarray(picture)
    except (binascii.Error, OSError, ValueError, SyntaxError, Pictures.DecompressionBombError) as error:
        raise BadRecord(f"need a mask as PNG in base64 ({error})") from error
    mask: Mask = (values.reshape(*size, -1) != 0).any(axis=2)
    return mask


@contextmanager
def write(path: Path, options: Options, ledger: Ledger) -> Iterator[Put]:
    """Write a JSON file for each record."""
    with atomic_folder(path) as folder:

        def put(record: Record) -> None:
            data = _document(record, options, ledger)
            file = new_file(folder, f"{record.stem}.json")
            put_picture(record, folder, options.pictures)
            file.write_text(json.dumps(data), encoding="utf-8")

        yield put


def _document(record: Record, options: Options, ledger: Ledger) -> dict[str, Any]:
    instances = record.instances
    shapes: list[dict[str, Any]] = []
    for row, outline in enumerate(outlines(instances.masks, options, ledger)):
        label = instances.names[row]
        if options.masks == "rle" or outline.has_holes:
            shapes.append(_mask_shape(label, instances.masks, row))
        else:
            shapes += _polygon_shapes(label, outline, group=row + 1)
    return {
        "version": _VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": record.picture_name.rpartition("/")[2],
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
    Pictures.fromarray(crop.astype(np.uint8)).save(buffer, format="PNG")
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
    keeps=frozenset({"overlaps", "holes", "parts", "class names", "empty pictures", "file names"}),
    recognise=recognise,
    read=read,
    write=write,
)

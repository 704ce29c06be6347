"""Supervisely: a project folder with ``meta.json`` and ``<data set>/ann/<image>.json``, masks as bitmaps.

A data set may have others in its folder ``datasets``.

A bitmap is a PNG, zlib-compressed, in base64, with the x, y of its first pixel. Read besides: alpha masks, polygons
(with holes) and rectangles. Source: https://docs.supervisely.com/data-organization/00_ann_format_navi.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image as PILImage

from maskweave.annotations.base import Format, Put
from maskweave.annotations.classes import ClassNumbers
from maskweave.annotations.json_stream import read_json
from maskweave.annotations.options import Options
from maskweave.annotations.places import checked_size, find_image, new_file, put_image, safe_name
from maskweave.annotations.record import Category, Record
from maskweave.annotations.report import DAMAGE, Report
from maskweave.annotations.segmentation import placed_bitmap, points_of
from maskweave.annotations.shapes import Shape, ShapeList, box_corners
from maskweave.annotations.values import identifier, number, shown
from maskweave.errors import BadRecord, InvalidValue
from maskweave.files import atomic_folder
from maskweave.ops.palette import object_color
from maskweave.ops.polygons import Polygon, fill_polygons
from maskweave.sources.base import MAX_PIXELS
from maskweave.sources.walk import files_below
from maskweave.types.arrays import Mask, Size
from maskweave.types.masks import Masks

_SET = "dataset"
_BITMAPS = ("bitmap", "alpha_mask")
"""Geometries that are images; a pixel is the object's if it is not 0."""
_PNG = b"\x89PNG"
_MAX_BYTES = 64_000_000  # of one unpacked bitmap


def detect(path: Path) -> str | None:
    """A folder with a ``meta.json`` and a data set's folder ``ann``."""
    named = path.is_dir() and (path / "meta.json").is_file() and any(_sets(path))
    return "a project with meta.json and ann folders" if named else None


def _sets(folder: Path) -> Iterator[Path]:
    """The folders of data sets in one, and of those within them."""
    for each in sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith(".")):
        if (each / "ann").is_dir():
            yield each
        if (each / "datasets").is_dir():
            yield from _sets(each / "datasets")


def read(path: Path, options: Options, report: Report) -> Iterator[Record]:
    """Yield a record for each annotation of each data set; of several, the data set's name comes first."""
    names = _classes(path / "meta.json")
    found = False
    sets = list(_sets(path))
    for home in sets:
        below = "/".join(part for part in home.relative_to(path).parts if part != "datasets")
        for file in files_below(home / "ann", (".json",)):
            found = True
            own = file.relative_to(home / "ann").as_posix().removesuffix(".json")
            place = _Place(file, own, f"{below}/{own}" if len(sets) > 1 else own, f"{below}/{own}")
            yield from report.made(place.where, partial(_record, place, home, names, options, report))
    if not found:
        raise InvalidValue(f"{path}: need annotations in <data set>/ann, found none")


def _classes(file: Path) -> dict[str, int]:
    """The names of the project's classes with their ids, or their places where they have none."""
    data = read_json(file, need="Supervisely's meta.json")
    listed = data.get("classes") if isinstance(data, dict) else None
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise InvalidValue(f"{file}: need a list of classes")
    ids = [each.get("id") for each in listed]
    kept = all(type(each) is int for each in ids) and len(set(ids)) == len(ids)
    return {str(each.get("title")): ids[row] if kept else row for row, each in enumerate(listed)}


class _Place(NamedTuple):
    """An annotation file, its image's name in its data set and in the project, and how messages call it."""

    file: Path
    own: str
    name: str
    where: str


def _record(
    place: _Place, home: Path, classes: Mapping[str, int], options: Options, report: Report
) -> Record:
    data = read_json(place.file, need="an annotation")
    if not isinstance(data, dict) or not isinstance(data.get("size"), dict):
        raise BadRecord("need an annotation with a size")
    if "frames" in data:
        raise BadRecord("need the annotation of an image, got one of a video, which is not read")
    size = checked_size(data["size"].get("height"), data["size"].get("width"))
    objects = ShapeList(size, tuple(classes))
    report.leave_out("tags of images", len(_listed(data, "tags")))
    for place_in_file, item in enumerate(data.get("objects") or (), start=1):
        try:
            if not isinstance(item, dict):
                raise BadRecord(f"need an object with classTitle and geometryType, got {shown(item)}")
            # what labels of one class and instance show is one object
            objects.add(Shape(_title(item, classes), _mask(item, size)), item.get("instance"))
            report.leave_out("tags of objects", len(_listed(item, "tags")))
        except DAMAGE as error:
            report.problem(f"{place.where}, object {place_in_file}", error)
    own, file_name = safe_name(place.own), safe_name(place.name)
    return Record(
        file_name,
        **objects.columns(),
        categories=tuple(Category(number, each) for each, number in classes.items()),
        image=find_image(file_name, options.images) or find_image(own, home / "img", options.images),
    )


def _listed(data: Mapping[str, Any], key: str) -> Sequence[Any]:
    found = data.get(key)
    return found if isinstance(found, list) else ()


def _title(item: Mapping[str, Any], classes: Mapping[str, int]) -> str:
    """The name of an object's class, or the one that its id has in ``meta.json``."""
    title, class_id = item.get("classTitle"), item.get("classId")
    if title is None and class_id is not None:
        found = [name for name, own in classes.items() if own == identifier(class_id, "classId")]
        title = found[0] if found else None
    if title not in classes:
        raise BadRecord(f"need a class of meta.json, got {shown(title)}")
    return str(title)


def _mask(item: Mapping[str, Any], size: Size) -> Masks:
    kind = item.get("geometryType") or item.get("shape")
    inner = item.get("geometry")  # of some exports
    item = inner if isinstance(inner, dict) else item
    if kind in _BITMAPS:
        return _placed(item.get(kind), size)
    if kind not in ("polygon", "rectangle"):
        raise BadRecord(f"need a bitmap, alpha mask, polygon or rectangle, got {shown(kind)}")
    points = item.get("points")
    if not isinstance(points, dict):
        raise BadRecord(f"need points with an exterior, got {shown(points)}")
    exterior = points_of(points.get("exterior"))
    if kind == "rectangle" and len(exterior):
        (x1, y1), (x2, y2) = exterior.min(axis=0), exterior.max(axis=0)
        exterior = box_corners(x1, y1, x2, y2)
    holes = tuple(points_of(hole) for hole in points.get("interior") or ())
    return fill_polygons([Polygon(exterior, holes)], size)


def _placed(bitmap: Any, size: Size) -> Masks:
    origin = bitmap.get("origin") if isinstance(bitmap, dict) else None
    if not isinstance(origin, list) or len(origin) != 2:
        raise BadRecord("need a bitmap with data and an origin of x and y")
    left, top = (round(number(each, "origin")) for each in origin)
    crop = decode_bitmap(bitmap["data"])
    return placed_bitmap(crop, left, top, size)


def decode_bitmap(text: str) -> Mask:
    """(h, w) bool of a bitmap's text, True where it is not 0; raises `BadRecord` for damage or over 64 MB."""
    try:
        data = base64.b64decode(text, validate=True)
        if not data.startswith(_PNG):
            unpacker = zlib.decompressobj()
            data = unpacker.decompress(data, _MAX_BYTES)
            if not unpacker.eof:
                raise BadRecord("need a whole bitmap of at most 64 MB, got one that is cut or larger")
        with PILImage.open(BytesIO(data), formats=("PNG",)) as image:
            if image.size[0] * image.size[1] > MAX_PIXELS:
                raise BadRecord(f"need a bitmap of at most {MAX_PIXELS:,} pixels, got {image.size}")
            # of images with alpha it tells; of palette images the number
            values = np.asarray(image)
    except (binascii.Error, zlib.error, OSError, ValueError, SyntaxError) as error:
        raise BadRecord(f"need a bitmap as PNG in base64, zlib-compressed or not ({error})") from error
    if values.ndim == 3:
        values = values[..., -1] if values.shape[2] in (2, 4) else values.max(axis=2)
    mask: Mask = values != 0
    return mask


def encode_bitmap(mask: Mask) -> str:
    """The text of an (h, w) bool mask."""
    buffer = BytesIO()
    image = PILImage.fromarray(mask.astype(np.uint8)).convert("P")
    image.putpalette([0, 0, 0, 255, 255, 255])
    image.save(buffer, format="PNG", transparency=0, bits=1)
    return base64.b64encode(zlib.compress(buffer.getvalue())).decode("ascii")


@contextmanager
def write(path: Path, options: Options, report: Report) -> Iterator[Put]:
    """Write an annotation for each record into the data set "dataset", and ``meta.json`` at the end."""
    classes = ClassNumbers(keep=True, first=1)
    with atomic_folder(path, overwrite=options.overwrite) as folder:
        home = folder / _SET
        for name in ("ann", "img"):
            (home / name).mkdir(parents=True)

        def put(record: Record) -> None:
            classes.learn(record)
            data = _document(record, classes)
            file = new_file(home / "ann", f"{record.image_name}.json")
            put_image(record, home / "img", options.with_images)
            file.write_text(json.dumps(data), encoding="utf-8")

        yield put
        meta = {"classes": [_class(each) for each in classes], "tags": [], "projectType": "images"}
        (folder / "meta.json").write_text(json.dumps(meta), encoding="utf-8")


def _class(category: Category) -> dict[str, Any]:
    color = "#{:02X}{:02X}{:02X}".format(*object_color(category.id))
    return {"id": category.id, "title": category.name, "shape": "bitmap", "color": color}


def _document(record: Record, classes: ClassNumbers) -> dict[str, Any]:
    instances = record.instances
    objects = [
        {
            "id": number,
            "classId": classes[name],
            "classTitle": name,
            "geometryType": "bitmap",
            "description": "",
            "tags": [],
            "bitmap": {"data": encode_bitmap(crop), "origin": [x, y]},
        }
        for number, (name, (crop, x, y)) in enumerate(
            zip(instances.names, instances.masks.placed(), strict=True), start=1
        )
    ]
    height, width = record.size
    return {"description": "", "tags": [], "size": {"height": height, "width": width}, "objects": objects}


FORMAT = Format(
    name="supervisely",
    title="Supervisely bitmaps",
    layout="a folder with `meta.json`, `dataset/ann/`",
    holds=frozenset(
        {
            *("overlaps", "holes", "parts", "class names", "category ids", "empty images", "file names"),
        }
    ),
    detect=detect,
    read=read,
    write=write,
)

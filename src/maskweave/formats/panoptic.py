"""COCO panoptic: every pixel is of one segment, an object (thing) or a class without objects (stuff).

A folder with ``panoptic.json`` and pictures in ``panoptic/``; read besides: a JSON file with the folder of its stem
beside it, as COCO has them. A pixel's segment id is red + 256 green + 65536 blue; 0 is no segment. Source:
https://cocodataset.org/#format-data, "Panoptic Segmentation".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pictures

from maskweave.errors import BadRecord, InvalidValue
from maskweave.evaluation.panoptic_files import read_id_colours
from maskweave.formats.base import Format, Options, Put
from maskweave.formats.classes import ClassNumbers
from maskweave.formats.coco import image_entry, read_categories, whole, with_picture
from maskweave.formats.id_pictures import flattened, objects_of_ids
from maskweave.formats.json_stream import json_ends, stream_lists
from maskweave.formats.ledger import Ledger
from maskweave.formats.places import checked_size, new_file, put_picture, safe_name
from maskweave.formats.record import Category, Record
from maskweave.ops.coco_names import COCO_IDS, FIRST_FREE_ID
from maskweave.outputs.coco import converted_info
from maskweave.outputs.files import atomic_folder
from maskweave.outputs.masks_png import marked_png
from maskweave.outputs.panoptic import colours_of
from maskweave.outputs.spool import Spool
from maskweave.types.arrays import IntArray, Size
from maskweave.types.instances import Instances
from maskweave.types.semantic import IGNORE, SemanticMap

_NAME = "panoptic"


def recognise(path: Path) -> str | None:
    """A JSON file with segments_info, or a folder with a ``panoptic.json``."""
    text = json_ends(path / f"{_NAME}.json" if path.is_dir() else path)
    return "JSON with segments_info" if '"segments_info"' in text and '"annotations"' in text else None


def read(path: Path, options: Options, ledger: Ledger) -> Iterator[Record]:
    """Yield a record for each annotated image; stuff is in its class map, whose class 0 is no segment."""
    file = path / f"{_NAME}.json" if path.is_dir() else path
    with Spool() as spool:
        categories = _spool_lists(file, spool, ledger)
        done = False
        for place in spool.places("annotations"):
            done = True
            annotation = json.loads(spool.read(place))
            where = f"{file.name}, image {annotation.get('image_id')!r}"
            record = ledger.attempt(where, partial(_record, annotation, categories, spool, file))
            if record is not None:
                yield with_picture(record, options.images, options.images, file.parent, ledger=ledger)
        if not done:
            raise InvalidValue(f"{file}: need the COCO list annotations with segments_info, got none")


def _spool_lists(file: Path, spool: Spool, ledger: Ledger) -> tuple[Category, ...]:
    """Put annotations under "annotations" and images under their ids; returns the categories."""
    categories: list[dict[str, Any]] = []
    for key, value in stream_lists(file, ("images", "annotations", "categories")):
        if key not in ("images", "annotations", "categories"):
            continue
        if not isinstance(value, dict):
            ledger.problem(f"{file.name}, {key}", f"need objects, got {str(value)[:60]}")
        elif key == "categories":
            categories.append(value)
        elif key == "annotations":
            spool.add(key, json.dumps(value).encode())
        else:
            number = ledger.attempt(f"{file.name}, image", partial(whole, value.get("id"), "id of the image"))
            if number is not None:
                spool.add(number, json.dumps(value).encode())
    return read_categories(file, categories, ledger)


def _record(
    annotation: Mapping[str, Any], categories: tuple[Category, ...], spool: Spool, file: Path
) -> Record:
    places = spool.places(whole(annotation.get("image_id"), "image_id"))
    if len(places) != 1:
        raise BadRecord(f"need one image of that id, got {len(places)}")
    image = json.loads(spool.read(places[0]))
    size = checked_size(image.get("height"), image.get("width"))
    picture = file.parent / file.stem / safe_name(annotation.get("file_name"))
    ids = read_id_colours(picture)
    if ids.shape != size:
        raise BadRecord(f"need a picture of {size[1]} x {size[0]}, got {ids.shape[1]} x {ids.shape[0]}")
    segments = _segments(annotation, categories, ids)
    frame = image.get("frame_index")
    return Record(
        file_name=safe_name(image.get("file_name")),
        **_contents(ids, segments, categories, size),
        categories=categories,
        video=str(image.get("video", "")) if isinstance(frame, int) else "",
        frame=frame if isinstance(frame, int) else None,
    )


def _segments(
    annotation: Mapping[str, Any], categories: tuple[Category, ...], ids: IntArray
) -> dict[int, tuple[int, bool]]:
    """For each segment id the row of its category, and whether it is a crowd."""
    rows = {category.id: row for row, category in enumerate(categories)}
    segments: dict[int, tuple[int, bool]] = {}
    for segment in annotation.get("segments_info") or ():
        number = whole(segment.get("id"), "id of a segment")
        category = segment.get("category_id")
        if category not in rows:
            raise BadRecord(f"segment {number}: need a category of the file, got {category!r}")
        if number in segments:
            raise BadRecord(f"segment {number}: need an id of its own, it comes twice")
        segments[number] = (rows[category], bool(segment.get("iscrowd", 0)))
    unknown = sorted(set(np.unique(ids).tolist()) - set(segments) - {0})
    if unknown:
        raise BadRecord(f"need a segment for each colour, got none for id {unknown[0]}")
    return segments


def _contents(
    ids: IntArray, segments: Mapping[int, tuple[int, bool]], categories: tuple[Category, ...], size: Size
) -> dict[str, Any]:
    """Objects, their crowd flags, and the class map where there is stuff."""
    numbers, masks = objects_of_ids(ids)
    things = [number for number in numbers if categories[segments[number][0]].thing]
    chosen = np.isin(numbers, things)
    names = tuple(category.name for category in categories)
    instances = Instances(
        masks=masks[chosen],
        boxes=masks[chosen].boxes,
        scores=np.ones(len(things)),
        class_ids=np.array([segments[number][0] for number in things], dtype=np.int64),
        class_names=names,
    )
    semantic = None
    if not chosen.all():
        if len(names) >= IGNORE:
            raise BadRecord(f"need less than {IGNORE} categories where there is stuff, got {len(names)}")
        class_map = np.zeros(size, dtype=np.int64)
        for number, (crop, x, y) in zip(numbers, masks.placed(), strict=True):
            region = class_map[y : y + crop.shape[0], x : x + crop.shape[1]]
            region[crop] = segments[number][0] + 1
        semantic = SemanticMap(class_map, ("background", *names))
    crowd = np.array([segments[number][1] for number in things], np.bool_)
    return {"instances": instances, "crowd": crowd, "semantic": semantic}


@contextmanager
def write(path: Path, options: Options, ledger: Ledger) -> Iterator[Put]:
    """Write a picture of segments for each record, and the JSON file at the end; its lists are spooled."""
    classes = ClassNumbers(keep=True, first=FIRST_FREE_ID, fixed=COCO_IDS)
    with atomic_folder(path) as folder, Spool(folder) as spool:
        count = 0

        def put(record: Record) -> None:
            nonlocal count
            classes.learn(record)
            ids, segments = _painted(record, classes, options, ledger)
            file = new_file(folder / _NAME, f"{record.stem}.png")
            put_picture(record, folder / "images", options.pictures)
            file.write_bytes(marked_png(Pictures.fromarray(colours_of(ids))))
            count += 1
            spool.add("images", json.dumps(image_entry(record, count)).encode())
            entry = {"image_id": count, "file_name": f"{record.stem}.png", "segments_info": segments}
            spool.add("annotations", json.dumps(entry).encode())

        yield put
        _write_document(folder / f"{_NAME}.json", classes, spool)


def _painted(
    record: Record, classes: ClassNumbers, options: Options, ledger: Ledger
) -> tuple[IntArray, list[dict[str, Any]]]:
    """(H, W) segment ids, objects first, and what ``segments_info`` says of them."""
    crowd = record.crowds
    marked = record.instances.replace(track_ids=np.arange(len(record.instances)))
    ids, seen = flattened(marked, options.overlaps, ledger)
    rows = [] if seen.track_ids is None else seen.track_ids.tolist()
    told = [(classes[name], bool(crowd[row])) for name, row in zip(seen.names, rows, strict=True)]
    if record.semantic is not None:
        outside = (ids == 0) & (record.semantic.class_map != 0)
        ignored = outside & (record.semantic.class_map == IGNORE)
        ledger.lost("class map", 0, int(np.count_nonzero(ignored)))
        for number in np.unique(record.semantic.class_map[outside & ~ignored]).tolist():
            told.append((classes[record.semantic.class_names[number]], False))
            ids = np.where(outside & (record.semantic.class_map == number), len(told), ids)
    numbers, masks = objects_of_ids(ids)
    boxes = masks.boxes
    boxes[:, 2:] -= boxes[:, :2]
    return ids, [
        {
            "id": number,
            "category_id": told[number - 1][0],
            "area": int(masks.areas[row]),
            "bbox": [int(edge) for edge in boxes[row]],
            "iscrowd": int(told[number - 1][1]),
        }
        for row, number in enumerate(numbers)
    ]


def _write_document(file: Path, classes: ClassNumbers, spool: Spool) -> None:
    categories = [
        {"id": each.id, "name": each.name, "supercategory": "", "isthing": int(each.thing)}
        for each in classes
    ]
    with file.open("w", encoding="utf-8") as out:
        out.write(f'{{\n"info": {json.dumps(converted_info())},\n"categories": {json.dumps(categories)}')
        for key in ("images", "annotations"):
            out.write(f',\n"{key}": [')
            for index, place in enumerate(spool.places(key)):
                out.write((",\n" if index else "\n") + spool.read(place).decode())
            out.write("\n]")
        out.write("\n}\n")


FORMAT = Format(
    name="panoptic",
    title="COCO panoptic",
    layout="a folder with `panoptic.json`, `panoptic/`",
    keeps=frozenset(
        {
            *("holes", "parts", "crowd", "class map", "class names", "category ids", "empty pictures"),
            "file names",
        }
    ),
    recognise=recognise,
    read=read,
    write=write,
    note="pixels to be ignored",
)

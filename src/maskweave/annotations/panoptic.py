"""COCO panoptic: every pixel is of one segment, an object (thing) or a class without objects (stuff).

A folder with ``panoptic.json`` and images in ``panoptic/``; read besides: a JSON file with the folder of its stem
beside it, as COCO has them. A pixel's segment id is red + 256 green + 65536 blue; 0 is no segment. Source:
https://cocodataset.org/#format-data, "Panoptic Segmentation".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PILImage

from maskweave.annotations.base import Format, Put
from maskweave.annotations.classes import ClassNumbers
from maskweave.annotations.coco import image_entry
from maskweave.annotations.coco_reading import LISTS, Classes, IdSet, frame_of, read_categories
from maskweave.annotations.coco_results import TruthImages
from maskweave.annotations.id_images import flattened, objects_of_ids, read_colors
from maskweave.annotations.json_stream import json_outline, stream_objects
from maskweave.annotations.objects import make_objects
from maskweave.annotations.options import Options
from maskweave.annotations.places import image_file, new_file, put_image, safe_name, sized
from maskweave.annotations.record import Category, Record
from maskweave.annotations.report import Report
from maskweave.annotations.text_files import file_info, write_spooled
from maskweave.annotations.values import Id, flag, identifier, shown, whole
from maskweave.errors import BadRecord, InvalidValue
from maskweave.files import atomic_folder
from maskweave.ops.coco_names import COCO_IDS, FIRST_FREE_ID
from maskweave.ops.masks_png import marked_png
from maskweave.spool import Spool
from maskweave.types.arrays import Image, IntArray, Size
from maskweave.types.semantic import IGNORE, SemanticMap

_NAME = "panoptic"
_LOOKED_AT = 20


def detect(path: Path) -> str | None:
    """A JSON file with segments_info, or a folder with one."""
    return "JSON with segments_info" if _file(path) is not None else None


def _file(path: Path) -> Path | None:
    """The JSON file, of a folder the first in it or in its ``annotations``; None where there is none."""
    folders = (path, path / "annotations")
    listed = (file for each in folders for file in sorted(each.glob("[!.]*.json"))[:_LOOKED_AT])
    files = [path / f"{_NAME}.json", *listed] if path.is_dir() else [path]
    return next(
        (each for each in files if "segments_info" in json_outline(each).inner.get("annotations", ())), None
    )


def read(path: Path, options: Options, report: Report) -> Iterator[Record]:
    """Yield a record for each annotated image; stuff is in its class map, whose class 0 is no segment.

    Results may lack images and categories, which are then those of ``--truth``.
    """
    file = _file(path) or path / f"{_NAME}.json" if path.is_dir() else path
    with Spool() as spool:
        categories = _spool_lists(file, spool, report)
        entries: Mapping[Id, Mapping[str, Any]] = {}
        classes = read_categories(file.name, categories, report)
        if options.truth is not None:
            truth = TruthImages(options.truth)
            entries = truth.entries
            classes = classes if categories else truth.classes
        listed = any(key is not None for key in spool)
        folder = options.segments or file.with_suffix("")
        reader = _Reader(file, folder, classes, entries, listed, spool, options, report)
        seen = IdSet()
        for place in spool.places(None):
            annotation = json.loads(spool.read(place))
            where = f"{file.name}, image {shown(annotation.get('image_id'))}"
            yield from report.made(where, partial(reader.record, annotation, seen))
        if None not in spool:
            raise InvalidValue(f"{file}: need the COCO list annotations with segments_info, got none")


def _spool_lists(file: Path, spool: Spool, report: Report) -> list[dict[str, Any]]:
    """Put annotations under None and images under their ids; returns the list of categories."""
    categories: list[dict[str, Any]] = []
    for key, value in stream_objects(file, LISTS, report):
        if key == "categories":
            categories.append(value)
        elif key == "annotations":
            spool.add(None, json.dumps(value).encode())
        else:
            image_id = report.attempt(
                f"{file.name}, image", partial(identifier, value.get("id"), "id of the image")
            )
            if image_id is not None:
                spool.add(image_id, json.dumps(value).encode())
    return categories


@dataclass(frozen=True)
class _Reader:
    """Reads the annotations of one file."""

    file: Path
    folder: Path
    classes: Classes
    entries: Mapping[Id, Mapping[str, Any]]
    listed: bool
    spool: Spool
    options: Options
    report: Report

    def record(self, annotation: Mapping[str, Any], seen: IdSet) -> Record:
        image_id = identifier(annotation.get("image_id"), "image_id")
        if not seen.add(image_id):
            raise BadRecord("need each image once, it comes again")
        image = self._entry(image_id, annotation.get("file_name"))
        file_name, file = image_file(
            image.get("file_name"),
            self.options,
            self.file.parent,
            self.file.parent / "images",
            report=self.report,
        )
        ids = read_segment_ids(self.folder / safe_name(annotation.get("file_name")))
        size = (ids.shape[0], ids.shape[1])
        stated = sized(image.get("height", size[0]), image.get("width", size[1]), file)
        if size != stated:
            raise BadRecord(f"need segments of {stated[1]} x {stated[0]} pixels, got {size[1]} x {size[0]}")
        segments = _segments(annotation, self.classes, ids)
        for key in sorted(set(segments) - set(np.unique(ids).tolist())):
            self.report.problem(
                f"{self.file.name}, {file_name}", f"segment {key}: need pixels of it, got none"
            )
        return Record(
            file_name=file_name,
            **_contents(ids, segments, self.classes.categories, size),
            **frame_of(image, file_name),
            categories=self.classes.categories,
            image=file,
            image_id=image_id,
        )

    def _entry(self, image_id: Id, file_name: Any) -> Mapping[str, Any]:
        places = self.spool.places(image_id)
        if len(places) == 1:
            entry: Mapping[str, Any] = json.loads(self.spool.read(places[0]))
            return entry
        if not places and image_id in self.entries:
            return self.entries[image_id]
        if not places and not self.listed:
            return {"file_name": file_name}
        raise BadRecord(f"need one image of that id, got {len(places)}")


def read_segment_ids(path: Path) -> IntArray:
    """(H, W) segment ids of an RGB PNG; raises `SourceNotFound`, or `BadRecord` for what is no such image."""
    ids: IntArray = read_colors(path).astype(np.int64) @ np.array([1, 256, 65536])
    return ids


def _segments(annotation: Mapping[str, Any], classes: Classes, ids: IntArray) -> dict[int, tuple[int, bool]]:
    """For each segment id the row of its category, and whether it is a crowd."""
    segments: dict[int, tuple[int, bool]] = {}
    for segment in annotation.get("segments_info") or ():
        key = whole(segment.get("id"), "id of a segment")
        row = classes.rows.get(identifier(segment.get("category_id"), "category_id"))
        if row is None:
            raise BadRecord(
                f"segment {key}: need a category of the file, got {shown(segment['category_id'])}"
            )
        if key in segments:
            raise BadRecord(f"segment {key}: need an id of its own, it comes twice")
        segments[key] = (row, flag(segment.get("iscrowd"), "iscrowd"))
    found = set(np.unique(ids).tolist()) - {0}
    unknown = sorted(found - set(segments))
    if unknown:
        raise BadRecord(f"need a segment for each color, got none for id {unknown[0]}")
    return segments


def _contents(
    ids: IntArray, segments: Mapping[int, tuple[int, bool]], categories: tuple[Category, ...], size: Size
) -> dict[str, Any]:
    """Objects, their crowd flags, and the class map where there is stuff."""
    numbers, masks = objects_of_ids(ids)
    things = [number for number in numbers if categories[segments[number][0]].thing]
    chosen = np.isin(numbers, things)
    names = tuple(category.name for category in categories)
    instances = make_objects(masks[chosen], [segments[number][0] for number in things], names)
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
def write(path: Path, options: Options, report: Report) -> Iterator[Put]:
    """Write an image of segments for each record, and the JSON file at the end."""
    classes = ClassNumbers(keep=True, first=FIRST_FREE_ID, fixed=COCO_IDS)
    with atomic_folder(path, overwrite=options.overwrite) as folder, Spool(folder) as spool:
        document = _Document(folder / _NAME, spool)

        def put(record: Record) -> None:
            classes.learn(record)
            ids, segments = _painted(record, classes, options, report)
            put_image(record, folder / "images", options.with_images)
            document.add(image_entry(record), f"{record.stem}.png", ids, segments)

        yield put
        document.finish(folder / f"{_NAME}.json", classes, file_info(options))


class _Document:
    """A folder of images of segments, and the lists of the JSON file, which are spooled until its end."""

    def __init__(self, folder: Path, spool: Spool) -> None:
        self._folder, self._spool = folder, spool
        self._count = 0

    def add(self, image: Mapping[str, Any], name: str, ids: IntArray, segments: list[dict[str, Any]]) -> None:
        """Add what the file says of an image, its (H, W) segment ids as ``name``, and what they are."""
        new_file(self._folder, name).write_bytes(marked_png(PILImage.fromarray(colors_of(ids))))
        self._count += 1
        entry = {"image_id": self._count, "file_name": name, "segments_info": segments}
        self._spool.add("images", json.dumps({**image, "id": self._count}).encode())
        self._spool.add("annotations", json.dumps(entry).encode())

    def finish(self, file: Path, classes: Iterable[Category], info: Mapping[str, str]) -> None:
        """Write the JSON file."""
        categories = [
            {"id": each.id, "name": each.name, "supercategory": "", "isthing": int(each.thing)}
            for each in classes
        ]
        with file.open("w", encoding="utf-8") as out:
            out.write(f'{{\n"info": {json.dumps(info)},\n"categories": {json.dumps(categories)}')
            for key in ("images", "annotations"):
                write_spooled(out, self._spool, key)
            out.write("\n}\n")


def _painted(
    record: Record, classes: ClassNumbers, options: Options, report: Report
) -> tuple[IntArray, list[dict[str, Any]]]:
    """(H, W) segment ids, objects first, and what ``segments_info`` says of them."""
    crowd = record.crowds
    marked = record.instances.replace(track_ids=np.arange(len(record.instances)))
    ids, seen = flattened(marked, options.overlaps, report)
    rows = [] if seen.track_ids is None else seen.track_ids.tolist()
    entries = [(classes[name], bool(crowd[row])) for name, row in zip(seen.names, rows, strict=True)]
    if record.semantic is not None:
        outside = (ids == 0) & (record.semantic.class_map != 0)
        ignored = outside & (record.semantic.class_map == IGNORE)
        report.lost("class map", 0, int(np.count_nonzero(ignored)))
        for number in np.unique(record.semantic.class_map[outside & ~ignored]).tolist():
            entries.append((classes[record.semantic.class_names[number]], False))
            ids = np.where(outside & (record.semantic.class_map == number), len(entries), ids)
    numbers, masks = objects_of_ids(ids)
    boxes = masks.boxes
    boxes[:, 2:] -= boxes[:, :2]
    return ids, [
        {
            "id": number,
            "category_id": entries[number - 1][0],
            "area": int(masks.areas[row]),
            "bbox": [int(edge) for edge in boxes[row]],
            "iscrowd": int(entries[number - 1][1]),
        }
        for row, number in enumerate(numbers)
    ]


def colors_of(ids: IntArray) -> Image:
    """(H, W, 3) uint8 RGB of (H, W) segment ids below 2**24."""
    return np.stack([ids & 255, ids >> 8 & 255, ids >> 16], axis=2).astype(np.uint8)


FORMAT = Format(
    name="panoptic",
    title="COCO panoptic",
    layout="a folder with `panoptic.json`, `panoptic/`",
    holds=frozenset(
        {
            *("holes", "parts", "crowd", "class map", "class names", "category ids", "empty images"),
            "file names",
        }
    ),
    detect=detect,
    read=read,
    write=write,
    note="pixels to be ignored",
)

"""Read COCO's images, annotations and categories as records, also for formats built on it.

Lists are read one element at a time and spooled by image, since annotations come in any order. LVIS has addresses
instead of file names, and says of each image which classes are absent or not labeled to the last object.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from maskweave.annotations.objects import make_objects
from maskweave.annotations.options import Options
from maskweave.annotations.places import image_file, sized
from maskweave.annotations.record import Category, Record
from maskweave.annotations.report import DAMAGE, Report
from maskweave.annotations.segmentation import corners_of, no_pixels, segmentation_to_masks
from maskweave.annotations.values import Id, flag, identifier, number, score, shown, whole
from maskweave.errors import BadRecord, InvalidValue
from maskweave.ops.coco_names import FIRST_FREE_ID
from maskweave.spool import Spool
from maskweave.types.arrays import Size
from maskweave.types.masks import Masks, concatenate

LISTS = ("images", "annotations", "categories")
_MAX_DENSE = 1 << 28  # ids below take a bit each, 32 MB at the most


def read_file(
    path: Path, options: Options, report: Report, *, folders: Sequence[Path] = (), prefix: str = ""
) -> Iterator[Record]:
    """Yield a record for each image of a file, in file order.

    ``folders``: where images are looked for, too. ``prefix``: a folder that their names begin with.
    """
    places = [*folders, path.parent, path.parent / "images"]
    with Spool() as spool:
        classes = _spool_lists(path, spool, report)
        seen = IdSet()
        for place in spool.places(None):
            image = json.loads(spool.read(place))
            where = f"{path.name}, image {shown(image.get('id'))} ({shown(image_name(image))})"
            read_one = partial(_record, image, seen, spool, classes, options, report, path.name, places)
            record = report.attempt(where, read_one)
            if record is not None:
                yield replace(record, file_name=f"{prefix}/{record.file_name}") if prefix else record
        report_unowned(spool, seen, report, file=path.name, owner="image")


def report_unowned(spool: Spool, seen: IdSet, report: Report, *, file: str, owner: str) -> None:
    """Report the spooled annotations of images, or videos, that are not in the file."""
    for key in spool:
        if key is not None and key not in seen:
            count = len(spool.places(key))
            report.problem(f"{file}, {owner} {key}", f"{count} annotations are of no {owner} of the file")


def _spool_lists(path: Path, spool: Spool, report: Report) -> Classes:
    """Put images under None, annotations under the ids of their images; returns the classes.

    Annotations that belong to no image, or repeat an id, are problems. Raises `InvalidValue` for a file without the
    list of images.
    """
    from maskweave.annotations.json_stream import stream_objects

    categories: list[dict[str, Any]] = []
    used: set[Id] = set()
    ids = IdSet()
    for key, value in stream_objects(path, LISTS, report):
        if key == "images":
            spool.add(None, json.dumps(value).encode())
        elif key == "categories":
            categories.append(value)
        else:
            report.leave_out("captions", "caption" in value)
            if "caption" not in value:
                report.attempt(
                    annotation_name(path.name, value), partial(_spool_one, value, spool, ids, used)
                )
    if used and not categories:
        raise InvalidValue(f"{path}: need the COCO lists {', '.join(LISTS)}; missing categories")
    if None not in spool:  # empty lists yield nothing; a file without images is none of COCO's
        raise InvalidValue(
            f"{path}: need the COCO lists {', '.join(LISTS)} with at least one image, got none"
        )
    return read_categories(path.name, categories, report, used=used)


def _spool_one(annotation: dict[str, Any], spool: Spool, ids: IdSet, used: set[Id]) -> None:
    image_id = identifier(annotation.get("image_id"), "image_id")
    if annotation.get("id") is not None and not ids.add(identifier(annotation["id"], "id")):
        raise BadRecord("its id is another annotation's, too")
    if annotation.get("category_id") is not None:
        used.add(identifier(annotation["category_id"], "category_id"))
    spool.add(image_id, json.dumps(annotation).encode())


class IdSet:
    """Which ids were seen, in an eighth of a byte each where they are dense whole numbers."""

    def __init__(self) -> None:
        self._bits = bytearray()
        self._others: set[Any] = set()

    def __contains__(self, number: Any) -> bool:
        if type(number) is not int or not 0 <= number < _MAX_DENSE:
            return repr(number) in self._others
        place = number >> 3
        return place < len(self._bits) and bool(self._bits[place] & 1 << (number & 7))

    def add(self, number: Any) -> bool:
        """Note an id; False when it was there."""
        if type(number) is not int or not 0 <= number < _MAX_DENSE:
            key = repr(number)
            new = key not in self._others
            self._others.add(key)
            return new
        place, bit = number >> 3, 1 << (number & 7)
        if place >= len(self._bits):
            self._bits.extend(bytes(max(place + 1 - len(self._bits), len(self._bits), 1024)))
        new = not self._bits[place] & bit
        self._bits[place] |= bit
        return bool(new)


@dataclass(frozen=True)
class Classes:
    """The classes of a COCO file: its categories, and the row of each of the file's own ids.

    Two ids of one name are one class, as other formats go by names.
    """

    categories: tuple[Category, ...]
    rows: Mapping[Id, int]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The class names."""
        return tuple(each.name for each in self.categories)


def read_categories(
    where: str,
    found: Sequence[Mapping[str, Any]],
    report: Report,
    *,
    used: Collection[Id] = (),
) -> Classes:
    """The classes of a file's list of categories; one whose id is another's is a problem, and left out.

    ``used``: the ids that annotations use; of several ids of one name such a one is kept.
    """
    named: dict[str, Category] = {}
    ids: dict[Id, str] = {}
    free = FIRST_FREE_ID
    for each in found:
        with report.record(f"{where}, category {shown(each.get('id'))}"):
            key = identifier(each.get("id"), "id of the category")
            given = each.get("name")
            name = f"category {key}" if given is None or given == "" else str(given)
            if ids.get(key, name) != name:
                raise BadRecord(f"need an id of its own, {ids[key]!r} has it as well")
            is_thing = flag(each.get("isthing"), "isthing", default=True)
            ids[key] = name  # from here on nothing is wrong with it
            while not isinstance(key, int) and any(other.id == free for other in named.values()):
                free += 1
            category = Category(
                key if isinstance(key, int) else free,
                name,
                is_thing,
            )
            if name not in named or (key in used and named[name].id not in used):
                named[name] = category
    rows = {name: row for row, name in enumerate(named)}
    return Classes(tuple(named.values()), {key: rows[name] for key, name in ids.items()})


def annotation_name(file: str, annotation: Mapping[str, Any], called: str = "annotation") -> str:
    """How an annotation is called in messages."""
    return f"{file}, {called} {shown(annotation.get('id'))}"


def _record(
    image: Mapping[str, Any],
    seen: IdSet,
    spool: Spool,
    classes: Classes,
    options: Options,
    report: Report,
    name: str,
    places: Sequence[Path],
) -> Record:
    image_id = identifier(image.get("id"), "id of the image")
    if not seen.add(image_id):
        raise BadRecord("need an id of its own, the id is another image's, too")
    folders = [*places]
    if options.images is not None and image.get("file_name") is None:  # an address ends in folder and name
        folders.append(options.images.parent)
    file_name, file = image_file(image_name(image), options, *folders, report=report)
    size = sized(image.get("height"), image.get("width"), file)
    annotations = [json.loads(spool.read(each)) for each in spool.places(image_id)]
    columns = objects_of(annotations, classes, size, report, where=name)
    return Record(
        file_name=file_name,
        **columns,
        **frame_of(image, file_name),
        categories=classes.categories,
        image=file,
        image_id=image_id,
        source=str(image.get("source") or ""),
        labeled=_labeled(image, annotations, classes),
    )


def frame_of(image: Mapping[str, Any], file_name: str) -> dict[str, Any]:
    """The video, frame and time of an image entry, as arguments of a record."""
    time = None if image.get("time_seconds") is None else number(image["time_seconds"], "time_seconds")
    if image.get("frame_index") is None:
        return {"time": time}
    frame, path = whole(image["frame_index"], "frame_index"), PurePosixPath(file_name)
    if frame < 0:
        raise BadRecord(f"need a frame_index from 0 on, got {frame}")
    return {"video": str(image.get("video") or path.parent.name or path.stem), "frame": frame, "time": time}


def image_name(image: Mapping[str, Any]) -> Any:
    """The file name of an image; of LVIS folder and name at the end of its address.

    >>> image_name({"coco_url": "http://images.cocodataset.org/val2017/000000397133.jpg"})
    'val2017/000000397133.jpg'
    """
    name, address = image.get("file_name"), image.get("coco_url")
    if name is None and isinstance(address, str):
        return "/".join(PurePosixPath(urlsplit(address).path).parts[-2:]).lstrip("/")
    return name


def _labeled(
    image: Mapping[str, Any], annotations: Sequence[Mapping[str, Any]], classes: Classes
) -> frozenset[str] | None:
    """The classes that an image has labeled exhaustively; None: all of them."""
    listed = image.get("labelled_categories")
    if isinstance(listed, list):
        return _names_of(listed, classes)
    absent = image.get("neg_category_ids")
    if not isinstance(absent, list):
        return None
    present = _names_of([each.get("category_id") for each in annotations], classes)
    partly = _names_of(image.get("not_exhaustive_category_ids") or [], classes)
    return _names_of(absent, classes) | (present - partly)


def _names_of(ids: Sequence[Any], classes: Classes) -> frozenset[str]:
    """The names of the classes with those ids; what is no id of the file names none."""
    rows = set[int]()
    for each in ids:
        with suppress(BadRecord):
            row = classes.rows.get(identifier(each, "category id"))
            rows |= set() if row is None else {row}
    return frozenset(classes.names[row] for row in rows)


def objects_of(
    annotations: Sequence[Mapping[str, Any]],
    classes: Classes,
    size: Size,
    report: Report,
    *,
    where: str,
    called: str = "annotation",
    skip_empty: bool = False,
) -> dict[str, Any]:
    """The objects of one image, as arguments of a record; an annotation that is broken is a problem, and left out.

    ``called``: what messages call an annotation. ``skip_empty``: say nothing of one without pixels and box.
    """
    rows = []
    for each, found in checked_objects(annotations, classes, size):
        if isinstance(found, CocoObject):
            rows.append(found)
        elif not (skip_empty and isinstance(found, _NothingSeen)):
            report.problem(annotation_name(where, each, called), found)
    report.leave_out("keypoints", sum(bool(each.get("keypoints")) for each in annotations))
    report.leave_out("attributes", sum(map(_count_attributes, annotations)))
    instances = make_objects(
        concatenate([Masks.empty(size), *(row.mask for row in rows)]),
        [row.class_id for row in rows],
        classes.names,
        boxes=[row.box for row in rows],
        scores=[row.score for row in rows],
        track_ids=[row.track_id for row in rows],
    )
    exact = np.array([row.exact for row in rows], dtype=np.bool_)
    return {
        "instances": instances,
        "crowd": np.array([row.crowd for row in rows], dtype=np.bool_),
        "areas": np.array([row.area for row in rows], dtype=np.float64),
        "scored": all(each.get("score") is not None for each in annotations),
        "exact": None if exact.all() else exact,
    }


def _count_attributes(annotation: Mapping[str, Any]) -> int:
    """How many attributes say something."""
    attributes = annotation.get("attributes")
    return sum(map(bool, attributes.values())) if isinstance(attributes, dict) else 0


def checked_objects(
    annotations: Sequence[Mapping[str, Any]], classes: Classes, size: Size
) -> Iterator[tuple[Mapping[str, Any], CocoObject | Exception]]:
    """Each annotation of an image with its object, or with why it has none."""
    for each in annotations:
        try:
            yield each, _object(each, classes, size)
        except DAMAGE as error:
            yield each, error


@dataclass(frozen=True)
class CocoObject:
    """One annotation, checked."""

    mask: Masks
    box: list[float]
    class_id: int
    score: float
    track_id: int | None
    crowd: bool
    area: float
    exact: bool


class _NothingSeen(BadRecord):
    """An annotation says of no pixel and of no box that it is the object's."""


def _object(annotation: Mapping[str, Any], classes: Classes, size: Size) -> CocoObject:
    row = classes.rows.get(identifier(annotation.get("category_id"), "category_id"))
    if row is None:
        raise BadRecord(f"need a category of the file, got {shown(annotation['category_id'])}")
    segmentation, box = annotation.get("segmentation"), annotation.get("bbox")
    if isinstance(segmentation, list):  # an empty ring says no more than no ring
        segmentation = [each for each in segmentation if each != []]
    mask = segmentation_to_masks(segmentation, size) if segmentation else no_pixels(size)
    if not box and not mask.areas[0]:
        raise _NothingSeen("need a segmentation with pixels inside the image, or a bbox; got neither")
    given = annotation.get("area")
    is_nan = isinstance(given, float) and math.isnan(given)  # how tables write that there is none
    area = float("nan") if is_nan else number(given, "area", float("nan"))
    track = annotation.get("track_id")
    return CocoObject(
        mask=mask,
        box=corners_of(box) if box else mask.boxes[0].tolist(),
        class_id=row,
        score=score(annotation.get("score")),
        track_id=None if track is None else whole(track, "track_id"),
        crowd=flag(annotation.get("iscrowd"), "iscrowd"),
        area=area if area > 0 else float("nan"),
        exact=flag(annotation.get("mask_exact"), "mask_exact", default=True),
    )

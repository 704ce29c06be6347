"""COCO instances: one JSON file of ``images``, ``annotations`` and ``categories``.

Lists are read one element at a time and spooled by image, since annotations come in any order. Read besides: run
lengths as lists, boxes without a mask, and the keys ``score``, ``track_id``, ``frame_index``, ``time_seconds`` and
``video`` that MaskWeave writes. Source: https://cocodataset.org/#format-data.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from maskweave.errors import BadRecord, InvalidValue, MaskWeaveError
from maskweave.evaluation.coco_truth import segmentation_to_masks
from maskweave.formats.base import Feature, Format, Options, Put
from maskweave.formats.classes import ClassNumbers
from maskweave.formats.json_stream import json_ends, stream_lists
from maskweave.formats.ledger import Ledger
from maskweave.formats.outlines import outlines
from maskweave.formats.places import checked_size, find_picture, safe_name
from maskweave.formats.record import Category, Record
from maskweave.ops.coco_names import COCO_IDS, FIRST_FREE_ID
from maskweave.outputs.coco import CocoDocument, coco_results, converted_info
from maskweave.outputs.files import atomic_file
from maskweave.outputs.spool import Spool
from maskweave.types.arrays import Size
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks, concatenate

KEEPS: frozenset[Feature] = frozenset(
    {
        *("overlaps", "holes", "parts", "boxes", "scores", "tracks", "crowd", "class names", "category ids"),
        "empty pictures",
        "file names",
    }
)

_LARGEST_DENSE = 1 << 28  # ids below take a bit each, 32 MB at the most


def recognise(path: Path) -> str | None:
    """A JSON file with images, and annotations or categories, that are neither videos' nor panoptic."""
    text = json_ends(path)
    others = ('"videos"', '"segments_info"', '"isthing"')
    if '"images"' in text and ('"annotations"' in text or '"categories"' in text):
        return None if any(key in text for key in others) else "JSON with COCO's images and annotations"
    return None


def read(path: Path, options: Options, ledger: Ledger) -> Iterator[Record]:
    """Yield a record for each image, in file order; pictures are looked for beside the file and in ``--images``."""
    with Spool() as spool:
        categories = spool_lists(path, spool, ledger)
        folders = (options.images, path.parent, path.parent / "images")
        seen = IdSet()

        def record_of(image: dict[str, Any]) -> Record:
            image_id = whole(image.get("id"), "id of the image")
            if not seen.add(image_id):
                raise BadRecord("need an id of its own, the id is another image's, too")
            found = [json.loads(spool.read(each)) for each in spool.places(image_id)]
            record = _record(image, found, categories, ledger, where=path.name)
            return with_picture(record, options.images, *folders, ledger=ledger)

        for place in spool.places("images"):
            image = json.loads(spool.read(place))
            where = f"{path.name}, image {image.get('id')!r} ({image.get('file_name')!r})"
            record = ledger.attempt(where, partial(record_of, image))
            if record is not None:
                yield record
        for key in spool:
            if isinstance(key, int) and key not in seen:
                count = len(spool.places(key))
                ledger.problem(
                    f"{path.name}, image {key}", f"{count} annotations are of no image of the file"
                )


def spool_lists(path: Path, spool: Spool, ledger: Ledger) -> tuple[Category, ...]:
    """Put images under "images", annotations under the ids of their images; returns the categories.

    Annotations that belong to no image, or repeat an id, are problems. Raises `InvalidValue` for a file without the
    three lists.
    """
    categories: list[dict[str, Any]] = []
    found: set[str] = set()
    ids = IdSet()
    for key, value in stream_lists(path, ("images", "annotations", "categories")):
        found.add(key)
        if key not in ("images", "annotations", "categories"):
            continue
        if not isinstance(value, dict):
            ledger.problem(f"{path.name}, {key}", f"need objects, got {str(value)[:60]}")
        elif key == "images":
            spool.add("images", json.dumps(value).encode())
        elif key == "categories":
            categories.append(value)
        elif type(value.get("image_id")) is not int:
            ledger.problem(annotation_name(path.name, value), "need an image_id that is a whole number")
        elif "id" in value and not ids.add(value["id"]):
            ledger.problem(annotation_name(path.name, value), "its id is another annotation's, too")
        else:
            spool.add(value["image_id"], json.dumps(value).encode())
    missing = [key for key in ("images", "annotations", "categories") if key not in found]
    if "images" in missing:  # empty lists yield nothing; a file without images is none of COCO's
        raise InvalidValue(f"{path}: need the COCO list images with at least one image, got none")
    return read_categories(path, categories, ledger)


class IdSet:
    """Which whole numbers were seen, in an eighth of a byte each where they are dense."""

    def __init__(self) -> None:
        self._bits = bytearray()
        self._others: set[Any] = set()

    def __contains__(self, number: Any) -> bool:
        if type(number) is not int or not 0 <= number < _LARGEST_DENSE:
            return repr(number) in self._others
        place = number >> 3
        return place < len(self._bits) and bool(self._bits[place] & 1 << (number & 7))

    def add(self, number: Any) -> bool:
        """Note a number (or any other id); False when it was there."""
        if type(number) is not int or not 0 <= number < _LARGEST_DENSE:
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


def read_categories(path: Path, found: Sequence[Mapping[str, Any]], ledger: Ledger) -> tuple[Category, ...]:
    """The categories of a COCO file; one whose id or name repeats is a problem, and left out."""
    kept: list[Category] = []

    def category_of(each: Mapping[str, Any]) -> Category:
        number = whole(each.get("id"), "id of the category")
        name = each.get("name")
        if not isinstance(name, str) or not name:
            raise BadRecord(f"need a name, got {name!r}")
        if any(other.id == number or other.name == name for other in kept):
            raise BadRecord(f"need an id and a name of its own, {name!r} or its id is there already")
        return Category(number, name, thing=bool(each.get("isthing", 1)))

    for each in found:
        category = ledger.attempt(f"{path.name}, category {each.get('id')!r}", partial(category_of, each))
        if category is not None:
            kept.append(category)
    return tuple(kept)


def whole(value: object, what: str) -> int:
    """``value`` if it is a whole number, else `BadRecord`."""
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 1 << 62:
        raise BadRecord(f"need a whole number as {what}, got {value!r}")
    return value


def annotation_name(file: str, annotation: Mapping[str, Any]) -> str:
    """How an annotation is called in messages."""
    return f"{file}, annotation {annotation.get('id')!r}"


def with_picture(record: Record, told: Path | None, *folders: Path | None, ledger: Ledger) -> Record:
    """The record with its picture where that is found; a problem where ``--images`` says where, and it is not."""
    picture = find_picture(record.file_name, *folders)
    if picture is None and told is not None and record.frame is None:
        ledger.problem(
            record.file_name, f"the picture is missing from {told}; its objects are read all the same"
        )
    return replace(record, picture=picture)


def _record(
    image: Mapping[str, Any],
    annotations: Sequence[Mapping[str, Any]],
    categories: tuple[Category, ...],
    ledger: Ledger,
    *,
    where: str,
) -> Record:
    size = checked_size(image.get("height"), image.get("width"))
    file_name = safe_name(image.get("file_name"))
    instances, crowd = objects_of(annotations, categories, size, ledger, where=where)
    frame, time = image.get("frame_index"), image.get("time_seconds")
    if frame is not None and whole(frame, "frame_index") < 0:
        raise BadRecord(f"need a frame_index from 0 on, got {frame}")
    video = ""
    if frame is not None:
        video = str(
            image.get("video") or PurePosixPath(file_name).parent.name or PurePosixPath(file_name).stem
        )
    return Record(
        file_name=file_name,
        instances=instances,
        crowd=crowd,
        categories=categories,
        video=video,
        frame=frame,
        time=_seconds(time),
    )


def objects_of(
    annotations: Sequence[Mapping[str, Any]],
    categories: tuple[Category, ...],
    size: Size,
    ledger: Ledger,
    *,
    where: str,
) -> tuple[Instances, np.ndarray[Any, np.dtype[np.bool_]]]:
    """The objects of one image and which are crowds; an annotation that is broken is a problem, and left out."""
    index = {category.id: row for row, category in enumerate(categories)}
    masks, boxes, rows, scores, tracks, crowd = [], [], [], [], [], []
    for each in annotations:
        name = annotation_name(where, each)
        try:
            category = index.get(whole(each.get("category_id"), "category_id"))
            if category is None:
                raise BadRecord(f"need a category of the file, got {each.get('category_id')!r}")
            mask = _mask(each.get("segmentation"), size)
            box = _box(each.get("bbox"), mask)
            score, track = _number(each.get("score"), 1.0), each.get("track_id")
            if type(track) is int:
                whole(track, "track_id")
            if not 0 <= score <= 1:
                raise BadRecord(f"need a score of 0 to 1, got {score}")
        except (MaskWeaveError, TypeError, ValueError, KeyError, OverflowError) as error:
            ledger.problem(name, _reason(error))
            continue
        masks.append(mask)
        boxes.append(box)
        rows.append(category)
        scores.append(score)
        tracks.append(track)
        crowd.append(bool(each.get("iscrowd", 0)))
    tracked = bool(tracks) and all(type(track) is int for track in tracks)
    instances = Instances(
        masks=concatenate(masks) if masks else Masks.empty(size),
        boxes=np.array(boxes, dtype=np.float64).reshape(-1, 4),
        scores=np.array(scores, dtype=np.float64),
        class_ids=np.array(rows, dtype=np.int64),
        class_names=tuple(category.name for category in categories),
        track_ids=np.array(tracks, dtype=np.int64) if tracked else None,
    )
    return instances, np.array(crowd, dtype=np.bool_)


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, MaskWeaveError) else f"damaged ({type(error).__name__}: {error})"


def _mask(segmentation: Any, size: Size) -> Masks:
    """One object's mask; without pixels where only its box is known."""
    if not segmentation:
        return Masks([np.zeros((0, 0), dtype=bool)], [(0, 0)], size)
    if not isinstance(segmentation, dict | list):
        raise BadRecord(f"need run lengths or polygons, got {str(segmentation)[:60]!r}")
    if isinstance(segmentation, dict) and not {"size", "counts"} <= set(segmentation):
        raise BadRecord("need run lengths with size and counts, one is missing")
    return segmentation_to_masks(segmentation, size)


def _box(box: Any, mask: Masks) -> list[float]:
    """x1 y1 x2 y2: as told, else round the pixels."""
    if box is None:
        return [float(edge) for edge in mask.boxes[0]]
    x, y, width, height = (_number(edge, 0.0) for edge in box)
    if width < 0 or height < 0:
        raise BadRecord(f"need a box of x, y, width, height, got {box}")
    return [x, y, x + width, y + height]


def _seconds(value: Any) -> float | None:
    """A time, None where it is none."""
    try:
        return None if value is None else _number(value, 0.0)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadRecord(f"need time_seconds as a number, got {str(value)[:60]}") from error


def _number(value: Any, default: float) -> float:
    number = default if value is None else float(value)
    if not np.isfinite(number):
        raise BadRecord(f"need finite numbers, got {value}")
    return number


@contextmanager
def write(path: Path, options: Options, ledger: Ledger) -> Iterator[Put]:
    """Write images and annotations as they come; categories keep the ids that they came with."""
    classes = ClassNumbers(keep=True, first=FIRST_FREE_ID, fixed=COCO_IDS)
    with (
        atomic_file(path, only_ours=True) as part,
        part.open("w", encoding="utf-8") as file,
        Spool(path.parent) as spool,
    ):
        document = CocoDocument(file, spool, info=converted_info())
        count = 0

        def put(record: Record) -> None:
            nonlocal count
            classes.learn(record)
            entry = image_entry(record, count + 1)
            found = annotations_of(record, classes, options, ledger, image_id=count + 1)
            document.add(entry, found)
            count += 1

        yield put
        document.finish([{"id": each.id, "name": each.name, "supercategory": ""} for each in classes])


def image_entry(record: Record, image_id: int) -> dict[str, Any]:
    """What the list ``images`` says of a record."""
    height, width = record.size
    entry: dict[str, Any] = {"id": image_id, "file_name": record.file_name, "height": height, "width": width}
    if record.frame is not None:
        entry |= {"video": record.video, "frame_index": record.frame}
    if record.time is not None:
        entry["time_seconds"] = record.time
    return entry


def annotations_of(
    record: Record, classes: ClassNumbers, options: Options, ledger: Ledger, *, image_id: int
) -> list[dict[str, Any]]:
    """The annotations of a record: COCO results with exact boxes and scores, masks in the style asked for."""
    instances = record.instances
    ids = [classes[name] for name in instances.class_names]
    found = coco_results(instances, image_id=image_id, ids=ids)
    boxes = instances.boxes.copy()
    boxes[:, 2:] -= boxes[:, :2]
    lines = outlines(instances.masks, options, ledger) if options.masks == "polygons" else None
    for row, (each, box, score) in enumerate(
        zip(found, boxes.tolist(), instances.scores.tolist(), strict=True)
    ):
        each |= {"bbox": box, "iscrowd": int(record.crowds[row]), "score": score}
        if score == 1:
            del each["score"]
        if not each["area"]:
            each["segmentation"] = []
        elif lines is not None and not (polygons := lines[row]).has_holes:
            each["segmentation"] = [ring.ravel().tolist() for ring in polygons.exteriors]
    return found


FORMAT = Format(
    name="coco",
    title="COCO instances",
    layout="one `.json`",
    keeps=KEEPS,
    recognise=recognise,
    read=read,
    write=write,
)

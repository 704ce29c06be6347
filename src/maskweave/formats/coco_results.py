"""COCO results: a list of found objects with scores, by image id.

Images and categories stand in another file: ``--truth`` names it. Without it a result's image is called by its id
and is as large as its run lengths say, and categories have COCO's own names. Source: https://cocodataset.org/#format-results.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from maskweave.errors import BadRecord, InvalidValue
from maskweave.formats.base import Format, Options, Put
from maskweave.formats.classes import ClassNumbers
from maskweave.formats.coco import annotations_of, objects_of, read_categories, with_picture
from maskweave.formats.json_stream import json_ends, stream_lists
from maskweave.formats.ledger import Ledger
from maskweave.formats.places import checked_size, safe_name
from maskweave.formats.record import Category, Record
from maskweave.ops.coco_names import COCO_IDS, FIRST_FREE_ID
from maskweave.outputs.files import atomic_file
from maskweave.outputs.spool import Spool


def recognise(path: Path) -> str | None:
    """A JSON list of objects with image_id and category_id."""
    text = json_ends(path)
    found = text.lstrip().startswith("[") and '"image_id"' in text and '"category_id"' in text
    return "a JSON list of results with image_id and category_id" if found else None


def read(path: Path, options: Options, ledger: Ledger) -> Iterator[Record]:
    """Yield a record for each image of the truth, or, without one, for each that results name."""
    with Spool() as results, Spool() as images:
        names: dict[int, None] = {}
        for number, (_, value) in enumerate(stream_lists(path, ()), start=1):
            where = f"{path.name}, result {number}"
            if not isinstance(value, dict) or type(value.get("image_id")) is not int:
                ledger.problem(where, "need an object with an image_id that is a whole number")
            else:
                category = value.get("category_id", 0)
                if type(category) is int:
                    names[category] = None
                results.add(value["image_id"], json.dumps({"id": number, **value}).encode())
        if options.truth is None:
            ids, categories = [key for key in results if isinstance(key, int)], _named(list(names))
        else:
            ids, categories = _truth(options.truth, images, ledger)
        known = set(ids)
        for key in results:
            if key not in known:
                ledger.problem(f"{path.name}, image {key}", "results are of no image of the truth")
        for image_id in ids:
            found = [json.loads(results.read(place)) for place in results.places(image_id)]
            image = json.loads(images.read(images.places(image_id)[0])) if options.truth else None
            where = f"{path.name}, image {image_id}"
            record = ledger.attempt(
                where, partial(_record, image_id, image, found, categories, ledger, path.name)
            )
            if record is not None:
                yield with_picture(record, options.images, options.images, path.parent, ledger=ledger)
        if not ids:
            raise InvalidValue(f"{path}: need a list of results with image_id, got none")


def _named(ids: list[int]) -> tuple[Category, ...]:
    """Categories by COCO's names; others are called by their ids."""
    names = {number: name for name, number in COCO_IDS.items()}
    return tuple(Category(each, names.get(each, f"category {each}")) for each in ids)


def _truth(path: Path, images: Spool, ledger: Ledger) -> tuple[list[int], tuple[Category, ...]]:
    """The ids of a COCO file's images, whose entries are spooled, and its categories."""
    ids: list[int] = []
    categories: list[dict[str, Any]] = []
    for key, value in stream_lists(path, ("images", "annotations", "categories")):
        if key == "images" and isinstance(value, dict) and type(value.get("id")) is int:
            ids.append(value["id"])
            images.add(value["id"], json.dumps(value).encode())
        elif key == "categories" and isinstance(value, dict):
            categories.append(value)
    return list(dict.fromkeys(ids)), read_categories(path, categories, ledger)


def _record(
    image_id: int,
    image: Mapping[str, Any] | None,
    found: list[dict[str, Any]],
    categories: tuple[Category, ...],
    ledger: Ledger,
    where: str,
) -> Record:
    if image is not None:
        name, size = safe_name(image.get("file_name")), checked_size(image.get("height"), image.get("width"))
    else:
        told: dict[str, Any] = next(
            (each["segmentation"] for each in found if isinstance(each.get("segmentation"), dict)), {}
        )
        if not isinstance(told.get("size"), list) or len(told["size"]) != 2:
            raise BadRecord("need run lengths with a size, or the image's size from --truth")
        name, size = f"{image_id}.jpg", checked_size(*told["size"])
    instances, crowd = objects_of(found, categories, size, ledger, where=where)
    return Record(name, instances, crowd=crowd, categories=categories)


@contextmanager
def write(path: Path, options: Options, ledger: Ledger) -> Iterator[Put]:
    """Write results as they come; images have ids from 1, and categories those that they came with.

    With ``--truth`` both have the ids that file gives their names.
    """
    classes = ClassNumbers(keep=True, first=FIRST_FREE_ID, fixed=COCO_IDS)
    ids = None
    if options.truth is not None:
        ids, own = _ids_of_names(options.truth)
        classes = ClassNumbers(keep=False, first=FIRST_FREE_ID, fixed=own)
    with atomic_file(path, only_ours=True) as part, part.open("w", encoding="utf-8") as file:
        file.write("[")
        count, separator = 0, "\n"

        def put(record: Record) -> None:
            nonlocal count, separator
            if ids is not None and record.file_name not in ids:
                raise BadRecord(f"need an image of {options.truth}, got one that it does not name")
            classes.learn(record)
            image_id = count + 1 if ids is None else ids[record.file_name]
            if ids is None:
                renamed = [name for name in record.instances.names if COCO_IDS.get(name) != classes[name]]
                ledger.lost("classes", len(renamed))
            found = annotations_of(record, classes, options, ledger, image_id=image_id)
            for each, score in zip(found, record.instances.scores.tolist(), strict=True):
                file.write(separator + json.dumps({**each, "score": score}))
                separator = ",\n"
            count += 1

        yield put
        file.write("\n]\n")


def _ids_of_names(path: Path) -> tuple[dict[str, int], dict[str, int]]:
    """The ids that a COCO file gives images by file name, and categories by name."""
    images: dict[str, int] = {}
    categories: dict[str, int] = {}
    for key, value in stream_lists(path, ("images", "annotations", "categories")):
        if not isinstance(value, dict) or type(value.get("id")) is not int:
            continue
        if key == "images":
            images[str(value.get("file_name"))] = value["id"]
        elif key == "categories":
            categories[str(value.get("name"))] = value["id"]
    return images, categories


FORMAT = Format(
    name="coco-results",
    title="COCO results",
    layout="one `.json`",
    keeps=frozenset({"overlaps", "holes", "parts", "boxes", "scores", "tracks", "crowd", "category ids"}),
    recognise=recognise,
    read=read,
    write=write,
    note="sizes; names, but by the file with the images (`--truth`)",
)

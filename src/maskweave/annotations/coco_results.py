"""COCO results: a list of found objects with scores, by image id.

Images and categories stand in another file: ``--truth`` names it. Without it a result's image is called by its id
and is as large as its run lengths say, and categories have COCO's own names. Source: https://cocodataset.org/#format-results.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from maskweave.annotations.base import Format, Put
from maskweave.annotations.classes import ClassNumbers
from maskweave.annotations.coco import annotations_of
from maskweave.annotations.coco_reading import (
    LISTS,
    annotation_name,
    frame_of,
    image_name,
    objects_of,
    read_categories,
)
from maskweave.annotations.json_stream import json_outline, stream_lists, stream_objects
from maskweave.annotations.options import Options
from maskweave.annotations.places import image_file, own_name, sized
from maskweave.annotations.record import Record
from maskweave.annotations.report import Report
from maskweave.annotations.text_files import JsonList, text_file
from maskweave.annotations.values import Id, identifier, shown
from maskweave.errors import BadRecord, InvalidValue
from maskweave.ops.coco_names import COCO_IDS, FIRST_FREE_ID
from maskweave.spool import Spool


def detect(path: Path) -> str | None:
    """A JSON list of objects with image_id and category_id."""
    first = json_outline(path).inner.get("")
    if first is not None and not first:
        return "an empty JSON list"
    found = first is not None and first >= {"image_id", "category_id"}
    return "a JSON list of results with image_id and category_id" if found else None


def read(path: Path, options: Options, report: Report) -> Iterator[Record]:
    """Yield a record for each image of the truth, or, without one, for each that results name."""
    truth: TruthImages | _Named | None = None if options.truth is None else TruthImages(options.truth)
    with Spool() as results:
        files: dict[Id, str] = {}
        used: dict[Id, int] = {}
        known = None if truth is None else truth.classes.rows
        for count, (key, value) in enumerate(stream_lists(path, ()), start=1):
            if key:
                raise InvalidValue(f"{path}: need a JSON list of results, got an object with {shown(key)}")
            where = f"{path.name}, result {count}"
            report.attempt(where, partial(_spool_one, value, count, results, files, used, known))
        for category, count in used.items():
            if known is not None and category not in known:
                report.problem(
                    f"{path.name}, category {category}", f"is not in the truth; {_left_out(count)} left out"
                )
        truth = truth or _Named(used)
        wanted = _matched(results, files, truth, report, path.name)
        for image_id in truth.entries or wanted:
            places = [place for key in wanted.get(image_id, ()) for place in results.places(key)]
            found = [json.loads(results.read(place)) for place in places]
            where = f"{path.name}, image {image_id}"
            yield from report.made(where, partial(_record, image_id, truth, found, options, report, path))
        if not wanted and options.truth is None:
            raise InvalidValue(f"{path}: need a list of results with image_id, got none")


def _spool_one(
    value: Any,
    count: int,
    results: Spool,
    files: dict[Id, str],
    used: dict[Id, int],
    known: Collection[Id] | None,
) -> None:
    if not isinstance(value, dict):
        raise BadRecord(f"need an object with image_id and category_id, got {shown(value)}")
    key = identifier(value.get("image_id"), "image_id")
    category = identifier(value.get("category_id"), "category_id")
    used[category] = used.get(category, 0) + 1
    if known is not None and category not in known:
        return
    if isinstance(value.get("file_name"), str):
        files[key] = value["file_name"]
    results.add(key, json.dumps({**value, "id": count}).encode())


class TruthImages:
    """The images and categories of a COCO file, without its annotations.

    Attributes:
        entries: What the file says of each image, by id.
        classes: Its classes.
    """

    def __init__(self, path: Path) -> None:
        self.entries: dict[Id, Mapping[str, Any]] = {}
        categories: list[dict[str, Any]] = []
        quiet = Report()  # what is broken in the truth is named where the truth is read
        for key, value in stream_objects(path, LISTS, quiet):
            if key == "images":
                with quiet.record("image"):
                    own_name(image_name(value))
                    entry = _short(value) | {"file_name": image_name(value)}
                    self.entries.setdefault(identifier(value.get("id"), "id of the image"), entry)
            elif key == "categories":
                categories.append(value)
        self.classes = read_categories(path.name, categories, quiet)
        names = [(str(entry.get("file_name")), key) for key, entry in self.entries.items()]
        self._by_name = unique_names(names)
        self._by_stem = unique_names([(PurePosixPath(name).stem, key) for name, key in names])

    def id_of(self, key: Id, file_name: str | None) -> Id | None:
        """The image that a result means by its id, by its file name, or, as some tools do, by the name's stem."""
        if key in self.entries:
            return key
        named = self._by_name.get(file_name) if file_name else None
        return self._by_stem.get(str(key)) if named is None else named


class _Named:
    """In place of a truth: images are called by their ids, and categories have COCO's names where they have any."""

    def __init__(self, used: Iterable[Id]) -> None:
        names = {number: name for name, number in COCO_IDS.items()}
        found = [
            {"id": each, "name": names.get(each, f"category {each}") if isinstance(each, int) else each}
            for each in used
        ]
        self.entries: dict[Id, Mapping[str, Any]] = {}
        self.classes = read_categories("results", found, Report(strict=True))

    def id_of(self, key: Id, file_name: str | None) -> Id | None:
        """Every image is known."""
        return key


def _short(image: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("file_name", "height", "width", "frame_index", "time_seconds", "video", "source")
    return {key: image[key] for key in kept if key in image}


_Value = TypeVar("_Value")


def unique_names(named: Iterable[tuple[str, _Value]]) -> dict[str, _Value]:
    """What is named by its name, but for names that several have."""
    found: dict[str, _Value | None] = {}
    for name, value in named:
        found[name] = None if name in found else value
    return {name: value for name, value in found.items() if value is not None}


def _matched(
    results: Spool, files: Mapping[Id, str], truth: TruthImages | _Named, report: Report, name: str
) -> dict[Id, list[Id]]:
    """The keys of the results of each image of the truth; others are problems, one for an image."""
    wanted: dict[Id, list[Id]] = {}
    for key in results:
        if not isinstance(key, int | str):
            continue
        meant = truth.id_of(key, files.get(key))
        if meant is None:
            count = len(results.places(key))
            report.problem(f"{name}, image {key}", f"is not in the truth; {_left_out(count)} left out")
        else:
            wanted.setdefault(meant, []).append(key)
    return wanted


def _left_out(count: int) -> str:
    return "it is" if count == 1 else f"its {count:,} results are"


def _record(
    image_id: Id,
    truth: TruthImages | _Named,
    found: Sequence[Mapping[str, Any]],
    options: Options,
    report: Report,
    path: Path,
) -> Record:
    image = truth.entries.get(image_id)
    if image is None:
        sizes = (
            each["segmentation"].get("size") for each in found if isinstance(each.get("segmentation"), dict)
        )
        stated = next((each for each in sizes if isinstance(each, list) and len(each) == 2), None)
        if stated is None:
            raise BadRecord("need run lengths with a size, or the image's size from --truth")
        image = {"file_name": f"{image_id}.jpg", "height": stated[0], "width": stated[1]}
    named, file = image_file(image.get("file_name"), options, path.parent, report=report)
    size = sized(image.get("height"), image.get("width"), file)
    scored = [_scored(each, report, path.name) for each in found]
    columns = objects_of(
        [each for each in scored if each], truth.classes, size, report, where=path.name, called="result"
    )
    return Record(
        named,
        **columns,
        **frame_of(image, named),
        categories=truth.classes.categories,
        image=file,
        image_id=image_id,
        source=str(image.get("source") or ""),
    )


def _scored(result: Mapping[str, Any], report: Report, name: str) -> Mapping[str, Any] | None:
    """The result where it has a score, which no result goes without; else None, and a problem."""
    if result.get("score") is None:
        report.problem(annotation_name(name, result, "result"), "need the key 'score', it is missing")
        return None
    return result


@contextmanager
def write(path: Path, options: Options, report: Report) -> Iterator[Put]:
    """Write results as they come; images have ids from 1, and categories those that they came with.

    With ``--truth`` both have the ids that file gives their names.
    """
    classes = ClassNumbers(keep=True, first=FIRST_FREE_ID, fixed=COCO_IDS)
    ids = None
    if options.truth is not None:
        truth = TruthImages(options.truth)
        ids = {str(entry.get("file_name")): key for key, entry in truth.entries.items()}
        own = {each.name: each.id for each in truth.classes.categories}
        classes = ClassNumbers(keep=False, first=FIRST_FREE_ID, fixed=own)
    with text_file(path, options) as file:
        written = JsonList(file, begin="[")
        count = 0

        def put(record: Record) -> None:
            nonlocal count
            if ids is not None and record.file_name not in ids:
                raise BadRecord(f"need an image of {options.truth}, got one that it does not name")
            classes.learn(record)
            image_id: Id = count + 1 if ids is None else ids[record.file_name]
            if ids is None:
                renamed = [name for name in record.instances.names if COCO_IDS.get(name) != classes[name]]
                report.lost("classes", len(renamed))
            found = annotations_of(record, classes, options, report)
            for each, score in zip(found, record.instances.scores.tolist(), strict=True):
                written.add({**each, "image_id": image_id, "score": score}, marked=True)
            count += 1

        yield put
        written.finish("\n")


FORMAT = Format(
    name="coco-results",
    title="COCO results",
    layout="one `.json`",
    holds=frozenset({"overlaps", "holes", "parts", "boxes", "scores", "tracks", "crowd", "category ids"}),
    detect=detect,
    read=read,
    write=write,
    suffix=".results.json",
    media_type="application/json",
    note="sizes; names, but by the file with the images (`--truth`)",
)

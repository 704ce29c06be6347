"""A worker's part in correcting data sets: read label files out of a zip, and write corrected objects back.

Images are not sent: in the place of each lies a file of a few bytes with its size, so that the readers find all that
they need. What a data set names outside of itself is not looked at.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile

import numpy as np

from maskweave.annotations.coco import detect
from maskweave.annotations.convert import convert, reader_of
from maskweave.annotations.data_yaml import read_data_yaml
from maskweave.annotations.options import Options
from maskweave.annotations.places import safe_name
from maskweave.annotations.record import Record
from maskweave.annotations.report import Report
from maskweave.annotations.revision import Revision, revise
from maskweave.annotations.table import format_named, formats, save_names
from maskweave.errors import BadRecord, InvalidValue, MaskWeaveError
from maskweave.ops.rle import decode_masks, encode_masks
from maskweave.serving.archives import one_file
from maskweave.serving.media import media_type
from maskweave.serving.workers import Message
from maskweave.types.arrays import Size
from maskweave.types.instances import Instances

Notify = Callable[[Message], None]

_MAX_BYTES = 512_000_000
"""Of all label files, unpacked."""
_MAX_FILES = 200_000


def read_labels(work: Message, notify: Notify) -> Message:
    """Write the objects of a data set, by image, as JSON; see `schemas.DatasetContent`."""
    with_images = _Dataset.unpacked(work)
    images, names = [], dict[str, None]()
    for found in with_images.records():
        names |= dict.fromkeys(found.record.instances.class_names)
        images.append(
            {
                "name": found.name,
                "source": found.source.label,
                "size": list(found.record.size),
                "objects": _objects(found.record),
            }
        )
    document = {
        "formats": sorted({each.form for each in with_images.sources}),
        "class_names": list(names),
        "images": images,
        "problems": with_images.problems,
    }
    Path(work["answer"]).write_text(json.dumps(document))
    return {"media_type": "application/json"}


def revise_labels(work: Message, notify: Notify) -> Message:
    """Write the label files of a data set as a zip, with the corrected objects in them."""
    dataset = _Dataset.unpacked(work)
    wanted = {(each["source"], each["name"]): each["objects"] for each in work["revisions"]}
    if len(wanted) < len(work["revisions"]):
        raise InvalidValue("revisions: need each image of a file once, got one twice")
    revisions: dict[str, list[Revision]] = {}
    for found in dataset.records():
        objects = wanted.pop((found.source.label, found.name), None)
        if objects is not None:
            revisions.setdefault(found.source.label, []).append(_revision(found.record, objects))
    for source, name in wanted:
        raise InvalidValue(f"revisions: need images of the data set, {source} has none called {name}")
    for source in dataset.sources:
        if source.label in revisions:
            revise(source.path, source.form, revisions[source.label])
    _pack(dataset.root, dataset.labels | dataset.new_labels(), Path(work["answer"]))
    return {"media_type": "application/zip"}


def formats_of_sets() -> dict[str, str]:
    """What can be made of the labels of several images, by the names of ``save``; values are formats."""
    named = {form: name for name, form in save_names().items()}
    return {named[each.name]: each.name for each in formats() if each.stills and each.name in named}


def export_labels(work: Message, notify: Notify) -> Message:
    """Write all objects of a data set as one file or one set of another format."""
    known = formats_of_sets()
    if work["format"] not in known:
        raise InvalidValue(f"format: need one of {', '.join(known)}, got {work['format']!r}")
    dataset = _Dataset.unpacked(work)
    source, *more = dataset.sources
    if more:
        raise InvalidValue(f"labels: need one file of labels, got {len(dataset.sources)}")
    form = format_named(known[work["format"]])
    target = Path(work["folder"]) / f"images{form.suffix or '.' + work['format']}"
    convert(
        source.path,
        target,
        to=form.name,
        format_name=source.form,
        options=Options(images=dataset.root),
        report=Report(),
    )
    path = one_file(target)
    return {"name": path.name, "media_type": media_type(path.name)}


@dataclass(frozen=True)
class _Source:
    """A file that says which objects there are: its format, and how it is called in the data set."""

    form: str
    path: Path
    label: str


@dataclass(frozen=True)
class _Found:
    """A record of a file, and the image that it is of."""

    source: _Source
    name: str
    record: Record


@dataclass
class _Dataset:
    """Label files and stand-ins of images in a folder; ``problems``: what of it could not be read."""

    root: Path
    labels: set[str]
    sizes: dict[str, Size]
    sources: list[_Source] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @classmethod
    def unpacked(cls, work: Message) -> _Dataset:
        """Unpack what a request brought; raises `InvalidValue` for what is no data set of a known format."""
        root = Path(work["folder"]) / "set"
        root.mkdir()
        dataset = cls(root.resolve(), set(_unpack(Path(work["file"]), root)), {})
        for image in work["images"]:
            name = _checked(image["name"], "images")
            path = root / name
            if name in dataset.labels or path.exists():
                raise InvalidValue(f"images: need names of their own, {name} comes twice")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"P6 %d %d 255\n" % (image["width"], image["height"]))
            dataset.sizes[name] = (image["height"], image["width"])
        dataset.sources = list(dataset._find_sources())
        if not dataset.sources:
            why = f" ({dataset.problems[0]})" if dataset.problems else ""
            raise InvalidValue(
                f"labels: need COCO's JSON or a data.yaml of the YOLO layout, found neither{why}"
            )
        return dataset

    def records(self) -> Iterator[_Found]:
        """All records of images that are there, in the order of the files; what is wrong goes to the problems."""
        by_end: dict[str, list[str]] = {}
        for name in self.sizes:
            by_end.setdefault(PurePosixPath(name).name, []).append(name)
        for source in self.sources:
            report = Report(show=self._note)
            read = reader_of(format_named(source.form), source.path)
            try:
                for record in read(source.path, Options(), report):
                    found = self._found(source, record, by_end)
                    if found is not None:
                        yield found
            except MaskWeaveError as error:
                self._note(str(error))

    def new_labels(self) -> set[str]:
        """Label files that were written where there were none."""
        files = (path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if path.is_file())
        return {name for name in files if name not in self.sizes}

    def _found(self, source: _Source, record: Record, by_end: dict[str, list[str]]) -> _Found | None:
        name = self._image_of(record, by_end)
        if name is None:
            self._note(f"{record.file_name}: the image is not among those that were brought")
            return None
        height, width = self.sizes[name]
        if record.size != (height, width):
            self._note(
                f"{record.file_name}: the labels are of {record.size[1]} x {record.size[0]} pixels, the image is of "
                f"{width} x {height}; it is left as it is"
            )
            return None
        return _Found(source, name, record)

    def _image_of(self, record: Record, by_end: dict[str, list[str]]) -> str | None:
        """The name of a record's image: where the format says, or else the only one with that end of its path."""
        if record.image is not None:
            place = Path(os.path.normpath(record.image))
            if place.is_relative_to(self.root) and place.relative_to(self.root).as_posix() in self.sizes:
                return place.relative_to(self.root).as_posix()
        path = PurePosixPath(record.file_name)
        same_name = by_end.get(path.name, [])
        same_path = [name for name in same_name if f"/{name}".endswith(f"/{path}")]
        fitting = same_path or same_name
        return fitting[0] if len(fitting) == 1 else None

    def _find_sources(self) -> Iterator[_Source]:
        for name in sorted(self.labels):
            path = self.root / name
            if path.suffix.lower() == ".json" and detect(path) is not None:
                yield _Source("coco", path, name)
            elif path.suffix.lower() in (".yaml", ".yml"):
                try:
                    self._check_inside(path)
                except MaskWeaveError as error:
                    self._note(str(error))
                else:
                    yield _Source("yolo", path, name)

    def _check_inside(self, path: Path) -> None:
        """Raise `InvalidValue` where a data.yaml names a place outside of the data set."""
        data = read_data_yaml(path)
        for entry in (entry for part in data.entries.values() for entry in part):
            places = (data.root / entry, data.root / entry.removeprefix("../"))
            if not any(Path(os.path.normpath(place)).is_relative_to(self.root) for place in places):
                raise InvalidValue(f"{path.name}: need places within the data set, got {entry[:100]}")
        if not data.root.is_relative_to(self.root):
            raise InvalidValue(
                f"{path.name}: need a `path` within the data set; take that line out of the file"
            )

    def _note(self, line: str) -> None:
        self.problems.append(line.replace(f"{self.root}/", "").replace(str(self.root), "the data set"))


def _unpack(archive: Path, root: Path) -> Iterator[str]:
    """Write the files of a zip into a folder; yields their names."""
    left = _MAX_BYTES
    try:
        with ZipFile(archive) as packed:
            entries = [entry for entry in packed.infolist() if not entry.is_dir()]
            if len(entries) > _MAX_FILES:
                raise InvalidValue(f"labels: need at most {_MAX_FILES:,} files, got {len(entries):,}")
            for entry in entries:
                name = _checked(entry.filename, "labels")
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with packed.open(entry) as source, path.open("xb") as file:
                    while piece := source.read(1 << 20):
                        left -= len(piece)
                        if left < 0:
                            raise InvalidValue(
                                f"labels: need at most {_MAX_BYTES / 1e6:g} MB unpacked, got more"
                            )
                        file.write(piece)
                yield name
    except (BadZipFile, OSError, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        if isinstance(error, MaskWeaveError):
            raise
        raise InvalidValue(f"labels: need a whole zip of files with names of their own ({error})") from error


def _checked(name: str, what: str) -> str:
    """A file name that stays in the data set; raises `InvalidValue` for another."""
    try:
        return safe_name(name)
    except BadRecord as error:
        raise InvalidValue(f"{what}: {error}") from error


def _pack(root: Path, names: set[str], archive: Path) -> None:
    with ZipFile(archive, "w", ZIP_DEFLATED) as packed:
        for name in sorted(names):
            packed.write(root / name, name)


def _objects(record: Record) -> list[Message]:
    instances = record.instances
    columns = zip(
        instances.names,
        instances.scores.tolist(),
        record.crowds.tolist(),
        instances.masks.areas.tolist(),
        instances.boxes.tolist(),
        encode_masks(instances.masks),
        strict=True,
    )
    return [
        {
            "row": row,
            "class": name,
            "score": score if record.scored and score != 1 else None,  # a person is sure, a model never is
            "crowd": crowd,
            "area": area,
            "box": box,
            "rle": rle,
        }
        for row, (name, score, crowd, area, box, rle) in enumerate(columns)
    ]


def _revision(record: Record, objects: Sequence[dict[str, Any]]) -> Revision:
    masks = decode_masks([each["rle"] for each in objects], record.size)
    names = tuple(dict.fromkeys(each["class"] for each in objects))
    instances = Instances(
        masks,
        masks.boxes,
        np.ones(len(objects)),
        np.array([names.index(each["class"]) for each in objects], dtype=np.int64),
        names,
    )
    rows = np.array([-1 if each["row"] is None else each["row"] for each in objects], dtype=np.int64)
    return Revision(record, instances, rows)

"""The YOLO segmentation layout: ``data.yaml``, ``labels/…txt``, ``images/…`` (see `maskweave.sources.yolo_layout`).

A line has one ring, so the parts and holes of an object are joined by seams without width: filled by the even-odd
rule, the ring gives the mask back to the last pixel.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from maskweave.errors import BadRecord, InvalidValue
from maskweave.formats.base import Format, Options, Put
from maskweave.formats.classes import ClassNumbers
from maskweave.formats.ledger import Ledger
from maskweave.formats.outlines import outlines
from maskweave.formats.places import new_file, picture_of_stem, put_picture
from maskweave.formats.record import Category, Record
from maskweave.ops.polygons import Polygon, fill_polygons
from maskweave.ops.seams import joined_ring
from maskweave.ops.unite import unite
from maskweave.outputs.files import atomic_folder
from maskweave.sources.images import picture_size
from maskweave.sources.walk import files_below
from maskweave.sources.yolo_layout import (
    PARTS,
    DataYaml,
    is_data_yaml,
    label_numbers,
    label_path,
    part_entries,
    read_data_yaml,
)
from maskweave.types.arrays import FloatArray, Size
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks, concatenate


def recognise(path: Path) -> str | None:
    """A ``data.yaml``, or a folder that has one."""
    if path.is_file() and is_data_yaml(path):
        return "a YAML file of the YOLO layout"
    return "a folder with a data.yaml" if (path / "data.yaml").is_file() else None


def read(path: Path, options: Options, ledger: Ledger) -> Iterator[Record]:
    """Yield a record for each image of all parts; with ``--images`` for each label file."""
    data = read_data_yaml(path / "data.yaml" if path.is_dir() else path)
    if not data.root.is_relative_to(data.path.resolve().parent):
        raise InvalidValue(
            f"{data.path}: its path leads to {data.root}, out of its folder, which is not followed; "
            "put the file into the folder of the data set"
        )
    pairs = _by_labels(data, options.images, ledger) if options.images else _by_images(data, ledger)
    found = False
    for name, image, label in pairs:
        found = True
        record = ledger.attempt(name, partial(_record, name, image, label, data, ledger))
        if record is not None:
            yield record
    if not found:
        raise InvalidValue(
            f"{data.path}: has no images, and without them outlines have no pixels; say where they are with --images"
        )


def _by_images(data: DataYaml, ledger: Ledger) -> Iterator[tuple[str, Path, Path]]:
    seen: set[str] = set()
    for part in PARTS:
        if seen >= set(data.entries.get(part, ())):
            continue  # also a part that it does not have
        seen.update(data.entries[part])
        for entry in part_entries(data, data.root, part):
            for image in entry:
                if not Path(os.path.normpath(image)).is_relative_to(data.path.resolve().parent):
                    ledger.problem(str(image), f"leads out of the folder of {data.path.name}")
                elif os.path.isfile(image):  # noqa: PTH113 - pathlib raises for names that no file can have
                    yield _name_within(image, data.root), image, label_path(image)
                else:
                    ledger.problem(str(image), "the image is missing")


def _name_within(image: Path, root: Path) -> str:
    for folder in (root / "images", root):
        if image.is_relative_to(folder):
            return image.relative_to(folder).as_posix()
    return image.name


def _by_labels(data: DataYaml, images: Path, ledger: Ledger) -> Iterator[tuple[str, Path, Path]]:
    folder = data.root / "labels" if (data.root / "labels").is_dir() else data.root
    for label in files_below(folder, (".txt",)):
        stem = label.relative_to(folder).with_suffix("").as_posix()
        image = picture_of_stem(stem, images)
        if image is None:
            ledger.problem(f"{label.relative_to(data.root)}", f"its picture is missing from {images}")
        else:
            yield image.relative_to(images).as_posix(), image, label


def _record(name: str, image: Path, label: Path, data: DataYaml, ledger: Ledger) -> Record:
    size = picture_size(image)
    masks, boxes, class_ids = [], [], []
    for place, fields in _lines(label):
        try:
            class_id, values = label_numbers(fields, len(data.names))
        except InvalidValue as error:
            ledger.problem(f"{label.name}, line {place}", error)
            continue
        mask, box = _boxed(values, size) if len(values) == 4 else _outlined(values, size)
        masks.append(mask)
        boxes.append(box)
        class_ids.append(class_id)
    found = concatenate([Masks.empty(size), *masks])
    told = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    instances = Instances(
        masks=found,
        boxes=np.where(np.isnan(told), found.boxes, told),
        scores=np.ones(len(masks)),
        class_ids=np.array(class_ids, dtype=np.int64),
        class_names=data.names,
    )
    categories = tuple(Category(number, each) for number, each in enumerate(data.names))
    return Record(name, instances, categories=categories, picture=image)


def _lines(label: Path) -> Iterator[tuple[int, list[str]]]:
    if not label.is_file():
        return
    try:
        text = label.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadRecord(f"{label.name}: need text, got other data") from error
    for place, line in enumerate(text.splitlines(), start=1):
        if fields := line.split():
            yield place, fields


def _outlined(values: FloatArray, size: Size) -> tuple[Masks, list[float]]:
    """The mask; its box follows the pixels (NaN)."""
    points = values.reshape(-1, 2) * (size[1], size[0])
    return fill_polygons([Polygon(points)], size), [float("nan")] * 4


def _boxed(values: FloatArray, size: Size) -> tuple[Masks, list[float]]:
    """A box without a mask."""
    scale = np.array([size[1], size[0]])
    centre, half = values[:2] * scale, np.abs(values[2:]) * scale / 2
    return unite(Masks.empty(size)), [*(centre - half).tolist(), *(centre + half).tolist()]


@contextmanager
def write(path: Path, options: Options, ledger: Ledger) -> Iterator[Put]:
    """Write a label file for each record, empty ones too, and the ``data.yaml`` at the end."""
    classes = ClassNumbers(keep=False, first=0)
    with atomic_folder(path) as folder:
        for name in ("images", "labels"):
            (folder / name).mkdir()

        def put(record: Record) -> None:
            lines = _written(record, classes, options, ledger)
            label = new_file(folder / "labels", f"{record.stem}.txt")
            put_picture(record, folder / "images", options.pictures)
            label.write_text("".join(lines), encoding="ascii")

        yield put
        names = "".join(f"  {each.id}: {json.dumps(each.name, ensure_ascii=False)}\n" for each in classes)
        text = (
            f"# Written by MaskWeave\ntrain: images\nval: images\nnames:{' {}' if not names else ''}\n{names}"
        )
        (folder / "data.yaml").write_text(text, encoding="utf-8")


def _written(record: Record, classes: ClassNumbers, options: Options, ledger: Ledger) -> list[str]:
    classes.learn(record)
    scale = np.array([record.size[1], record.size[0]])
    lines = []
    drawn = outlines(record.instances.masks, options, ledger)
    for name, outline in zip(record.instances.names, drawn, strict=True):
        ring = joined_ring([ring for polygon in outline.polygons for ring in polygon.rings]) / scale
        numbers = " ".join(f"{each:.6f}".rstrip("0").rstrip(".") for each in ring.ravel().tolist())
        lines.append(f"{classes[name]} {numbers}\n")
    return lines


FORMAT = Format(
    name="yolo",
    title="YOLO segmentation",
    layout="a folder with `data.yaml`, `labels/`, `images/`",
    keeps=frozenset({"overlaps", "holes", "parts", "class names", "empty pictures", "file names"}),
    recognise=recognise,
    read=read,
    write=write,
    note="holes and parts are joined by seams; sizes, so that the pictures are needed to read it",
)

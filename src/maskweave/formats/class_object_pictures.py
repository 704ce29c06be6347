"""The layout that Pascal VOC and CVAT's mask export share: a picture of classes and one of objects a record.

``SegmentationClass/<stem>.png`` and ``SegmentationObject/<stem>.png``, with the classes of ``labelmap.txt`` (CVAT's:
a line ``name:r,g,b:parts:actions`` a class, background first) by number, and the names of all records in
``ImageSets/Segmentation/default.txt``. 0 is background, 255 is void.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskweave.errors import BadRecord, InvalidValue, SourceNotFound
from maskweave.formats.base import Options, Put
from maskweave.formats.classes import ClassNumbers
from maskweave.formats.id_pictures import flattened, objects_of_ids
from maskweave.formats.ledger import Ledger
from maskweave.formats.places import new_file, picture_of_stem, put_picture
from maskweave.formats.record import Category, Record
from maskweave.outputs.files import atomic_folder
from maskweave.sources.walk import files_below
from maskweave.types.arrays import IntArray, Size
from maskweave.types.instances import Instances
from maskweave.types.semantic import IGNORE, SemanticMap

VOID = 255
LARGEST = 254
_CLASS, _OBJECT, _LIST = "SegmentationClass", "SegmentationObject", "ImageSets/Segmentation/default.txt"
Colours = NDArray[np.uint8]
"""(256, 3) the colour of each number."""


@dataclass(frozen=True)
class Layout:
    """How a format of this layout codes numbers.

    ``decode``: (H, W) numbers of a picture, given the colours of numbers and the size it must have. ``encode``: the
    PNG. ``names``: the classes from number 1 on of a folder without ``labelmap.txt``.
    """

    decode: Callable[[Path, Colours, Size | None], IntArray]
    encode: Callable[[IntArray], bytes]
    palette: Callable[[], Colours]
    names: tuple[str, ...] = ()


def pictures_of(path: Path) -> Path | None:
    """The first picture of classes or objects in a folder of this layout."""
    for name in (_CLASS, _OBJECT):
        found = next(files_below(path / name, (".png",)), None)
        if found is not None:
            return found
    return None


def read_layout(path: Path, layout: Layout, options: Options, ledger: Ledger) -> Iterator[Record]:
    """Yield a record for each picture of classes, or of objects where there are no others."""
    names, colours = _classes(path, layout)
    folder = next((path / name for name in (_CLASS, _OBJECT) if (path / name).is_dir()), None)
    if folder is None:
        raise InvalidValue(f"{path}: need a folder {_CLASS} or {_OBJECT}, found none")
    for file in files_below(folder, (".png",)):
        stem = file.relative_to(folder).with_suffix("").as_posix()
        record = ledger.attempt(stem, partial(_record, path, stem, names, colours, layout, options))
        if record is not None:
            yield record


def _classes(path: Path, layout: Layout) -> tuple[tuple[str, ...], Colours]:
    """The classes by number, background first, and the colour of each number."""
    colours = layout.palette().copy()
    file = path / "labelmap.txt"
    if not file.is_file():
        return ("background", *layout.names), colours
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidValue(f"{file}: need a readable text file (UTF-8), got none ({error})") from error
    names: list[str] = []
    for line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        match = re.fullmatch(r"(.+?):(?:(\d{1,3}),(\d{1,3}),(\d{1,3}))?(?::.*)?", line.strip())
        if match is None or len(names) > LARGEST:
            raise InvalidValue(f"{file}: need up to {LARGEST} lines name:r,g,b::, got {line[:60]!r}")
        if match[2] is not None:
            colours[len(names)] = [min(int(each), 255) for each in match.groups()[1:4]]
        names.append(match[1])
    if not names or names[0] != "background":
        raise InvalidValue(
            f"{file}: need background as the first class, got {', '.join(names[:1]) or 'none'}"
        )
    return tuple(names), colours


def _record(
    path: Path, stem: str, names: tuple[str, ...], colours: Colours, layout: Layout, options: Options
) -> Record:
    objects = path / _OBJECT / f"{stem}.png"
    classes = path / _CLASS / f"{stem}.png"
    class_map = layout.decode(classes, colours, None) if (path / _CLASS).is_dir() else None
    if class_map is not None and ((class_map >= len(names)) & (class_map != VOID)).any():
        unknown = int(class_map[(class_map >= len(names)) & (class_map != VOID)][0])
        raise BadRecord(f"need classes 0 to {len(names) - 1} or {VOID}, got {unknown}")
    size: Size | None = None if class_map is None else (class_map.shape[0], class_map.shape[1])
    ids = _ids(objects, class_map, layout, size)
    numbers, masks = objects_of_ids(ids, without=(0, VOID))
    found = []
    for crop, x, y in masks.placed():
        part = None if class_map is None else class_map[y : y + crop.shape[0], x : x + crop.shape[1]][crop]
        found.append(_class_of(part))
    if class_map is not None and 0 in found:
        raise BadRecord(f"object {numbers[found.index(0)]} has no pixel of a class")
    known = names[1:] if class_map is not None else ("object",)
    picture = picture_of_stem(stem, options.images, path / "JPEGImages")
    return Record(
        file_name=f"{stem}{picture.suffix if picture else '.jpg'}",
        instances=Instances(
            masks=masks,
            boxes=masks.boxes,
            scores=np.ones(len(masks)),
            class_ids=np.array(found, dtype=np.int64) - 1,
            class_names=known,
        ),
        semantic=_rest(class_map, ids, names),
        categories=tuple(Category(number, name) for number, name in enumerate(known, start=1)),
        picture=picture,
    )


def _ids(path: Path, class_map: IntArray | None, layout: Layout, size: Size | None) -> IntArray:
    """The picture of objects; none where only classes are told."""
    try:
        return layout.decode(path, layout.palette(), size)
    except SourceNotFound:
        if class_map is None:
            raise
        return np.zeros_like(class_map)


def _class_of(pixels: IntArray | None) -> int:
    """What most of an object's pixels are of; 0 where none is of a class."""
    if pixels is None:
        return 1
    counts = np.bincount(pixels[(pixels != 0) & (pixels != VOID)], minlength=1)
    return int(counts.argmax())


def _rest(class_map: IntArray | None, ids: IntArray, names: tuple[str, ...]) -> SemanticMap | None:
    """The class map, where it tells of pixels outside the objects."""
    if class_map is None or not ((class_map != 0) & ((ids == 0) | (ids == VOID))).any():
        return None
    return SemanticMap(class_map, names)


@contextmanager
def write_layout(
    path: Path, layout: Layout, options: Options, ledger: Ledger, *, always_map: bool
) -> Iterator[Put]:
    """Write both pictures of each record; ``labelmap.txt`` at the end, always or where there are other classes."""
    fixed = {name: number for number, name in enumerate(layout.names, start=1)}
    classes = ClassNumbers(keep=False, first=1, fixed=fixed, last=LARGEST)
    with atomic_folder(path) as folder:
        listed = new_file(folder, _LIST)
        with listed.open("w", encoding="utf-8") as names:

            def put(record: Record) -> None:
                class_map, ids = _painted(record, classes, options, ledger)
                files = [new_file(folder / each, f"{record.stem}.png") for each in (_CLASS, _OBJECT)]
                put_picture(record, folder / "JPEGImages", options.pictures)
                for file, numbers in zip(files, (class_map, ids), strict=True):
                    file.write_bytes(layout.encode(numbers))
                names.write(f"{record.stem}\n")

            yield put
        if always_map or any(each.name not in fixed for each in classes):
            (folder / "labelmap.txt").write_text(_label_map(classes, layout), encoding="utf-8")


def _painted(
    record: Record, classes: ClassNumbers, options: Options, ledger: Ledger
) -> tuple[IntArray, IntArray]:
    """(H, W) numbers of classes and of objects."""
    classes.learn(record)
    instances = record.instances
    fits = np.array([name in classes for name in instances.names], dtype=bool)
    fits &= np.cumsum(fits) <= LARGEST
    ledger.lost("ids", int((~fits).sum()))
    ids, seen = flattened(instances[fits], options.overlaps, ledger)
    class_map = np.zeros(record.size, dtype=np.int64)
    if record.semantic is not None:
        names = record.semantic.class_names
        table = np.zeros(256, dtype=np.int64)
        table[1 : len(names)] = [classes.get(name, 0) for name in names[1:]]
        table[IGNORE] = VOID
        class_map = table[record.semantic.class_map]
        unnumbered = (class_map == 0) & (record.semantic.class_map != 0) & (ids == 0)
        ledger.lost("class map", 0, int(np.count_nonzero(unnumbered)))
        ids = np.where((class_map == VOID) & (ids == 0), VOID, ids)
    numbers = np.array([0, *(classes[name] for name in seen.names)], dtype=np.int64)
    inside = (ids != 0) & (ids != VOID)
    class_map[inside] = numbers[ids[inside]]
    return class_map, ids


def _label_map(classes: ClassNumbers, layout: Layout) -> str:
    by_number = {0: "background", **{each.id: each.name for each in classes}}
    by_number |= {
        number: name for number, name in enumerate(layout.names, start=1) if number not in by_number
    }
    palette = layout.palette().tolist()
    lines = ["# label:color_rgb:parts:actions"]
    lines += [f"{name}:{','.join(map(str, palette[number]))}::" for number, name in sorted(by_number.items())]
    return "\n".join(lines) + "\n"

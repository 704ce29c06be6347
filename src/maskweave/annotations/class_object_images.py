"""The layout that Pascal VOC and CVAT's mask export share: a class image and an object image for each record.

``SegmentationClass/<stem>.png`` and ``SegmentationObject/<stem>.png``, with the classes of ``labelmap.txt`` (CVAT's:
a line ``name:r,g,b:parts:actions`` a class, background first) by number, and the names of all records in
``ImageSets/Segmentation/default.txt``. 0 is background, 255 is void.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskweave.annotations.base import Detect, Format, Put
from maskweave.annotations.classes import ClassNumbers
from maskweave.annotations.id_images import flattened, objects_of_ids, read_colors
from maskweave.annotations.objects import make_objects
from maskweave.annotations.options import Options
from maskweave.annotations.places import image_of_stem, new_file, put_image
from maskweave.annotations.record import Category, Record
from maskweave.annotations.report import Report
from maskweave.annotations.texts import lines_of
from maskweave.errors import BadRecord, InvalidValue, SourceNotFound
from maskweave.files import atomic_folder
from maskweave.sources.walk import files_below
from maskweave.types.arrays import IntArray, Size
from maskweave.types.semantic import IGNORE, SemanticMap

VOID = 255
MAX_ID = 254
_CLASS, _OBJECT, _LIST = "SegmentationClass", "SegmentationObject", "ImageSets/Segmentation/default.txt"
_SETS = "ImageSets/Segmentation"
Colors = NDArray[np.uint8]
"""(256, 3) the color of each number."""


@dataclass(frozen=True)
class Layout:
    """How a format of this layout codes numbers.

    ``decode``: (H, W) numbers of an image, given the colors of numbers and the size it must have. ``encode``: the
    PNG. ``names``: the classes from number 1 on of a folder without ``labelmap.txt``.
    """

    decode: Callable[[Path, Colors, Size | None], IntArray]
    encode: Callable[[IntArray], bytes]
    palette: Callable[[], Colors]
    names: tuple[str, ...] = ()


def layout_format(layout: Layout, *, name: str, title: str, where: str, detect: Detect) -> Format:
    """The format of a layout; ``where``: what there is on disk, in words."""
    return Format(
        name=name,
        title=title,
        layout=where,
        holds=frozenset({"holes", "parts", "class map", "class names", "empty images", "file names"}),
        detect=detect,
        read=partial(read_layout, layout=layout),
        write=partial(write_layout, layout=layout),
        note=f"{MAX_ID} objects an image, {MAX_ID} classes",
    )


def root_of(path: Path) -> Path:
    """The folder with the images of classes or objects: itself, or one below, as in VOCdevkit/VOC2012."""
    for below in ("", "*/", "VOCdevkit/*/"):
        for name in (_CLASS, _OBJECT):
            found = sorted(each for each in path.glob(f"{below}{name}") if each.is_dir())
            if found:
                return found[0].parent
    return path


def images_of(path: Path) -> Path | None:
    """The first image of classes or objects in a folder of this layout."""
    root = root_of(path)
    for name in (_CLASS, _OBJECT):
        found = next(files_below(root / name, (".png",)), None)
        if found is not None:
            return found
    return None


def read_layout(path: Path, options: Options, report: Report, *, layout: Layout) -> Iterator[Record]:
    """Yield a record for each image of classes, or of objects where there are no others."""
    path = root_of(path)
    names, colors = _classes(path, layout)
    folder = next((path / name for name in (_CLASS, _OBJECT) if (path / name).is_dir()), None)
    if folder is None:
        raise InvalidValue(f"{path}: need a folder {_CLASS} or {_OBJECT}, found none")
    wanted = _stems_of(path, options.part, report)
    for file in files_below(folder, (".png",)):
        stem = file.relative_to(folder).with_suffix("").as_posix()
        if wanted is not None and stem not in wanted:
            continue
        yield from report.made(stem, partial(_record, path, stem, names, colors, layout, options))


def _stems_of(path: Path, part: str | None, report: Report) -> set[str] | None:
    """The images that ``ImageSets/Segmentation`` lists for a part, None for all; those without masks are reported.

    Raises `InvalidValue` where other parts are listed, but not that one.
    """
    files = {part: path / _SETS / f"{part}.txt" for part in ("train", "val", "test")}
    known = [name for name, file in files.items() if file.is_file()]
    if part is None or not known:
        return None
    if part not in known:
        raise InvalidValue(f"{path}: has no {part} part, but {', '.join(known)}")
    stems = {line.split()[0] for line in lines_of(files[part], "a list of images") if line}
    missing = sorted(
        each
        for each in stems
        if not any((path / name / f"{each}.png").is_file() for name in (_CLASS, _OBJECT))
    )
    if missing:
        report.problem(f"{part}.txt", f"{len(missing):,} of its images have no masks (first: {missing[0]})")
    return stems


def decode_colors(path: Path, colors: Colors, size: Size | None) -> IntArray:
    """(H, W) the number of each pixel's color; raises `BadRecord` for one that no number has."""
    rgb = read_colors(path, size).astype(np.int64)
    keys = (rgb[:, :, 0] << 16) | (rgb[:, :, 1] << 8) | rgb[:, :, 2]
    table = colors.astype(np.int64)
    known = (table[:, 0] << 16) | (table[:, 1] << 8) | table[:, 2]
    order = np.argsort(known, kind="stable")
    at = np.minimum(np.searchsorted(known[order], keys), len(known) - 1)
    wrong = known[order][at] != keys
    if wrong.any():
        red, green, blue = rgb[wrong][0].tolist()
        raise BadRecord(
            f"{path.parent.name}/{path.name}: need colors of its labels, got {red},{green},{blue}"
        )
    return order[at]


def _classes(path: Path, layout: Layout) -> tuple[tuple[str, ...], Colors]:
    """The classes by number, background first, and the color of each number."""
    colors = layout.palette().copy()
    file = path / "labelmap.txt"
    if not file.is_file():
        return ("background", *layout.names), colors
    names: list[str] = []
    for line in lines_of(file, "a readable text file (UTF-8)"):
        if not line or line.startswith("#"):
            continue
        quoted, rest = _unquoted(line)
        match = re.fullmatch(r"(.+?):(?:(\d{1,3}),(\d{1,3}),(\d{1,3}))?(?::.*)?", rest)
        if match is None or len(names) > MAX_ID:
            raise InvalidValue(f"{file}: need up to {MAX_ID} lines name:r,g,b::, got {line[:60]!r}")
        if match[2] is not None:
            colors[len(names)] = [min(int(each), 255) for each in match.groups()[1:4]]
        names.append(match[1] if quoted is None else quoted)
    if not names or names[0] != "background":
        raise InvalidValue(
            f"{file}: need background as the first class, got {', '.join(names[:1]) or 'none'}"
        )
    return tuple(names), colors


_PLAIN = re.compile(r"[^\s#\":][^\n\r:]*(?<!\s)")
"""Class names that stand as they are in a line of ``labelmap.txt``; any other is written as JSON text."""


def _unquoted(line: str) -> tuple[str | None, str]:
    """The name that a line begins with as JSON text, None where it is plain, and a line to be read instead."""
    if line.startswith('"'):
        try:
            name, end = json.JSONDecoder().raw_decode(line)
        except ValueError:
            return None, line
        if line[end : end + 1] == ":":
            return name, f"quoted{line[end:]}"
    return None, line


def _record(
    path: Path, stem: str, names: tuple[str, ...], colors: Colors, layout: Layout, options: Options
) -> Record:
    objects = path / _OBJECT / f"{stem}.png"
    classes = path / _CLASS / f"{stem}.png"
    class_map = layout.decode(classes, colors, None) if (path / _CLASS).is_dir() else None
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
    image = image_of_stem(stem, options.images, path / "JPEGImages")
    return Record(
        file_name=f"{stem}{image.suffix if image else '.jpg'}",
        instances=make_objects(masks, [each - 1 for each in found], known),
        semantic=_rest(class_map, ids, names),
        categories=tuple(Category(number, name) for number, name in enumerate(known, start=1)),
        image=image,
    )


def _ids(path: Path, class_map: IntArray | None, layout: Layout, size: Size | None) -> IntArray:
    """The image of objects; none where there are only classes."""
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
    """The class map, where it labels pixels outside the objects."""
    if class_map is None or not ((class_map != 0) & ((ids == 0) | (ids == VOID))).any():
        return None
    return SemanticMap(class_map, names)


@contextmanager
def write_layout(path: Path, options: Options, report: Report, *, layout: Layout) -> Iterator[Put]:
    """Write both images of each record; ``labelmap.txt`` at the end where there are classes without fixed numbers."""
    fixed = {name: number for number, name in enumerate(layout.names, start=1)}
    classes = ClassNumbers(keep=False, first=1, fixed=fixed, last=MAX_ID)
    with atomic_folder(path, overwrite=options.overwrite) as folder:
        listed = new_file(folder, _LIST)
        with listed.open("w", encoding="utf-8") as names:

            def put(record: Record) -> None:
                class_map, ids = _painted(record, classes, options, report)
                files = [new_file(folder / each, f"{record.stem}.png") for each in (_CLASS, _OBJECT)]
                put_image(record, folder / "JPEGImages", options.with_images)
                for file, numbers in zip(files, (class_map, ids), strict=True):
                    file.write_bytes(layout.encode(numbers))
                names.write(f"{record.stem}\n")

            yield put
        if not fixed or any(each.name not in fixed for each in classes):
            (folder / "labelmap.txt").write_text(_label_map(classes, layout), encoding="utf-8")


def _painted(
    record: Record, classes: ClassNumbers, options: Options, report: Report
) -> tuple[IntArray, IntArray]:
    """(H, W) numbers of classes and of objects."""
    classes.learn(record)
    instances = record.instances
    fits = np.array([name in classes for name in instances.names], dtype=bool)
    fits &= np.cumsum(fits) <= MAX_ID
    report.lost("ids", int((~fits).sum()))
    ids, seen = flattened(instances[fits], options.overlaps, report)
    class_map = np.zeros(record.size, dtype=np.int64)
    if record.semantic is not None:
        names = record.semantic.class_names
        table = np.zeros(256, dtype=np.int64)
        table[1 : len(names)] = [classes.get(name, 0) for name in names[1:]]
        table[IGNORE] = VOID
        class_map = table[record.semantic.class_map]
        unnumbered = (class_map == 0) & (record.semantic.class_map != 0) & (ids == 0)
        report.lost("class map", 0, int(np.count_nonzero(unnumbered)))
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
    lines += [
        f"{name if _PLAIN.fullmatch(name) else json.dumps(name)}:{','.join(map(str, palette[number]))}::"
        for number, name in sorted(by_number.items())
    ]
    return "\n".join(lines) + "\n"

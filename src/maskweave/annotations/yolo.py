"""The YOLO segmentation layout: ``data.yaml``, ``labels/…txt``, ``images/…``.

A ``data.yaml`` names the classes and where the images of ``train``, ``val`` and ``test`` are: a folder, a text file
that lists images, or a list of these. The labels of ``…/images/a.jpg`` are in ``…/labels/a.txt`` (beside the image
where no folder is called images), a line an object: the class's number, then x y of every corner of its outline, as
shares of the image's width and height. Four numbers are a box: center x, center y, width, height. A further number
is a confidence. An image without a label file has no objects. A line has one ring, so the parts and holes of an
object are joined by seams without width: filled by the even-odd rule, the ring gives the mask back to the last pixel.
Darknet's data sets of the same labels are read, too (`darknet`). Source: https://docs.ultralytics.com/datasets/segment/.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from maskweave.annotations.base import Format, Put
from maskweave.annotations.classes import ClassNumbers
from maskweave.annotations.darknet import darknet_file, darknet_images, read_darknet
from maskweave.annotations.data_yaml import (
    PARTS,
    DataYaml,
    classes_file,
    data_yaml_in,
    is_data_yaml,
    read_classes_txt,
    read_data_yaml,
)
from maskweave.annotations.objects import make_objects
from maskweave.annotations.options import Options
from maskweave.annotations.outlines import Outline, outlines
from maskweave.annotations.places import ends_of, image_of_stem, new_file, put_image
from maskweave.annotations.record import Category, Record
from maskweave.annotations.report import Report
from maskweave.annotations.texts import lines_of
from maskweave.annotations.yolo_lines import Line, checked_lines
from maskweave.errors import InvalidValue
from maskweave.files import TEXT_MARK, atomic_folder
from maskweave.ops.seams import joined_ring
from maskweave.sources.images import image_size
from maskweave.sources.kinds import IMAGE_SUFFIXES
from maskweave.sources.walk import files_below
from maskweave.types.arrays import Size
from maskweave.types.masks import Masks, concatenate

_NO_LABELS = ("classes.txt", "obj.names")
_LABELS = {"Images": "Labels", "IMAGES": "LABELS"}


def detect(path: Path) -> str | None:
    """A ``data.yaml``, or a folder that has one; Darknet's ``obj.data``; or ``classes.txt`` with its folders."""
    if path.is_file() and is_data_yaml(path):
        return "a YAML file of the YOLO layout"
    if (file := data_yaml_in(path)) is not None:
        return f"a folder with a {file.name}"
    if darknet_file(path) is not None:
        return "Darknet's data set, with obj.data"
    return "YOLO labels with their classes.txt" if classes_file(path) is not None else None


def read(path: Path, options: Options, report: Report) -> Iterator[Record]:
    """Yield a record for each image of all parts, or of one; with ``--images`` for each label file."""
    file = path if is_data_yaml(path) else data_yaml_in(path)
    if file is None and (darknet := darknet_file(path)) is not None:
        yield from _read_darknet(darknet, options, report)
        return
    data = read_classes_txt(path) if file is None else read_data_yaml(file)
    home = data.path.resolve().parent
    if not options.follow and not data.root.is_relative_to(home):
        raise InvalidValue(
            f"{data.path}: its path leads to {data.root}, out of its folder, which is not followed; "
            "put the file into the folder of the data set"
        )
    if options.part is not None and options.part not in data.entries:
        listed = ", ".join(data.entries) or "none"
        raise InvalidValue(
            f"{data.path}: has no {options.part} entry, but {listed}. Say where its {options.part} images are."
        )
    root = _root_of(data, options)
    labels = root is None and options.images is not None
    pairs = (
        _by_labels(data, options.images or home, report)
        if labels
        else _by_images(data, root or data.root, options, report)
    )
    found = labeled = False
    folders = set[Path]()
    for name, image, label in pairs:
        found = True
        folders.add(label.parent)
        labeled = labeled or label.is_file()
        yield from report.made(
            name, partial(_record, name, image, label, data.names, report, has_points=data.has_points)
        )
    if found and not labels:
        _report_labels(data, root or data.root, folders, labeled=labeled, options=options, report=report)
    if data.has_points:
        report.warn("points of poses (kpt_shape) are left out, their boxes are read")
    if not found:
        raise InvalidValue(
            f"{data.path}: has no images, and without them outlines have no pixels; say where they are with --images"
        )


def _report_labels(
    data: DataYaml, root: Path, folders: set[Path], *, labeled: bool, options: Options, report: Report
) -> None:
    """Report that no image has labels, and label files in the folders of images whose image is missing."""
    if not any(folder.is_dir() for folder in folders):
        report.problem(
            f"{data.path}",
            f"has no labels for its images: there is no folder {min(folders)}. "
            "Labels of …/images/a.jpg belong into …/labels/a.txt.",
        )
    elif not labeled:
        report.warn(f"none of its images has a label file in {min(folders)}: all count as without objects")
    entries = (
        entry for part in PARTS if options.part in (None, part) for entry in data.entries.get(part, ())
    )
    places = {
        place.resolve() for entry in entries if (place := _place(root, entry)) is not None and place.is_dir()
    }
    for place in sorted(places):
        folder = label_path(place / "a.jpg").parent
        names = (each.relative_to(folder).as_posix() for each in files_below(folder, (".txt",)))
        alone = [each for each in names if each not in _NO_LABELS and image_of_stem(each[:-4], place) is None]
        if alone:
            more = f" and {len(alone) - 1:,} more" if len(alone) > 1 else ""
            report.problem(
                f"{folder.name}/{alone[0]}{more}",
                f"need an image in {place}, there is none; the labels are left out",
            )


def _read_darknet(file: Path, options: Options, report: Report) -> Iterator[Record]:
    data = read_darknet(file)
    found = False
    for name, image, label in darknet_images(data, options, report):
        found = True
        yield from report.made(name, partial(_record, name, image, label, data.names, report))
    if not found:
        raise InvalidValue(f"{file}: has no images, and without them boxes have no size; see --images")


def _root_of(data: DataYaml, options: Options) -> Path | None:
    """The folder that entries start from: ``--images`` where it has one of them; None where it has none."""
    if options.images is None:
        return data.root
    entries = [entry for part in data.entries.values() for entry in part]
    return options.images if any(_place(options.images, entry) for entry in entries) else None


def _by_images(
    data: DataYaml, root: Path, options: Options, report: Report
) -> Iterator[tuple[str, Path, Path]]:
    """Name, image and label file of each image; what is missing is a problem."""
    home = data.path.resolve().parent
    seen: set[str | Path] = set()
    for part in PARTS if options.part is None else (options.part,):
        for entry in data.entries.get(part, ()):
            place = _place(root, entry)
            key = entry if place is None else place.resolve()
            if key in seen:
                continue
            seen.add(key)
            if place is None:
                report.problem(
                    f"{data.path}",
                    f"{part}: there is no {root / entry}. Correct the entry, or `path` in that file.",
                )
                continue
            for image in dict.fromkeys(_images_of(place, root)):
                is_there = os.path.isfile(image)  # noqa: PTH113 - pathlib raises for names that no file can have
                if not is_there:
                    report.problem(str(image), "the image is missing")
                elif not options.follow and not Path(os.path.normpath(image)).is_relative_to(home):
                    report.problem(str(image), f"leads out of the folder of {data.path.name}")
                else:
                    yield _name_within(image, root), image, label_path(image)


def _name_within(image: Path, root: Path) -> str:
    for folder in (root / "images", root):
        if image.is_relative_to(folder):
            return image.relative_to(folder).as_posix()
    return image.name


def _by_labels(data: DataYaml, images: Path, report: Report) -> Iterator[tuple[str, Path, Path]]:
    folder = data.root / "labels" if (data.root / "labels").is_dir() else data.root
    for label in files_below(folder, (".txt",)):
        stem = label.relative_to(folder).with_suffix("").as_posix()
        image = image_of_stem(stem, images)
        if image is None:
            report.problem(f"{label.relative_to(data.root)}", f"its image is missing from {images}")
        else:
            yield image.relative_to(images).as_posix(), image, label


def _record(
    name: str, image: Path, label: Path, names: Sequence[str], report: Report, *, has_points: bool = False
) -> Record:
    size = image_size(image)
    lines: list[Line] = []
    for place, found in checked_lines(label, len(names), size, has_points=has_points):
        if isinstance(found, Line):
            lines.append(found)
        else:
            report.problem(f"{label.name}, line {place}", found)
    instances = make_objects(
        concatenate([Masks.empty(size), *(line.mask for line in lines)]),
        [line.class_id for line in lines],
        names,
        boxes=[line.box for line in lines],
        scores=[1.0 if line.score is None else line.score for line in lines],
        track_ids=[line.track_id for line in lines],
    )
    categories = tuple(Category(number, each) for number, each in enumerate(names))
    scored = all(line.score is not None for line in lines)
    return Record(name, instances, categories=categories, image=image, scored=scored)


def label_path(image: Path) -> Path:
    """Where the labels of an image are: its last folder called images exchanged for labels, suffix .txt.

    One called Images has them in Labels beside it, or in labels; the suffix may be .TXT.
    """
    parts = list(image.with_suffix(".txt").parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place].lower() == "images":
            own = _LABELS.get(parts[place], "labels")
            parts[place] = own if Path(*parts[:place], own).is_dir() else "labels"
            break
    label = Path(*parts)
    upper = label.with_suffix(".TXT")
    return upper if not label.is_file() and upper.is_file() else label


def _place(root: Path, entry: str) -> Path | None:
    """The folder or list an entry means; exports of some tools write one ../ too many, or where it lay with them."""
    shorter = [
        each for each in ends_of(entry) if "/" in each or each == entry or each.lower().endswith(".txt")
    ]
    candidates = (root / each for plain in shorter for each in (plain, plain.removeprefix("../")))
    return next((place for place in candidates if os.path.exists(place)), None)  # noqa: PTH110 - pathlib raises for
    # names that no file can have


def _images_of(place: Path, root: Path) -> Iterator[Path]:
    """The images of a folder and its sub-folders, or of a list of paths."""
    if place.is_dir():
        yield from files_below(place, IMAGE_SUFFIXES)
        return
    for name in lines_of(place, "a folder or a text file that lists images"):
        if name:
            yield _listed(name, place.parent) or _listed(name, root) or root / name


def _listed(name: str, folder: Path) -> Path | None:
    """The image that a line of a list means, seen from ``folder``; None where it has none.

    CVAT lists them as Darknet saw them, from a folder ``data`` that need not be there.
    """
    for each in (*ends_of(name), name.replace("\\", "/").removeprefix("data/")):
        if os.path.isfile(folder / each):  # noqa: PTH113 - see _place
            return folder / each
    return None


def _yaml_text(name: str) -> str:
    """A class name in YAML: as JSON text, in which YAML wants other characters escaped than JSON does."""
    return "".join(
        char if char.isprintable() else f"\\U{ord(char):08X}" for char in json.dumps(name, ensure_ascii=False)
    )


@contextmanager
def write(path: Path, options: Options, report: Report) -> Iterator[Put]:
    """Write a label file for each record, empty ones too, and the ``data.yaml`` at the end."""
    classes = ClassNumbers(keep=False, first=0)
    with atomic_folder(path, overwrite=options.overwrite) as folder:
        for name in ("images", "labels"):
            (folder / name).mkdir()

        def put(record: Record) -> None:
            lines = _written(record, classes, options, report)
            # in a folder called images, labels would be looked for in one called labels
            parts = [part for part in PurePosixPath(record.file_name).parts[:-1] if part.lower() != "images"]
            named = replace(record, file_name="/".join([*parts, PurePosixPath(record.file_name).name]))
            label = new_file(folder / "labels", f"{named.stem}.txt")
            put_image(named, folder / "images", options.with_images)
            label.write_text("".join(lines), encoding="ascii")

        yield put
        names = "".join(f"  {each.id}: {_yaml_text(each.name)}\n" for each in classes)
        text = f"# {TEXT_MARK}\ntrain: images\nval: images\nnames:{' {}' if not names else ''}\n{names}"
        (folder / "data.yaml").write_text(text, encoding="utf-8")


def _written(record: Record, classes: ClassNumbers, options: Options, report: Report) -> list[str]:
    classes.learn(record)
    drawn = outlines(record.instances.masks, options, report)
    names = record.instances.names
    return [
        f"{classes[name]} {shares_of(each, record.size)}\n" for name, each in zip(names, drawn, strict=True)
    ]


def shares_of(outline: Outline, size: Size) -> str:
    """The corners of an object's outline as a line has them: parts and holes joined, shares of width and height."""
    ring = joined_ring([ring for polygon in outline.polygons for ring in polygon.rings])
    shares = (ring / np.array([size[1], size[0]])).ravel().tolist()
    return " ".join(f"{each:.6f}".rstrip("0").rstrip(".") for each in shares)


FORMAT = Format(
    name="yolo",
    title="YOLO segmentation",
    layout="a folder with `data.yaml`, `labels/`, `images/`",
    holds=frozenset({"overlaps", "holes", "parts", "class names", "empty images", "file names"}),
    detect=detect,
    read=read,
    write=write,
    note="holes and parts are joined by seams; sizes, so that the images are needed to read it",
)

"""Darknet's layout of YOLO, as CVAT exports it ("YOLO 1.1"): ``obj.data``, ``obj.names``, ``train.txt``, labels.

``obj.data`` says where the class names and the lists of images are. Lists and names are written as Darknet saw them,
from a folder ``data`` that need not be there; the labels of ``…/a.jpg`` are in ``…/a.txt``, beside it. Source:
https://docs.cvat.ai/docs/dataset_management/formats/format-yolo/.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from maskweave.annotations.options import Options
from maskweave.annotations.places import find_image, safe_name
from maskweave.annotations.report import Report
from maskweave.annotations.texts import lines_of
from maskweave.errors import BadRecord, InvalidValue

_SUFFIX = ".data"
_MAX_BYTES = 1 << 16
"""Of a file of settings."""
_PARTS = {"train": "train", "valid": "val", "val": "val", "test": "test"}


@dataclass(frozen=True)
class DarknetData:
    """The contents of an ``obj.data``.

    Attributes:
        path: The file.
        names: Class names by number.
        lists: The lists of images under "train", "val" and "test".
    """

    path: Path
    names: tuple[str, ...]
    lists: Mapping[str, Path]


def darknet_file(path: Path) -> Path | None:
    """The settings of a data set in this layout, the file itself or that of a folder; None where it is none."""
    files = [path] if path.is_file() else sorted(path.glob(f"[!.]*{_SUFFIX}"))
    found = [each for each in files if each.suffix.lower() == _SUFFIX and "names" in _settings(each)]
    return found[0] if len(found) == 1 else None


def read_darknet(file: Path) -> DarknetData:
    """Read the settings and the class names.

    Raises:
        InvalidValue: There is no list of names or of images.
    """
    settings = _settings(file)
    names = _below(file.parent, settings.get("names", ""))
    if names is None or not (lines := _lines(names)):
        raise InvalidValue(f"{file}: need class names, there is no {settings.get('names')!r} in its folder")
    lists = {
        _PARTS[key]: place
        for key, value in settings.items()
        if key in _PARTS and (place := _below(file.parent, value)) is not None
    }
    if not lists:
        raise InvalidValue(f"{file}: need a list of images (train, valid), found none in its folder")
    return DarknetData(file, tuple(lines), lists)


def darknet_images(data: DarknetData, options: Options, report: Report) -> Iterator[tuple[str, Path, Path]]:
    """Name, image and label file of each image that is listed; what is missing is a problem."""
    root, seen = data.path.parent, set[str]()
    for part in data.lists if options.part is None else (options.part,):
        if part not in data.lists:
            raise InvalidValue(f"{data.path}: has no {part} list, but {', '.join(data.lists)}")
        for line in _lines(data.lists[part]):
            own = report.attempt(line, partial(_own, line))
            if own is None or own in seen:
                continue
            seen.add(own)
            base = PurePosixPath(own).name
            image = find_image(own, options.images, root) or find_image(base, options.images)
            if image is None:
                report.problem(own, "the image is missing, and without it boxes have no size; see --images")
            else:
                yield own, image, root / PurePosixPath(own).with_suffix(".txt")


def _own(name: str) -> str:
    r"""A name without the folder that Darknet looked from.

    >>> _own("data/obj_train_data/a.jpg"), _own("C:\\darknet\\data\\obj\\a.jpg")
    ('obj_train_data/a.jpg', 'obj/a.jpg')
    """
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if "data" in parts[:-1]:
        return safe_name("/".join(parts[len(parts) - parts[::-1].index("data") :]))
    return safe_name(name)


def _below(folder: Path, name: str) -> Path | None:
    try:
        place = folder / _own(name)
    except BadRecord:
        return None
    return place if place.is_file() else None


def _settings(file: Path) -> dict[str, str]:
    """The lines ``key = value``; none of what is no such file."""
    try:
        if file.stat().st_size > _MAX_BYTES:
            return {}
        pairs = (line.partition("=") for line in _lines(file))
        return {key.strip().lower(): value.strip() for key, sign, value in pairs if sign}
    except (OSError, InvalidValue):  # SourceNotFound is both
        return {}


def _lines(file: Path) -> list[str]:
    return [line for line in lines_of(file, "lines of text") if line]

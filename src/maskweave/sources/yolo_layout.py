"""Where the YOLO segmentation layout has its names, images and labels, and what a line of labels says.

A ``data.yaml`` names the classes and where the images of ``train``, ``val`` and ``test`` are: a folder, a text file
that lists images, or a list of these. The labels of ``…/images/a.jpg`` are in ``…/labels/a.txt`` (beside the image
where no folder is called images), a line an object: the class's number, then x y of every corner of its outline, as
shares of the image's width and height. Four numbers are a box: centre x, centre y, width, height. An image without a
label file has no objects. Source: https://docs.ultralytics.com/datasets/segment/.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue, MissingDependency, SourceNotFound
from maskweave.sources.kinds import IMAGE_SUFFIXES
from maskweave.sources.walk import files_below

PARTS = ("train", "val", "test")
_SUFFIXES = (".yaml", ".yml")
_DEEPEST = 100  # brackets within brackets
_LONGEST = 9  # digits of a class number
_FARTHEST = 10.0  # shares: an outline may reach over the image's edge, but not that far


def is_data_yaml(path: Path) -> bool:
    """Whether a file is taken for a ``data.yaml`` rather than for COCO JSON: by its suffix."""
    return path.suffix.lower() in _SUFFIXES


@dataclass(frozen=True)
class DataYaml:
    """What a ``data.yaml`` says.

    Attributes:
        path: The file.
        root: Folder that the entries start from.
        names: Class names by number.
        entries: What it lists under "train", "val" and "test"; a part it lacks is missing here.
    """

    path: Path
    root: Path
    names: tuple[str, ...]
    entries: Mapping[str, tuple[str, ...]]


def read_data_yaml(path: Path) -> DataYaml:
    """Read a ``data.yaml``; its images and labels are not looked at.

    Raises:
        SourceNotFound: There is no such file.
        InvalidValue: It is no YAML, or lacks class names.
        MissingDependency: PyYAML is not installed.
    """
    content = _load(path)
    entries = {
        part: _places(path, part, entry if isinstance(entry, list) else [entry])
        for part in PARTS
        if (entry := content.get(part))
    }
    return DataYaml(path, _root(path, content.get("path")), _names(path, content.get("names")), entries)


def part_entries(data: DataYaml, root: Path, part: str) -> Iterator[Iterator[Path]]:
    """For each entry of "train", "val" or "test" its images; those of a list may be missing.

    Raises:
        InvalidValue: There is no such part.
        SourceNotFound: An entry leads nowhere.
    """
    if part not in data.entries:
        raise InvalidValue(f"{data.path}: has no {part} entry. Say where its {part} images are.")
    for entry in data.entries[part]:
        place = _place(root, entry)
        if place is None:
            raise SourceNotFound(
                f"{data.path}: {part}: there is no {root / entry}. Correct the entry, or `path` in that file."
            )
        yield _images_of(place, root)


def label_path(image: Path) -> Path:
    """Where the labels of an image are: its last folder called images exchanged for labels, suffix .txt."""
    parts = list(image.with_suffix(".txt").parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] == "images":
            parts[place] = "labels"
            break
    return Path(*parts)


def label_numbers(fields: Sequence[str], classes: int) -> tuple[int, NDArray[np.float64]]:
    """Class number and coordinates of a line that is split; raises `InvalidValue` that says what is wrong."""
    if not fields[0].isdecimal() or len(fields[0]) > _LONGEST or int(fields[0]) >= classes:
        raise InvalidValue(f"need a class number of 0 to {classes - 1}, got {fields[0][:60]!r}")
    try:
        values = np.array([float(field) for field in fields[1:]])
    except ValueError:
        raise InvalidValue("need numbers after the class, got something else") from None
    if len(values) != 4 and (len(values) < 6 or len(values) % 2):
        raise InvalidValue(
            f"need 4 numbers of a box, or x y of at least 3 points, after the class; got {len(values)} numbers"
        )
    if not np.isfinite(values).all():
        raise InvalidValue("need finite coordinates, got NaN or infinity")
    if np.abs(values).max() > _FARTHEST:
        raise InvalidValue(
            f"need shares of the image's width and height, 0 to 1, got {values.max():g}; are these pixels?"
        )
    return int(fields[0]), values


def _load(path: Path) -> dict[str, Any]:
    try:
        import yaml
    except ImportError as error:
        raise MissingDependency(
            "a data.yaml needs PyYAML, which is not installed. Use `pip install maskweave[train]`."
        ) from error
    try:
        text = path.read_text(encoding="utf-8")
        if _depth(text) > _DEEPEST:
            raise InvalidValue(f"{path}: need lists at most {_DEEPEST} deep, got more.")
        content = yaml.safe_load(text)
    except InvalidValue:
        raise
    except FileNotFoundError as error:
        raise SourceNotFound(f"{path}: no such file.") from error
    except Exception as error:  # PyYAML's readers of numbers and dates raise nearly anything
        why = " ".join(str(error).split())
        raise InvalidValue(f"{path}: not a YAML file ({why}).") from error
    if not isinstance(content, dict):
        raise InvalidValue(f"{path}: need the keys train, val and names, got a {type(content).__name__}.")
    return content


def _depth(text: str) -> int:
    """How many brackets are open at most, those in quotes counted too: PyYAML takes minutes for thousands."""
    steps = [(char in "[{") - (char in "]}") for char in text if char in "[]{}"]
    return max(accumulate(steps), default=0)


def _places(path: Path, part: str, told: Sequence[Any]) -> tuple[str, ...]:
    """The paths of a part; what is none would, as text, be as long as a knot of YAML's aliases makes it."""
    for each in told:
        if not isinstance(each, str) or "\0" in each:
            raise InvalidValue(f"{path}: {part}: need paths, got {_shown(each)}.")
    return tuple(told)


def _shown(value: object) -> str:
    return repr(value)[:60] if isinstance(value, str | int | float) else f"a {type(value).__name__}"


def _root(path: Path, told: Any) -> Path:
    """The folder a file says its entries start from; its own where that is not on this machine."""
    here = path.resolve().parent
    candidates = [here / told, Path(told)] if isinstance(told, str) and "\0" not in told else []
    return next((folder.resolve() for folder in candidates if os.path.isdir(folder)), here)  # noqa: PTH112 - see _place


def _names(path: Path, told: Any) -> tuple[str, ...]:
    if isinstance(told, dict) and sorted(told, key=str) != sorted(range(len(told)), key=str):
        raise InvalidValue(
            f"{path}: need names numbered 0 to {len(told) - 1}, got {', '.join(map(str, told))}."
        )
    names = [told[number] for number in range(len(told))] if isinstance(told, dict) else told
    if not isinstance(names, list) or not names:
        raise InvalidValue(f"{path}: need names, a list of class names; got {_shown(told)}.")
    for name in names:
        if name is not None and not isinstance(name, str | int | float | date):
            raise InvalidValue(f"{path}: need names, a list of class names; one is {_shown(name)}.")
    return tuple(str(name) for name in names)


def _place(root: Path, entry: str) -> Path | None:
    """The folder or list an entry means; exports of some tools write one ../ too many."""
    candidates = (root / entry, root / entry.removeprefix("../"))
    return next((place for place in candidates if os.path.exists(place)), None)  # noqa: PTH110 - pathlib raises for
    # names that no file can have


def _images_of(place: Path, root: Path) -> Iterator[Path]:
    """The images of a folder and its sub-folders, or of a list of paths."""
    if place.is_dir():
        yield from files_below(place, IMAGE_SUFFIXES)
        return
    try:
        with place.open(encoding="utf-8") as lines:
            for line in lines:
                if name := line.strip():
                    near = place.parent / name
                    yield near if os.path.isfile(near) else root / name  # noqa: PTH113 - see _place
    except UnicodeDecodeError as error:
        raise InvalidValue(
            f"{place}: need a folder or a text file that lists images, got other data."
        ) from error
    except OSError as error:
        raise SourceNotFound(f"{place}: cannot be read ({error.strerror}).") from error

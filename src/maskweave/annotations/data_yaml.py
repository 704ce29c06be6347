"""Read the ``data.yaml`` of the YOLO layout: its classes, and where the images of each part are."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from maskweave.annotations.texts import lines_of, read_text
from maskweave.errors import InvalidValue, SourceNotFound
from maskweave.optional import optional

PARTS = ("train", "val", "test")
_VAL = ("val", "validation", "valid")
"""How the second of them is called."""
_SUFFIXES = (".yaml", ".yml")
_MAX_BYTES = 1 << 20
_MAX_DEPTH = 100  # brackets within brackets


def is_data_yaml(path: Path) -> bool:
    """Whether a file is a ``data.yaml`` rather than COCO JSON, by its suffix."""
    return path.suffix.lower() in _SUFFIXES


@dataclass(frozen=True)
class DataYaml:
    """The contents of a ``data.yaml``.

    Attributes:
        path: The file.
        root: Folder that the entries start from.
        names: Class names by number.
        entries: What it lists under "train", "val" and "test"; a part it lacks is missing here.
        has_points: Whether its lines are boxes with the points of a pose behind them.
    """

    path: Path
    root: Path
    names: tuple[str, ...]
    entries: Mapping[str, tuple[str, ...]]
    has_points: bool = False


def data_yaml_in(folder: Path) -> Path | None:
    """The ``data.yaml`` of a folder: the file of that name, or the only YAML file with names and a part in it."""
    usual = folder / "data.yaml"
    if usual.is_file() or not folder.is_dir():
        return usual if usual.is_file() else None
    files = [each for each in folder.glob("*") if is_data_yaml(each) and not each.name.startswith(".")]
    found = [each for each in files if each.is_file() and _looks_like_one(each)]
    return found[0] if len(found) == 1 else None


def _looks_like_one(file: Path) -> bool:
    try:
        text = read_text(file) if file.stat().st_size < _MAX_BYTES else ""
    except (OSError, UnicodeError):
        return False
    keys = set(re.findall(r"^(\w+)[ \t]*:", text, re.MULTILINE))
    return not keys.isdisjoint(("names", "nc")) and not keys.isdisjoint((*PARTS, *_VAL))


def read_data_yaml(path: Path) -> DataYaml:
    """Read a ``data.yaml``; its images and labels are not looked at.

    Raises:
        SourceNotFound: There is no such file.
        InvalidValue: It is no YAML, or lacks class names.
        MissingDependency: PyYAML is not installed.
    """
    content = _load(path)
    content["val"] = next((content[key] for key in _VAL if content.get(key)), None)
    entries = {
        part: _places(path, part, entry if isinstance(entry, list) else [entry])
        for part in PARTS
        if (entry := content.get(part))
    }
    names = content.get("names")
    if names is None and re.fullmatch("[1-9][0-9]{0,3}", count := str(content.get("nc"))):
        names = [f"class {number}" for number in range(int(count))]  # the file says only how many
    has_points = bool(content.get("kpt_shape"))
    return DataYaml(path, _root(path, content.get("path")), _names(path, names), entries, has_points)


def classes_file(folder: Path) -> Path | None:
    """The ``classes.txt`` of a folder with ``images`` and ``labels``, as Label Studio and labelImg write it."""
    if not ((folder / "images").is_dir() and (folder / "labels").is_dir()):
        return None
    places = (folder / "classes.txt", folder / "labels" / "classes.txt")
    return next((each for each in places if each.is_file()), None)


def read_classes_txt(folder: Path) -> DataYaml:
    """What the ``classes.txt`` of a folder says: the names of the classes, for all images of the folder.

    Raises `InvalidValue` where it has none.
    """
    file = classes_file(folder)
    names = [] if file is None else lines_of(file, "lines of text")
    while names and not names[-1]:
        names.pop()
    if not names:
        raise InvalidValue(f"{file or folder}: need a class name a line, got none")
    return DataYaml(
        folder / "classes.txt", folder.resolve(), tuple(names), dict.fromkeys(("train", "val"), ("images",))
    )


def _load(path: Path) -> dict[str, Any]:
    with optional("data.yaml", install="pip install pyyaml"):
        import yaml

    # a class called yes, 007 or 2024-01-01 is called so: nothing but null is more than text
    resolvers = {
        first: [(tag, pattern) for tag, pattern in each if tag.endswith((":null", ":merge"))]
        for first, each in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    texts = type("Texts", (yaml.SafeLoader,), {"yaml_implicit_resolvers": resolvers})
    try:
        text = read_text(path)
        if _depth(text) > _MAX_DEPTH:
            raise InvalidValue(f"{path}: need lists at most {_MAX_DEPTH} deep, got more.")
        content = yaml.load(text, Loader=texts)
    except InvalidValue:
        raise
    except FileNotFoundError as error:
        raise SourceNotFound(f"{path}: no such file.") from error
    except UnicodeError as error:
        raise InvalidValue(
            f"{path}: need text in UTF-8 or UTF-16, got another encoding; save it as UTF-8"
        ) from error
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


def _places(path: Path, part: str, value: Sequence[Any]) -> tuple[str, ...]:
    """The paths of a part; what is none would, as text, be as long as a knot of YAML's aliases makes it."""
    for each in value:
        if not isinstance(each, str) or "\0" in each:
            raise InvalidValue(f"{path}: {part}: need paths, got {_shown(each)}.")
    return tuple(value)


def _shown(value: object) -> str:
    return repr(value)[:60] if isinstance(value, str | int | float) else f"a {type(value).__name__}"


def _root(path: Path, value: Any) -> Path:
    """The folder a file says its entries start from; its own where that is not on this machine."""
    base = path.resolve().parent
    candidates = [base / value, Path(value)] if isinstance(value, str) and "\0" not in value else []
    return next((folder.resolve() for folder in candidates if os.path.isdir(folder)), base)  # noqa: PTH112 - see _place


def _names(path: Path, value: Any) -> tuple[str, ...]:
    if isinstance(value, dict):  # numbers as text, as JSON has them
        value = {
            int(key) if re.fullmatch("[0-9]{1,9}", str(key)) else key: name for key, name in value.items()
        }
    if isinstance(value, dict) and sorted(value, key=str) != sorted(range(len(value)), key=str):
        raise InvalidValue(
            f"{path}: need names numbered 0 to {len(value) - 1}, got {', '.join(map(str, value))}."
        )
    names = [value[number] for number in range(len(value))] if isinstance(value, dict) else value
    if not isinstance(names, list) or not names:
        raise InvalidValue(f"{path}: need names, a list of class names; got {_shown(value)}.")
    for name in names:
        if name is not None and not isinstance(name, str):
            raise InvalidValue(f"{path}: need names, a list of class names; one is {_shown(name)}.")
    return tuple("null" if name is None else name for name in names)

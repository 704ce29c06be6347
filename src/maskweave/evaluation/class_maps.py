"""Read folders of class maps: a PNG for each image, a class id for each pixel, 255 where nothing is labeled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from maskweave.annotations.id_images import read_class_map
from maskweave.annotations.json_stream import read_json
from maskweave.annotations.report import Report
from maskweave.errors import InvalidValue, SourceError, SourceNotFound
from maskweave.evaluation.semantic import SemanticMetric
from maskweave.types.arrays import IntArray
from maskweave.types.semantic import IGNORE, SemanticMap

UNNAMED = tuple(str(class_id) for class_id in range(IGNORE))
"""Names of classes that nobody named."""
_OWN_SUFFIX = ".semantic.png"


def add_folders(
    metric: SemanticMetric,
    truth: Path,
    results: Path,
    problems: Report,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Give every image of the folder ``truth`` and the one of the same name in ``results`` to ``metric``.

    Sub-folders are looked into. A result may also end in ``.semantic.png``, as MaskWeave names them. One that is
    missing or cannot be used counts as an image in which nothing was found.

    Raises:
        SourceNotFound: A folder is missing, or has no PNG.
        BadRecord: Something is wrong with an image, and ``problems`` is strict.
    """
    known, found = _images(truth), _images(results)
    for name in sorted(found.keys() - known.keys()):
        problems.add(f"{found[name]}: need an image of the truth, there is no {name}.png in {truth}")
    for done, (name, path) in enumerate(known.items(), start=1):
        with problems.record("truth"):
            semantic = _semantic(path, metric.class_names)
            metric.add(semantic, _found(found.get(name), semantic, results / f"{name}.png", problems))
        if progress is not None:
            progress(done, len(known))


def read_class_names(text: str) -> tuple[str, ...]:
    """Class names, in order of their ids, from comma-separated words or a JSON file.

    The file holds a list of names, a mapping of ids to names or of names to ids, or COCO ``categories``. Ids without
    a name are named by their number.

    Raises:
        InvalidValue: It holds none of these, or ids that are not 0..254.
    """
    if not text.endswith(".json"):
        return _in_order(dict(enumerate(each.strip() for each in text.split(","))), text)
    data = read_json(Path(text), need="class names")
    if isinstance(data, Mapping) and isinstance(data.get("categories"), list):
        data = data["categories"]
    try:
        return _in_order(_by_id(data), text)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise InvalidValue(
            f"{text}: need a list of class names, a mapping with their ids, or COCO categories ({error})"
        ) from error


def _by_id(data: Any) -> dict[int, str]:
    if isinstance(data, list) and all(isinstance(each, Mapping) for each in data):
        return {int(each["id"]): str(each["name"]) for each in data}
    if isinstance(data, list):
        return dict(enumerate(map(str, data)))
    if any(isinstance(value, str) for value in data.values()):
        return {int(key): str(value) for key, value in data.items()}
    return {int(value): str(key) for key, value in data.items()}


def _in_order(names: Mapping[int, str], what: str) -> tuple[str, ...]:
    if not names or min(names) < 0 or max(names) >= IGNORE:
        raise InvalidValue(
            f"{what}: need class ids in 0..{IGNORE - 1}, got {sorted(names)[:1]}..{max(names, default='')}"
        )
    ordered = tuple(names.get(class_id, str(class_id)) for class_id in range(max(names) + 1))
    if "" in ordered or len(set(ordered)) < len(ordered):
        raise InvalidValue(
            f"{what}: need a name of its own for each class, got {', '.join(map(repr, ordered))}"
        )
    return ordered


def _images(folder: Path) -> dict[str, Path]:
    """The class maps of a folder by name: those named as MaskWeave names them where there are any, else every PNG."""
    if not folder.is_dir():
        raise SourceNotFound(f"{folder}: need a folder of class maps, but it does not exist")
    paths = sorted(folder.rglob("*.png"))
    own_files = [path for path in paths if path.name.endswith(_OWN_SUFFIX)]
    if not paths:
        raise SourceNotFound(f"{folder}: need PNG class maps, there is none in it")
    ending = _OWN_SUFFIX if own_files else ".png"
    return {path.relative_to(folder).as_posix().removesuffix(ending): path for path in own_files or paths}


def _semantic(path: Path, names: tuple[str, ...]) -> SemanticMap:
    class_map = read_class_map(path)
    try:
        return SemanticMap(class_map, names)
    except InvalidValue as error:
        raise InvalidValue(f"{path}: {error}") from error


def _found(path: Path | None, truth: SemanticMap, expected: Path, problems: Report) -> SemanticMap:
    """The prediction for ``truth``; nothing but `IGNORE` where it cannot be used."""
    nothing = SemanticMap(np.full(truth.size, IGNORE, dtype=np.uint8), truth.class_names)
    if path is None:
        problems.add(f"{expected}: it is missing; its image counts as one in which nothing was found")
        return nothing
    try:
        found = _semantic(path, truth.class_names)
    except (SourceError, InvalidValue) as error:
        problems.add(f"{error}; its image counts as one in which nothing was found")
        return nothing
    if found.size != truth.size:
        problems.add(f"{path}: need (height, width) {truth.size}, got {found.size}; it counts as empty")
        return nothing
    return found


def seen_classes(confusion: IntArray, names: Sequence[str]) -> int:
    """How many of the ``names`` are needed to name every class that is there or was predicted."""
    used = np.flatnonzero(confusion[:, :-1].sum(axis=0) + confusion.sum(axis=1))
    return min(int(used.max(initial=0)) + 1, len(names))

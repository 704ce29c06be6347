"""Put corrected objects back into the label files of a YOLO data set; all other lines stay as they are.

A class that the data set does not know is added to its ``data.yaml``, of which all else stays, comments included.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from maskweave.annotations.data_yaml import read_data_yaml
from maskweave.annotations.options import Options
from maskweave.annotations.outlines import outlines
from maskweave.annotations.report import Report
from maskweave.annotations.revision import Change, Revision, exact_text
from maskweave.annotations.yolo import label_path, shares_of
from maskweave.annotations.yolo_lines import checked_lines
from maskweave.errors import InvalidValue
from maskweave.files import atomic_file
from maskweave.optional import optional
from maskweave.types.arrays import Size
from maskweave.types.masks import Masks

_MARK = "\ufeff"


def revise(source: Path, revisions: Sequence[Revision]) -> None:
    """Write revisions into the label files of a data set; see `annotations.revision.revise`."""
    changed = [(each, made) for each in revisions if (made := each.changes())]
    path = source / "data.yaml" if source.is_dir() else source
    data = read_data_yaml(path)
    if data.has_points:
        raise InvalidValue(
            f"{path.name}: need outlines or boxes, got poses (kpt_shape), which cannot be revised"
        )
    names = list(data.names)
    known = len(names)
    labels = {_label(each): (each, made) for each, made in changed}
    if len(labels) < len(changed):
        raise InvalidValue(f"{path.name}: need at most one revision of each image, got several of one")
    texts = {label: _revised(label, *revision, names, known) for label, revision in labels.items()}
    if len(names) > known:
        _write(path, _with_names(path, names[known:]))
    for label, text in texts.items():
        _write(label, text)


def _label(revision: Revision) -> Path:
    if revision.record.image is None:
        raise InvalidValue(
            f"{revision.record.file_name}: need the image, whose place says where its labels are"
        )
    return label_path(revision.record.image)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as part:
        part.write_bytes(text.encode())


def _text(path: Path) -> str:
    return exact_text(path) if path.is_file() else ""


def _revised(label: Path, revision: Revision, changes: Sequence[Change], names: list[str], known: int) -> str:
    """The text of a label file with the changes of one image; further ``names`` are noted."""
    text = _text(label)
    lines = text.removeprefix(_MARK).splitlines(keepends=True)
    size = revision.record.size
    rows = [
        place - 1 for place, found in checked_lines(label, known, size) if not isinstance(found, Exception)
    ]
    if len(rows) != len(revision.record.instances):
        raise InvalidValue(
            f"{label.name}: need the file that was read, it had {len(revision.record.instances)} objects then and "
            f"has {len(rows)} now; read it again"
        )
    newline = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    added = []
    for change in changes:
        if change.name is not None and change.name not in names:
            names.append(change.name)
        if change.row < 0:
            added.append(f"{_changed('', change, names, size)}{newline}")
        elif change.is_removed:
            lines[rows[change.row]] = ""
        else:
            lines[rows[change.row]] = _changed(lines[rows[change.row]], change, names, size)
    last = next((line for line in reversed(lines) if line), "")
    if added and last and not last.endswith(("\n", "\r")):
        added.insert(0, newline)
    return (_MARK if text.startswith(_MARK) else "") + "".join([*lines, *added])


def _changed(line: str, change: Change, names: Sequence[str], size: Size) -> str:
    """A line with another class, another outline, or both; a confidence stays."""
    fields = line.split()
    number = fields[0] if change.name is None else str(names.index(change.name))
    if change.mask is None:
        return re.sub(r"[^\s,;]+", number, line, count=1)
    confidence = fields[-1:] if len(fields) == 6 or (len(fields) >= 8 and len(fields) % 2 == 0) else []
    ending = line[len(line.rstrip()) :]
    return " ".join([number, _outline(change.mask, size), *confidence]) + ending


def _outline(mask: Masks, size: Size) -> str:
    (outline,) = outlines(mask, Options(), Report())
    return shares_of(outline, size)


def _with_names(path: Path, added: Sequence[str]) -> str:
    """The text of a ``data.yaml`` with more names; raises `InvalidValue` where they cannot be put there."""
    text = _text(path)
    content = text.removeprefix(_MARK)
    names = read_data_yaml(path).names
    with optional("data.yaml", install="pip install pyyaml"):
        import yaml
    root: Any = yaml.compose(content, Loader=yaml.SafeLoader)
    nodes = {key.value: value for key, value in root.value}
    if "names" not in nodes:
        raise InvalidValue(f"{path.name}: need names that can be added to, got none; write them into it")
    edits = [_more_names(content, nodes["names"], names, added)]
    if "nc" in nodes:
        counted = nodes["nc"]
        edits.append((counted.start_mark.index, counted.end_mark.index, str(len(names) + len(added))))
    for start, end, new in sorted(edits, reverse=True):
        content = content[:start] + new + content[end:]
    if list((yaml.safe_load(content) or {}).get("names") or ()) not in (
        [*names, *added],
        list(range(len(names) + len(added))),
    ):
        raise InvalidValue(
            f"{path.name}: need names that can be added to; add {', '.join(added)} to them yourself"
        )
    return (_MARK if text.startswith(_MARK) else "") + content


def _more_names(content: str, node: Any, names: Sequence[str], added: Sequence[str]) -> tuple[int, int, str]:
    """Where the further names go, and their text, in the way of those that are there."""
    last = node.value[-1]
    key, value = last if isinstance(last, tuple) else (None, last)
    numbered = [(place, json.dumps(name, ensure_ascii=False)) for place, name in enumerate(added, len(names))]
    at = value.end_mark.index
    if node.flow_style:
        entries = [name if key is None else f"{place}: {name}" for place, name in numbered]
        return at, at, "".join(f", {entry}" for entry in entries)
    begin = (key or value).start_mark
    before = content[begin.index - begin.column : begin.index]  # the indent, and the dash of a list
    newline = "\r\n" if "\r\n" in content else "\n"
    entries = [name if key is None else f"{place}: {name}" for place, name in numbered]
    return at, at, "".join(f"{newline}{before}{entry}" for entry in entries)

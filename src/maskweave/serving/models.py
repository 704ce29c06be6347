"""Which models a request may name: those of the catalogue that are on this machine, and never a path."""

from __future__ import annotations

from maskweave.catalogue.cache import locate
from maskweave.catalogue.entries import ENTRIES, Entry
from maskweave.errors import ModelError
from maskweave.serving.problems import Problem
from maskweave.serving.workers import Message

PROMPTABLE = ("efficient_sam",)
"""Families that find what is pointed at themselves; with any other a detected object is taken, or GrabCut's."""


def check_model(name: str | None, default: str) -> str | None:
    """The name for what a request calls a model, in the catalogue or the default one's; None is the default one.

    Raises a `Problem` for any other, and so for paths.
    """
    if name is None or name == default:
        return None
    entry = next((each for each in ENTRIES if name == each.name or name in each.aliases), None)
    if entry is None:
        raise Problem(422, "UnknownModel", "model: need a name out of /v1/models")
    return entry.name


def listed(default: Message) -> list[Message]:
    """Every model of the catalogue; the one that answers by default is first, and may be a file of the server's.

    ``default``: what `desk.Desk.introduction` tells of it.
    """
    name, classes = default["model"], len(default["classes"])
    rows = [_row(entry, classes if entry.name == name else None) for entry in ENTRIES]
    if not any(row["name"] == name for row in rows):
        own = {"name": name, "task": default["task"], "licence": "", "classes": classes}
        rows.insert(0, {**own, "here": True, "promptable": default["promptable"]})
    return sorted(rows, key=lambda row: row["name"] != name)


def _row(entry: Entry, classes: int | None) -> Message:
    count = len(entry.class_names) if entry.class_names is not None else classes
    return {
        "name": entry.name,
        "task": entry.task,
        "licence": entry.licence,
        "classes": count,
        "here": _is_here(entry),
        "promptable": entry.family in PROMPTABLE,
    }


def _is_here(entry: Entry) -> bool:
    try:
        locate(entry)
    except ModelError:
        return False
    return True

"""The models that a request may name: those of the catalog that are on this machine, and never a path."""

from __future__ import annotations

from maskweave.catalog.cache import locate
from maskweave.catalog.entries import all_entries, entry_named
from maskweave.catalog.entry import Entry
from maskweave.errors import ModelError
from maskweave.serving.problems import Problem
from maskweave.serving.workers import Message

PROMPTABLE = ("efficient_sam", "sam", "guided")
"""Families that find what is pointed at themselves; beside any other the guide answers."""


def check_model(name: str | None, default: str) -> str | None:
    """The name for what a request calls a model, in the catalog or the default one's; None is the default one.

    Raises a `Problem` for any other, and so for paths.
    """
    if name is None or name == default:
        return None
    entry = entry_named(name)
    if entry is None:
        raise Problem(422, "UnknownModel", "model: need a name out of /v1/models")
    return entry.name


def list_models(default: Message) -> list[Message]:
    """Every model of the catalog; the one that answers by default is first, and may be a file of the server's.

    ``default``: what `handler.RequestHandler.introduction` tells of it.
    """
    name, classes = default["model"], len(default["classes"])
    rows = [_row(entry, classes if entry.name == name else None) for entry in all_entries()]
    if not any(row["name"] == name for row in rows):
        own = {"name": name, "task": default["task"], "license": "", "classes": classes}
        rows.insert(0, {**own, "here": True, "promptable": default["promptable"]})
    return sorted(rows, key=lambda row: row["name"] != name)


def _row(entry: Entry, classes: int | None) -> Message:
    count = len(entry.class_names) if entry.class_names is not None else classes
    return {
        "name": entry.name,
        "task": entry.task,
        "license": entry.license,
        "classes": count,
        "here": is_downloaded(entry),
        "promptable": entry.family in PROMPTABLE,
    }


def is_downloaded(entry: Entry) -> bool:
    """Whether a model's files are on this machine, and right."""
    try:
        locate(entry)
    except ModelError:
        return False
    return True

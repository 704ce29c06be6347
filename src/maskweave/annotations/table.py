"""The table of annotation formats: one row each, imported on use."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from maskweave.errors import InvalidValue, did_you_mean

if TYPE_CHECKING:  # what the help of commands is made of must not load NumPy
    from maskweave.annotations.base import Format


class Row(NamedTuple):
    """The ``module`` whose ``FORMAT`` describes a format, and what ``segment --save`` calls it, if not so."""

    module: str
    saved_as: str = ""


TABLE: dict[str, Row] = {
    "coco": Row("maskweave.annotations.coco"),
    "coco-results": Row("maskweave.annotations.coco_results"),
    "panoptic": Row("maskweave.annotations.panoptic"),
    "yolo": Row("maskweave.annotations.yolo"),
    "label-studio": Row("maskweave.annotations.label_studio"),
    "supervisely": Row("maskweave.annotations.supervisely"),
    "labelme": Row("maskweave.annotations.labelme"),
    "cityscapes": Row("maskweave.annotations.cityscapes"),
    "cvat-masks": Row("maskweave.annotations.cvat_masks"),
    "voc": Row("maskweave.annotations.voc"),
    "cvat": Row("maskweave.annotations.cvat"),
    "npz": Row("maskweave.annotations.npz"),
    "geojson": Row("maskweave.annotations.geojson"),
    "html": Row("maskweave.annotations.html_report"),
    "csv": Row("maskweave.annotations.csv_table"),
    "youtube-vis": Row("maskweave.annotations.youtube_vis", saved_as="tracks"),
    "mots": Row("maskweave.annotations.mots"),
    "mots-png": Row("maskweave.annotations.mots_png"),
    "davis": Row("maskweave.annotations.davis"),
}
"""Every format by name, in the order in which a source is compared with them."""


def format_named(name: str) -> Format:
    """The format called ``name``; raises `InvalidValue` that lists all of them."""
    if name not in TABLE:
        hint = did_you_mean(name, TABLE)
        raise InvalidValue(f"format: need one of {', '.join(TABLE)}, got {name!r}{hint}")
    found: Format = import_module(TABLE[name].module).FORMAT
    return found


def save_names() -> dict[str, str]:
    """What ``segment --save`` calls each format, with the format's name."""
    return {row.saved_as or name: name for name, row in TABLE.items()}


def formats() -> Iterator[Format]:
    """Every format of the table, in its order."""
    return map(format_named, TABLE)


def markdown_table() -> str:
    """The table of formats for the documentation, in Markdown."""
    lines = [
        "| format | name | what lies there | read | write | what it cannot hold |",
        "|---|---|---|---|---|---|",
    ]
    lines += [_row(each) for each in sorted(formats(), key=lambda each: each.title.casefold())]
    return "\n".join(lines) + "\n"


def _row(each: Format) -> str:
    from maskweave.annotations.base import FEATURES

    lacking = [feature for feature in FEATURES if feature not in each.holds]
    without = "; ".join(part for part in (", ".join(lacking), each.note) if part) or "holds everything"
    return (
        f"| {each.title} | `{each.name}` | {each.layout} | {'yes' if each.read else 'no'} | yes | {without} |"
    )

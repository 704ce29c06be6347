"""Data sets in the formats of other tools: read, written, and what each of them cannot hold."""

from __future__ import annotations

from maskweave.errors import InvalidValue
from maskweave.formats import (
    cityscapes,
    coco,
    coco_results,
    csv_objects,
    cvat,
    cvat_masks,
    davis,
    geojson,
    html_report,
    labelme,
    mots,
    mots_png,
    npz,
    panoptic,
    supervisely,
    voc,
    yolo,
    youtube_vis,
)
from maskweave.formats.base import Format

FORMATS: tuple[Format, ...] = (
    coco.FORMAT,
    coco_results.FORMAT,
    panoptic.FORMAT,
    yolo.FORMAT,
    supervisely.FORMAT,
    labelme.FORMAT,
    cityscapes.FORMAT,
    voc.FORMAT,
    cvat.FORMAT,
    cvat_masks.FORMAT,
    npz.FORMAT,
    geojson.FORMAT,
    html_report.FORMAT,
    csv_objects.FORMAT,
    youtube_vis.FORMAT,
    mots.FORMAT,
    mots_png.FORMAT,
    davis.FORMAT,
)
"""Every format, in the order in which a source is compared with them."""


def format_named(name: str) -> Format:
    """The format called ``name``; raises `InvalidValue` that lists all of them."""
    for each in FORMATS:
        if each.name == name:
            return each
    raise InvalidValue(f"format: need one of {', '.join(each.name for each in FORMATS)}, got {name!r}")

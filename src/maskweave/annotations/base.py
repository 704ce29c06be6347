"""The seam to annotation formats: a reader yields records, a writer takes them, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np

from maskweave.annotations.options import Options
from maskweave.annotations.record import Record
from maskweave.annotations.report import Report
from maskweave.types.prediction import Task

Feature: TypeAlias = Literal[
    "overlaps", "holes", "parts", "boxes", "scores", "tracks", "crowd", "class map", "class names", "category ids",
    "empty images", "file names",
]  # fmt: skip
"""What a record may hold and a format may not."""
FEATURES: tuple[Feature, ...] = get_args(Feature)

_BOX_DIFFERENCE = 1.0  # pixels by which a box may differ from the extent of its mask and count as the same

Put: TypeAlias = Callable[[Record], None]
Detect: TypeAlias = Callable[[Path], str | None]
Read: TypeAlias = Callable[[Path, Options, Report], Iterator[Record]]
Write: TypeAlias = Callable[[Path, Options, Report], AbstractContextManager[Put]]


@dataclass(frozen=True)
class Format:
    """One annotation format. The module that defines it reads and writes it; the table has one row for it.

    Attributes:
        name: What ``--to`` and ``--from`` take.
        title: For people.
        layout: What lies on the disk.
        holds: What of a record survives writing and reading; the rest is measured and reported.
        detect: Why a path is taken for this format, or None when it is not; reads little.
        read: Yields records one at a time; a record that is broken goes to the report, a source that cannot be read
            at all raises `SourceError` or `InvalidValue`. None for a format that is written only.
        write: A context manager that gives the function which takes records; what it writes appears when whole. All
            losses of a record are reported before anything of it is written.
        suffix: Of the one file it is, or that one video is; "" for a folder.
        media_type: Of that file; "" for a folder.
        stills: Whether the objects of an image on its own can be saved.
        videos: Whether those of a video can be.
        tasks: The tasks whose results can be saved.
        needs_tracks: Whether objects without track ids cannot be saved.
        note: What else the format cannot hold, for the table of the README.
    """

    name: str
    title: str
    layout: str
    holds: frozenset[Feature]
    detect: Detect | None
    read: Read | None
    write: Write
    suffix: str = ""
    media_type: str = ""
    stills: bool = True
    videos: bool = True
    tasks: tuple[Task, ...] = ("instances",)
    needs_tracks: bool = False
    note: str = ""


def drop_unsupported(record: Record, target: Format, options: Options, report: Report) -> Record:
    """The record without what no writer of the format could hold; what that was is reported."""
    if "crowd" not in target.holds and options.crowd == "skip":
        report.lost("crowd left out", int(record.crowds.sum()))
        record = record.select(~record.crowds)
    if "boxes" not in target.holds:
        report.lost("empty", int(np.count_nonzero(record.box_only)))
        record = record.select(~record.box_only)
    instances, crowd = record.instances, record.crowds
    if "boxes" not in target.holds:
        apart = np.abs(instances.boxes - instances.masks.boxes) > _BOX_DIFFERENCE
        report.lost("boxes", int(apart.any(axis=1).sum()))
    if "crowd" not in target.holds:
        report.lost("crowd", int(crowd.sum()))
    if "scores" not in target.holds:
        report.lost("scores", int(np.count_nonzero(instances.scores != 1)))
    if "tracks" not in target.holds and instances.track_ids is not None:
        report.lost("tracks", len(instances))
    if "empty images" not in target.holds:
        report.lost("blank", int(not len(instances)))
    semantic = record.semantic
    if semantic is not None and "class map" not in target.holds:
        outside = ~instances.masks.union() & (semantic.class_map != 0)
        report.lost("class map", 0, int(np.count_nonzero(outside)))
        semantic = None
    return replace(record, crowd=crowd, semantic=semantic)

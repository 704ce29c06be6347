"""What a format cannot hold is taken out of a record before it is written, and reported."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from maskweave.annotations.base import Format
from maskweave.annotations.options import Options
from maskweave.annotations.record import Record
from maskweave.annotations.report import Report

_BOX_DIFFERENCE = 1.0  # pixels by which a box may differ from the extent of its mask and count as the same


def fit(record: Record, target: Format, options: Options, report: Report) -> Record:
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

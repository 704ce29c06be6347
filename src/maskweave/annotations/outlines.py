"""Trace outlines for formats that draw objects as polygons, and measure what filling their holes costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maskweave.annotations.options import Options
from maskweave.annotations.report import Report
from maskweave.ops.polygons import Polygon, mask_to_polygons, rings_to_mask
from maskweave.types.arrays import FloatArray
from maskweave.types.masks import Masks


@dataclass(frozen=True)
class Outline:
    """One object's parts; those of an object without pixels are none."""

    polygons: tuple[Polygon, ...]

    @property
    def exteriors(self) -> list[FloatArray]:
        """The outer ring of each part, (P, 2) x, y in pixels."""
        return [polygon.exterior for polygon in self.polygons]

    @property
    def has_holes(self) -> bool:
        """Whether any part has a hole."""
        return any(polygon.holes for polygon in self.polygons)


def outlines(masks: Masks, options: Options, report: Report) -> list[Outline]:
    """Trace each object. With ``--holes fill`` holes are dropped, and the report notes how many pixels that adds.

    What lies within a hole (a part in the hole of a ring) adds nothing, as parts are united.
    """
    traced = [Outline(tuple(mask_to_polygons(crop, offset=(x, y)))) for crop, x, y in masks.placed()]
    if options.holes == "keep":
        return traced
    holed, added, out = 0, 0, []
    for row, outline in enumerate(traced):
        if outline.has_holes:
            holed += 1
            added += _added(masks, row, outline)
            outline = Outline(tuple(Polygon(each.exterior) for each in outline.polygons))  # noqa: PLW2901
        out.append(outline)
    report.lost("holes", holed, added)
    return out


def _added(masks: Masks, row: int, outline: Outline) -> int:
    """Pixels that are set once the holes are filled and were not before."""
    crop = masks.crops[row]
    size, filled = (crop.shape[0], crop.shape[1]), np.zeros_like(crop)
    for polygon in outline.polygons:
        for hole in polygon.holes:
            filled |= rings_to_mask([hole - masks.corners[row]], size)
    return int(np.count_nonzero(filled & ~crop))

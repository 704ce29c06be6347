"""Measure how well a model answers prompts: mean IoU with exact masks, from which prompts are simulated.

The measures are those that interactive segmentation knows: a true box, a box that a hand draws off, one click at the
innermost pixel, and corrections, each a click in the middle of the largest error (RITM, arXiv:2102.06583).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np

from maskweave.errors import InvalidValue
from maskweave.ops.guidance import error_middle, innermost
from maskweave.ops.iou import dense_iou
from maskweave.types.arrays import Image, Mask
from maskweave.types.instances import Instances
from maskweave.types.prompt import Box, Point, Prompt

CORRECTIONS = 3
OFF = 0.1
"""How far each side of a box that is off lies from where it should, as a share of the object's side, at most."""


class Prompted(Protocol):
    """A model that answers prompts and corrects its answers."""

    def prompt(self, image: Image, prompt: Prompt) -> Instances:
        """One object a box, or one for all points; raises `InvalidValue` where it finds none."""
        ...

    def correct(self, image: Image, mask: Mask, points: Sequence[Point]) -> Mask:
        """(H, W) mask corrected by points; raises `InvalidValue` where nothing is left."""
        ...


@dataclass(frozen=True)
class PromptIous:
    """IoU of one object's answers with its exact mask, or means of them, in 0..1.

    Attributes:
        box: Told the true box.
        box_off: Told a box whose sides are off by up to a tenth.
        click: Told one click at the innermost pixel.
        corrected: After three corrections of that.
    """

    box: float
    box_off: float
    click: float
    corrected: float

    @classmethod
    def mean(cls, rows: Sequence[PromptIous]) -> PromptIous:
        """The mean of each measure over objects."""
        return cls(*(float(np.mean([getattr(row, each.name) for row in rows])) for each in fields(cls)))


def prompt_ious(model: Prompted, image: Image, truth: Mask, rng: np.random.Generator) -> PromptIous:
    """Ask a model about one object in four ways; no answer counts as an empty mask."""
    box = _box_of(truth)
    sides = np.array([box.x2 - box.x1, box.y2 - box.y1] * 2)
    off = Box(*(np.array([box.x1, box.y1, box.x2, box.y2]) + rng.uniform(-OFF, OFF, 4) * sides).tolist())
    x, y, _ = innermost(truth)
    points = [Point(x, y)]
    clicked = answer = _asked(model, image, Prompt(points=tuple(points)))
    for _ in range(CORRECTIONS):
        place = error_middle(answer, truth)
        if place is None:
            break
        points.append(Point(*place, inside=bool(truth[int(place[1]), int(place[0])])))
        answer = _corrected(model, image, answer, points)
    return PromptIous(
        box=dense_iou(_asked(model, image, Prompt(boxes=(box,))), truth),
        box_off=dense_iou(_asked(model, image, Prompt(boxes=(off,))), truth),
        click=dense_iou(clicked, truth),
        corrected=dense_iou(answer, truth),
    )


def _asked(model: Prompted, image: Image, prompt: Prompt) -> Mask:
    try:
        return model.prompt(image, prompt).masks.union()
    except InvalidValue:
        return np.zeros(image.shape[:2], dtype=np.bool_)


def _corrected(model: Prompted, image: Image, answer: Mask, points: Sequence[Point]) -> Mask:
    try:
        return model.correct(image, answer, points)
    except InvalidValue:
        return answer


def _box_of(mask: Mask) -> Box:
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return Box(float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))

"""Small tracked scenes for the writers of videos."""

from fractions import Fraction

import numpy as np

from maskweave.outputs import make_writers
from maskweave.outputs.base import Target
from maskweave.types import Frame, Instances, Masks, SourceInfo

NAMES = ("person", "bicycle", "car", "unicorn")
SIZE = (60, 80)
RATE = Fraction(25)


def target(folder, kind="video", task="instances", **options):
    info = SourceInfo("street", kind, rate=RATE, time_base=Fraction(1, 12800))
    return Target(folder, info, task, NAMES, model="tester", **options)


def writer_of(name, where):
    """The writer of one format."""
    (writer,) = make_writers([name], where)
    return writer


def frame(index=0, size=SIZE, value=100, **options):
    time = Fraction(index, 25)
    return Frame(np.full((*size, 3), value, np.uint8), index, time, duration=Fraction(1, 25), **options)


def squares(*corners, ids=None, side=10, classes=None, scores=None, size=SIZE):
    """Objects of ``side`` x ``side`` pixels with their top-left corners at (x, y); ids from 1 unless given."""
    count = len(corners)
    crops = [np.ones((side, side), bool) for _ in corners]
    masks = Masks(crops, np.array(corners, dtype=int).reshape(-1, 2), size)
    return Instances(
        masks,
        masks.boxes,
        np.linspace(0.9, 0.5, count) if scores is None else scores,
        np.zeros(count, int) if classes is None else classes,
        NAMES,
        np.arange(1, count + 1) if ids is None else np.array(ids, dtype=int),
    )

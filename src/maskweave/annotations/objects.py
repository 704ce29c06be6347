"""Put the columns of objects together, as every reader has them: masks, classes, and what else is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maskweave.types.arrays import FloatArray
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks


def make_objects(
    masks: Masks,
    class_ids: Sequence[int],
    names: Sequence[str],
    *,
    boxes: Sequence[Sequence[float]] | FloatArray | None = None,
    scores: Sequence[float] | FloatArray | None = None,
    track_ids: Sequence[int | None] | None = None,
) -> Instances:
    """The objects of masks and their classes, which are rows of ``names``.

    Boxes are by default the extents of the masks, scores 1. Track ids count where each object has one.
    """
    return Instances(
        masks=masks,
        boxes=masks.boxes if boxes is None else np.array(boxes, dtype=np.float64).reshape(-1, 4),
        scores=np.ones(len(masks)) if scores is None else np.array(scores, dtype=np.float64),
        class_ids=np.array(class_ids, dtype=np.int64),
        class_names=tuple(names),
        track_ids=np.array(track_ids, dtype=np.int64) if track_ids and None not in track_ids else None,
    )


def numbered(labels: Sequence[str], names: Sequence[str] = ()) -> tuple[list[int], tuple[str, ...]]:
    """Class ids of labels, and the classes: ``names``, or without these the labels as they come.

    >>> numbered(["dog", "cat", "dog"])
    ([0, 1, 0], ('dog', 'cat'))
    """
    names = tuple(names) or tuple(dict.fromkeys(labels))
    index = {name: number for number, name in reversed(list(enumerate(names)))}
    return [index[label] for label in labels], names

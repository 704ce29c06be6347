"""Break down what keeps AP from 100 by kinds of errors, as TIDE counts them.

Source: D. Bolya et al., "TIDE: A General Toolbox for Identifying Object Detection Errors", ECCV 2020,
https://arxiv.org/abs/2008.08115, section 2. The cost of a kind of error is how much AP50 would rise if a better model
made none of that kind. Unlike the paper's own program, at most 100 predictions of an image *and class* count, as for
AP, and a prediction in a crowd is no error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue
from maskweave.evaluation.coco_ap import counted_classes
from maskweave.evaluation.coco_truth import CocoTruth
from maskweave.evaluation.matching import best_first, match, precision_curve
from maskweave.ops.boxes import box_areas, box_intersections, box_iou
from maskweave.ops.iou import mask_containment, mask_iou
from maskweave.types.arrays import FloatArray, IntArray
from maskweave.types.instances import Instances

ERRORS = ("class", "localization", "both", "duplicate", "background", "missed")
"""The six kinds.

- class: right place (IoU at least 0.5), wrong class.
- localization: right class, IoU from 0.1 to 0.5.
- both: wrong class, IoU from 0.1 to 0.5.
- duplicate: right in all but that a better prediction took the object.
- background: nothing there (IoU at most 0.1).
- missed: an object that neither a prediction nor one of the first two errors has.
"""
_CLASS, _LOCALIZATION, _BOTH, _DUPLICATE, _BACKGROUND, _MISSED = range(6)
_RIGHT = -1
FOREGROUND, BACKGROUND = 0.5, 0.1
"""IoU from which on an object counts as found, and up to which a prediction shows background."""


@dataclass(frozen=True)
class ErrorCosts:
    """What errors cost, in points of AP50 (0..100).

    Attributes:
        ap50: Average precision at IoU 0.5, mean over the classes with objects; NaN without objects.
        costs: By kind of error, how much `ap50` would rise without it. They do not add up to 100 - `ap50`.
        counts: By kind of error, how many.
        false_positives: How much `ap50` would rise if no prediction was wrong.
        false_negatives: If no object was missed.
    """

    ap50: float
    costs: dict[str, float]
    counts: dict[str, int]
    false_positives: float
    false_negatives: float


@dataclass(frozen=True)
class CocoErrorCosts:
    """For masks (None where only boxes are known) and for boxes."""

    masks: ErrorCosts | None
    boxes: ErrorCosts


@dataclass
class _Tally:
    """Predictions of all images as columns: score, class, kind of error, and the class that mends it or -1."""

    classes: int
    columns: list[NDArray[np.float64]] = field(default_factory=list)
    objects: NDArray[np.int64] = field(init=False)
    missed: NDArray[np.int64] = field(init=False)
    found: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.objects, self.missed, self.found = np.zeros((3, self.classes), dtype=np.int64)


class CocoErrors:
    """The costs of errors over images given one by one; satisfies `Metric`.

    Of each prediction four numbers are kept, of each image none.

    Args:
        class_names: As in truth and predictions.
        max_objects: Maximum number of predictions per image and class.
        masks: Whether masks are looked at beside boxes.
    """

    def __init__(self, class_names: Sequence[str], *, max_objects: int = 100, masks: bool = True) -> None:
        self.class_names = tuple(class_names)
        self.max_objects = max_objects
        self._masks = _Tally(len(self.class_names)) if masks else None
        self._boxes = _Tally(len(self.class_names))
        self._images = 0

    def add(self, truth: CocoTruth, predicted: Instances) -> None:
        """Take in one image; raises `InvalidValue` where class names or sizes differ."""
        counted = counted_classes(truth, predicted, self.class_names)
        self._images += 1
        there = np.flatnonzero(counted[truth.instances.class_ids])
        objects, crowd = truth.instances[there], truth.crowd[there]
        found = self._best(predicted[np.flatnonzero(counted[predicted.class_ids])])
        ids = (found.class_ids, objects.class_ids)
        _compare(self._boxes, found.scores, *ids, _box_overlap(found.boxes, objects.boxes, crowd), crowd)
        if self._masks is not None:
            if truth.box_only is not None:
                crowd = crowd | truth.box_only[there]
            overlap = mask_iou(found.masks, objects.masks)
            overlap[:, crowd] = mask_containment(found.masks, objects.masks[crowd])
            _compare(self._masks, found.scores, *ids, overlap, crowd)

    def _best(self, predicted: Instances) -> Instances:
        """The predictions that count, best first."""
        order = best_first(predicted.scores)
        of_class = dict.fromkeys(range(len(self.class_names)), 0)
        kept = []
        for row, class_id in zip(order.tolist(), predicted.class_ids[order].tolist(), strict=True):
            of_class[class_id] += 1
            if of_class[class_id] <= self.max_objects:
                kept.append(row)
        return predicted[kept]

    def result(self) -> CocoErrorCosts:
        """The costs over all images taken in; raises `InvalidValue` without one."""
        if not self._images:
            raise InvalidValue("errors: need at least one image, got none")
        return CocoErrorCosts(None if self._masks is None else _costs(self._masks), _costs(self._boxes))


def _box_overlap(boxes: FloatArray, others: FloatArray, crowd: NDArray[np.bool_]) -> FloatArray:
    """IoU with objects, share inside crowds."""
    overlap = box_iou(boxes, others)
    areas = np.maximum(box_areas(boxes), 1e-12)
    overlap[:, crowd] = box_intersections(boxes, others[crowd]) / areas[:, None]
    return overlap


def _compare(
    tally: _Tally,
    scores: FloatArray,
    found: NDArray[np.int64],
    objects: NDArray[np.int64],
    overlap: FloatArray,
    crowd: NDArray[np.bool_],
) -> None:
    """Sort one image's predictions (classes ``found``, best first) and objects into right and wrong."""
    same = found[:, None] == objects[None]
    matched = match(np.where(same, overlap, 0.0), crowd, FOREGROUND)
    in_crowd = (matched >= 0) & crowd[matched] if len(crowd) else matched >= 0
    used = np.isin(np.arange(len(objects)), matched)
    iou = np.where(crowd, 0.0, overlap)
    own = np.where(same, iou, 0.0).max(axis=1, initial=0.0)
    other = np.where(same, 0.0, iou)
    others = other.max(axis=1, initial=0.0)
    kinds = np.select(
        [matched >= 0, (own >= BACKGROUND) & (own < FOREGROUND), others >= FOREGROUND, own >= FOREGROUND,
         np.maximum(own, others) <= BACKGROUND],
        [_RIGHT, _LOCALIZATION, _CLASS, _DUPLICATE, _BACKGROUND],
        _BOTH,
    )  # fmt: skip
    mended = np.full(len(found), -1)
    claimed = used | crowd
    for row in np.flatnonzero((kinds == _LOCALIZATION) | (kinds == _CLASS)):
        near = np.where(same[row], iou[row], 0.0) if kinds[row] == _LOCALIZATION else other[row]
        aim = int(near.argmax())
        if not claimed[aim]:  # each object can be found once: by the best score that nearly did
            claimed[aim], mended[row] = True, objects[aim]
    kept = ~in_crowd
    tally.columns.append(np.stack([scores, found, kinds, mended], axis=1)[kept])
    for counts, which in (
        (tally.objects, ~crowd), (tally.found, used & ~crowd), (tally.missed, ~claimed),
    ):  # fmt: skip
        np.add.at(counts, objects[which], 1)


def _costs(tally: _Tally) -> ErrorCosts:
    table = np.concatenate([*tally.columns, np.zeros((0, 4))])
    scores, classes, kinds, mended = table[best_first(table[:, 0])].T
    counts = {name: int((kinds == kind).sum()) for kind, name in enumerate(ERRORS)}
    counts[ERRORS[_MISSED]] = int(tally.missed.sum())
    right = kinds == _RIGHT
    known = tally.objects > 0
    if not known.any():
        nan = float("nan")
        return ErrorCosts(nan, dict.fromkeys(ERRORS, nan), counts, nan, nan)

    def ap50(keep: NDArray[np.bool_], of: FloatArray, hits: NDArray[np.bool_], objects: IntArray) -> float:
        each = [
            precision_curve(hits[keep & (of == index)], int(objects[index])).mean()
            for index in np.flatnonzero(known)
        ]
        return float(np.mean(each)) * 100

    every = np.ones(len(scores), dtype=bool)
    now = ap50(every, classes, right, tally.objects)
    costs = {}
    for kind, name in enumerate(ERRORS[:_MISSED]):
        mend = (kinds == kind) & (mended >= 0)
        better = ap50((kinds != kind) | mend, np.where(mend, mended, classes), right | mend, tally.objects)
        costs[name] = max(better - now, 0.0)
    costs[ERRORS[_MISSED]] = max(ap50(every, classes, right, tally.objects - tally.missed) - now, 0.0)
    return ErrorCosts(
        ap50=now,
        costs=costs,
        counts=counts,
        false_positives=max(ap50(right, classes, right, tally.objects) - now, 0.0),
        false_negatives=max(ap50(every, classes, right, tally.found) - now, 0.0),
    )

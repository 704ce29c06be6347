"""Panoptic quality: how well the class and object of every pixel are predicted.

Definition: A. Kirillov et al., "Panoptic Segmentation", CVPR 2019, https://arxiv.org/abs/1801.00868, section 4. A
predicted and a true segment of one class match where their IoU exceeds one half, so that each has at most one match;
PQ = sum of IoU over matches / (matches + half the unmatched of both sides), SQ the mean IoU of matches, RQ = PQ / SQ.

- *Void* pixels, of the truth's id 0, are taken out of the prediction when IoU is computed.
- Groups marked ``iscrowd`` are matched with nothing and missed by nobody.
- An unmatched prediction that lies by more than half in void and in groups of its class is no error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue
from maskweave.evaluation.matching import percent
from maskweave.types.arrays import FloatArray, IntArray, Size

VOID = 0
MATCH = 0.5
"""IoU above which two segments are the same."""


@dataclass(frozen=True)
class Segment:
    """One object, or all stuff of one class: an index into the class names; ``crowd`` for a group of objects."""

    class_id: int
    crowd: bool = False


@dataclass(frozen=True, eq=False)
class PanopticMap:
    """A segment for every pixel: (H, W) integer ids, 0 for none, and what each id is.

    Raises `InvalidValue` where ids and ``segments`` do not tell of the same segments, or the map is not (H, W).
    """

    id_map: IntArray
    segments: Mapping[int, Segment]

    def __post_init__(self) -> None:
        """Check that both tell the same."""
        ids = np.asarray(self.id_map)
        if ids.ndim != 2 or ids.dtype.kind not in "iu":
            raise InvalidValue(f"id_map: need (H, W) integers, got {ids.shape} {ids.dtype}")
        shown = set(np.unique(ids).tolist()) - {VOID}
        listed = set(self.segments)
        if VOID in listed:
            raise InvalidValue(f"segments: need ids from 1, got {VOID}, which is void")
        if shown - listed:
            raise InvalidValue(f"id_map: need ids of segments, got {min(shown - listed)}, which is none")
        if listed - shown:
            raise InvalidValue(f"segments: need ids with pixels, got {min(listed - shown)}, which has none")

    @property
    def size(self) -> Size:
        """(height, width)."""
        height, width = self.id_map.shape
        return height, width


@dataclass(frozen=True)
class PanopticQuality:
    """PQ, SQ and RQ in 0..100; NaN where nothing is there and nothing was predicted."""

    pq: float
    sq: float
    rq: float


@dataclass(frozen=True)
class ClassQuality(PanopticQuality):
    """Of one class, with its matched, surplus and missed segments."""

    true_positives: int
    false_positives: int
    false_negatives: int


@dataclass(frozen=True)
class PanopticScores:
    """Of all images.

    Attributes:
        all: Mean over the classes of which there is something.
        things: Mean over those that are things.
        stuff: Mean over the others.
        classes: By class name.
        is_thing: By class name.
        images: How many.
    """

    all: PanopticQuality
    things: PanopticQuality
    stuff: PanopticQuality
    classes: dict[str, ClassQuality]
    is_thing: dict[str, bool]
    images: int


class PanopticMetric:
    """Collects images one by one and keeps four numbers a class; satisfies `Metric`.

    Args:
        class_names: What class ids index.
        is_thing: Of each class, whether its objects are told apart.
    """

    def __init__(self, class_names: Sequence[str], is_thing: Sequence[bool]) -> None:
        if len(class_names) != len(is_thing):
            raise InvalidValue(f"is_thing: need {len(class_names)} values, one a class, got {len(is_thing)}")
        self.class_names = tuple(class_names)
        self.is_thing = np.array(is_thing, dtype=bool)
        self._iou = np.zeros(len(self.class_names))
        self._counts = np.zeros((3, len(self.class_names)), dtype=np.int64)  # matched, surplus, missed
        self._images = 0

    def add(self, truth: PanopticMap, predicted: PanopticMap) -> None:
        """Take in one image; raises `InvalidValue` where sizes differ."""
        if truth.size != predicted.size:
            raise InvalidValue(f"need a prediction of (height, width) {truth.size}, got {predicted.size}")
        matched, surplus, missed = self._counts
        pairs = _Pairs(truth, predicted)
        found = set()
        for true_id, predicted_id, iou in pairs.matches():
            class_id = predicted.segments[predicted_id].class_id
            matched[class_id] += 1
            self._iou[class_id] += iou
            found |= {("true", true_id), ("predicted", predicted_id)}
        for true_id, segment in truth.segments.items():
            if not segment.crowd and ("true", true_id) not in found:
                missed[segment.class_id] += 1
        for predicted_id, segment in predicted.segments.items():
            if ("predicted", predicted_id) not in found and not pairs.is_ignored(predicted_id):
                surplus[segment.class_id] += 1
        self._images += 1

    def result(self) -> PanopticScores:
        """The scores over all images taken in; raises `InvalidValue` without one."""
        if not self._images:
            raise InvalidValue("panoptic: need at least one image, got none")
        matched, surplus, missed = self._counts
        weight = matched + surplus / 2 + missed / 2
        pq, rq = percent(self._iou, weight), percent(matched, weight)
        sq = np.where(weight > 0, np.nan_to_num(percent(self._iou, matched)), np.nan)
        table = np.stack([pq, sq, rq])
        known = weight > 0
        return PanopticScores(
            all=_mean(table[:, known]),
            things=_mean(table[:, known & self.is_thing]),
            stuff=_mean(table[:, known & ~self.is_thing]),
            classes={
                name: ClassQuality(*(*table[:, row].tolist(), *self._counts[:, row].tolist()))
                for row, name in enumerate(self.class_names)
            },
            is_thing=dict(zip(self.class_names, self.is_thing.tolist(), strict=True)),
            images=self._images,
        )


class _Pairs:
    """How many pixels each true segment shares with each predicted one, void included."""

    def __init__(self, truth: PanopticMap, predicted: PanopticMap) -> None:
        self._truth, self._predicted = truth.segments, predicted.segments
        true_ids, rows = np.unique(truth.id_map, return_inverse=True)
        found_ids, columns = np.unique(predicted.id_map, return_inverse=True)
        pairs = rows.ravel() * len(found_ids) + columns.ravel()
        shared = np.bincount(pairs, minlength=len(true_ids) * len(found_ids))
        self._shared: NDArray[np.int64] = shared.reshape(len(true_ids), len(found_ids))
        self._true_ids, self._found_ids = true_ids.tolist(), found_ids.tolist()
        self._rows = {each: row for row, each in enumerate(self._true_ids)}
        self._columns = {each: column for column, each in enumerate(self._found_ids)}
        self._areas = (self._shared.sum(axis=1), self._shared.sum(axis=0))
        void = self._rows.get(VOID)
        self._void = self._shared[void] if void is not None else np.zeros(len(found_ids), dtype=np.int64)

    def matches(self) -> list[tuple[int, int, float]]:
        """True id, predicted id and IoU of every match."""
        matches = []
        for row, column in np.argwhere(self._shared > 0).tolist():
            true_id, found_id = self._true_ids[row], self._found_ids[column]
            if VOID in (true_id, found_id) or self._truth[true_id].crowd:
                continue
            if self._truth[true_id].class_id != self._predicted[found_id].class_id:
                continue
            shared = int(self._shared[row, column])
            union = int(self._areas[0][row] + self._areas[1][column] - shared - self._void[column])
            if shared / union > MATCH:
                matches.append((true_id, found_id, shared / union))
        return matches

    def is_ignored(self, found_id: int) -> bool:
        """Whether a prediction does not count: more than half of it lies on void pixels or a crowd of its class."""
        column = self._columns[found_id]
        excused = int(self._void[column])
        for true_id, segment in self._truth.items():
            if segment.crowd and segment.class_id == self._predicted[found_id].class_id:
                excused += int(self._shared[self._rows[true_id], column])
        return excused / int(self._areas[1][column]) > MATCH


def _mean(table: FloatArray) -> PanopticQuality:
    if not table.shape[1]:
        return PanopticQuality(float("nan"), float("nan"), float("nan"))
    pq, sq, rq = table.mean(axis=1).tolist()
    return PanopticQuality(pq, sq, rq)

"""Average precision of masks through time, as YouTube-VIS defines it.

Two tracks overlap by the pixels they share, summed over all frames, against the pixels of either; all else is COCO's
AP, a clip taking the place of an image. Source: L. Yang et al., "Video Instance Segmentation", ICCV 2019,
https://arxiv.org/abs/1905.04804, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue
from maskweave.evaluation.matching import THRESHOLDS, best_first, match, precision_curve
from maskweave.evaluation.video_clips import VideoClip, overlaps
from maskweave.types.arrays import FloatArray

MAX_DETECTIONS = 100
"""So many tracks of a clip and class count."""


@dataclass(frozen=True)
class TrackPrecision:
    """Of one class, or the mean over classes, in 0..100; NaN where no object is labeled.

    Attributes:
        ap: Mean over IoU thresholds 0.50 to 0.95.
        ap50: At IoU 0.50.
        ap75: At IoU 0.75.
        ar_1: Average recall when one track of a clip and class counts.
        ar_10: When ten count.
    """

    ap: float
    ap50: float
    ap75: float
    ar_1: float
    ar_10: float


@dataclass(frozen=True)
class VideoPrecision:
    """The mean over the classes with objects, each class by name, and (10, 101) mean precision by IoU and recall."""

    mean: TrackPrecision
    classes: dict[str, TrackPrecision]
    curves: FloatArray


class VideoAP:
    """Collects clips one by one and keeps a few numbers of each track; satisfies `Metric`."""

    def __init__(self, class_names: Sequence[str]) -> None:
        self.class_names = tuple(class_names)
        # of each class a block a clip: columns of score, rank, and for each threshold 1 right, 0 wrong, -1 in a crowd
        self._found: list[list[FloatArray]] = [[] for _ in self.class_names]
        self._objects = np.zeros(len(self.class_names), dtype=np.int64)

    def add(self, truth: VideoClip, predicted: VideoClip) -> None:
        """Take in one clip; raises `InvalidValue` where class names or sizes differ."""
        iou = clip_iou(truth, predicted)
        true_classes = np.array([track.class_id for track in truth.tracks], dtype=np.int64)
        found_classes = np.array([track.class_id for track in predicted.tracks], dtype=np.int64)
        crowd = np.array([track.crowd for track in truth.tracks], dtype=bool)
        scores = np.array([track.score for track in predicted.tracks])
        np.add.at(self._objects, true_classes[~crowd], 1)
        for class_id in np.unique(found_classes):
            rows = np.flatnonzero(found_classes == class_id)
            rows = rows[best_first(scores[rows])][:MAX_DETECTIONS]
            columns = np.flatnonzero(true_classes == class_id)
            verdicts = [
                _verdict(match(iou[np.ix_(rows, columns)], crowd[columns], threshold), crowd[columns])
                for threshold in THRESHOLDS
            ]
            self._found[class_id].append(np.stack([scores[rows], np.arange(len(rows)), *verdicts], axis=1))

    def result(self) -> VideoPrecision:
        """The scores over all clips taken in; raises `InvalidValue` without an object."""
        if not self._objects.any():
            raise InvalidValue("video AP: need at least one clip with a true object, got none")
        curves = {
            name: self._curves(index) for index, name in enumerate(self.class_names) if self._objects[index]
        }
        unknown = TrackPrecision(*[float("nan")] * 5)
        classes = {name: self._scores(index, curves[name]) if name in curves else unknown
                   for index, name in enumerate(self.class_names)}  # fmt: skip
        table = np.array([list(vars(classes[name]).values()) for name in curves])
        mean = TrackPrecision(*table.mean(axis=0).tolist())
        return VideoPrecision(mean, classes, np.mean(list(curves.values()), axis=0))

    def _table(self, class_id: int) -> FloatArray:
        """All tracks of a class, best first."""
        table = np.concatenate([*self._found[class_id], np.zeros((0, 2 + len(THRESHOLDS)))])
        return table[best_first(table[:, 0])]

    def _curves(self, class_id: int) -> FloatArray:
        verdicts = self._table(class_id)[:, 2:]
        objects = int(self._objects[class_id])
        return np.array([precision_curve(each[each >= 0] > 0, objects) for each in verdicts.T])

    def _scores(self, class_id: int, curves: FloatArray) -> TrackPrecision:
        table, objects = self._table(class_id), self._objects[class_id]
        recalls = [
            float((table[table[:, 1] < limit, 2:] > 0).sum() / objects / len(THRESHOLDS)) for limit in (1, 10)
        ]
        ap, ap50, ap75 = curves.mean(), curves[0].mean(), curves[5].mean()
        return TrackPrecision(*(100 * float(each) for each in (ap, ap50, ap75, *recalls)))


def clip_iou(truth: VideoClip, predicted: VideoClip) -> FloatArray:
    """(N, M) of N predicted and M true tracks: IoU through time, or for crowds the share of the prediction inside."""
    shared = np.zeros((len(predicted.tracks), len(truth.tracks)))
    true_areas, areas = np.zeros(len(truth.tracks)), np.zeros(len(predicted.tracks))
    for frame in overlaps(truth, predicted):
        true_areas[frame.true] += frame.true_areas
        areas[frame.found] += frame.found_areas
        shared[np.ix_(frame.found, frame.true)] += frame.shared.T
    crowd = np.array([track.crowd for track in truth.tracks], dtype=bool)
    whole = np.where(crowd, areas[:, None], areas[:, None] + true_areas - shared)
    iou: FloatArray = np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)
    return iou


def _verdict(matched: NDArray[np.int64], crowd: NDArray[np.bool_]) -> FloatArray:
    """1 for an object taken, 0 for none, -1 for a part of a crowd."""
    in_crowd = np.append(crowd, False)[matched]
    return np.where(matched < 0, 0.0, np.where(in_crowd, -1.0, 1.0))

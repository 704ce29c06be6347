"""Measure how well objects keep their identity: HOTA, IDF1 and MOTA on masks, by the library of HOTA's authors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue
from maskweave.evaluation.video_clips import FrameOverlap, VideoClip, overlaps
from maskweave.ops.iou import mask_iou
from maskweave.optional import optional
from maskweave.types.arrays import FloatArray
from maskweave.types.instances import Instances

ALPHAS: FloatArray = np.arange(1, 20) * 0.05
"""The IoU over which HOTA is a mean."""
_MATCH = 0.5  # IoU of the same object; share of a found object that lies where nothing counts
INSTALL = "pip install 'maskweave[evaluate]' && pip install --no-deps 'trackeval>=1.3'"


@dataclass(frozen=True)
class TrackingResult:
    """The figures of one clip, or of several together; shares in 0..1 (``mota`` may be negative).

    - ``hota``: mean over the IoU 0.05..0.95 of the root of detection times association accuracy
      (Luiten et al., https://arxiv.org/abs/2009.07736), ``det_a`` and ``ass_a`` its two sides.
    - ``idf1``: of identities, matched over the whole clip (Ristani et al., https://arxiv.org/abs/1609.01775).
    - ``mota``: 1 - (misses + false objects + switches) / objects (Bernardin and Stiefelhagen, 2008), IoU 0.5.
    - ``switches``: how often a true object changed its number.
    - ``curves``: HOTA, DetA and AssA at each of the IoU of `ALPHAS`.
    """

    hota: float
    det_a: float
    ass_a: float
    idf1: float
    mota: float
    switches: int
    curves: Mapping[str, tuple[float, ...]]


@dataclass
class TrackingClip:
    """Collects a clip, frame after frame, as the ids and mask IoU of truth and result."""

    truth_ids: list[NDArray[np.int64]] = field(default_factory=list)
    found_ids: list[NDArray[np.int64]] = field(default_factory=list)
    overlaps: list[FloatArray] = field(default_factory=list)

    def add(self, truth: Instances, found: Instances) -> None:
        """Add one frame; raises `InvalidValue` where one has no track ids or the sizes differ."""
        for name, instances in (("truth", truth), ("result", found)):
            if instances.track_ids is None:
                raise InvalidValue(f"frame {len(self.overlaps)}: need track_ids in the {name}, got none")
            if len(set(instances.track_ids.tolist())) < len(instances):
                raise InvalidValue(
                    f"frame {len(self.overlaps)}: need each id once in the {name}, got doubles"
                )
        if truth.size != found.size:
            raise InvalidValue(
                f"frame {len(self.overlaps)}: need truth and result of one size, "
                f"got {truth.size} and {found.size}"
            )
        self.truth_ids.append(np.asarray(truth.track_ids))
        self.found_ids.append(np.asarray(found.track_ids))
        self.overlaps.append(mask_iou(truth.masks, found.masks))


@dataclass(frozen=True)
class TrackingScores:
    """``all``: counts of all classes, added up before shares are taken; ``classes``: those with objects, by name."""

    all: TrackingResult
    classes: dict[str, TrackingResult]


class TrackingMetric:
    """Collects clips one by one, of each the ids and overlaps; satisfies `Metric`.

    Objects of different classes never match. What was found in a region that is ignored, or in a crowd of its class,
    and is no true object, is left out, as KITTI MOTS does.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        self.class_names = tuple(class_names)
        self._clips: dict[int, list[TrackingClip]] = {}

    def add(self, truth: VideoClip, predicted: VideoClip) -> None:
        """Take in one clip; raises `InvalidValue` where class names or sizes differ."""
        frames = overlaps(truth, predicted)
        classes = {track.class_id for clip in (truth, predicted) for track in clip.tracks}
        for class_id in sorted(classes):
            clip = TrackingClip()
            for frame in frames:
                _add_frame(clip, frame, truth, predicted, class_id)
            self._clips.setdefault(class_id, []).append(clip)

    def result(self) -> TrackingScores:
        """The scores over all clips taken in; raises as `score_tracking` does."""
        whole = score_tracking([clip for clips in self._clips.values() for clip in clips])
        classes = {
            self.class_names[class_id]: score_tracking(clips)
            for class_id, clips in sorted(self._clips.items())
            if any(len(ids) for clip in clips for ids in clip.truth_ids)
        }
        return TrackingScores(whole, classes)


def _add_frame(
    clip: TrackingClip, frame: FrameOverlap, truth: VideoClip, predicted: VideoClip, class_id: int
) -> None:
    """Add the objects of one class in one frame, less those that were found where nothing counts."""
    of_class = [row for row, each in enumerate(frame.true) if truth.tracks[each].class_id == class_id]
    crowds = [row for row in of_class if truth.tracks[frame.true[row]].crowd]
    true = [row for row in of_class if row not in crowds]
    found = [column for column, each in enumerate(frame.found) if predicted.tracks[each].class_id == class_id]
    areas = frame.found_areas[found]
    union = frame.true_areas[true][:, None] + areas[None] - frame.shared[np.ix_(true, found)]
    iou = frame.shared[np.ix_(true, found)] / np.maximum(union, 1)
    uncounted = frame.ignored[found] + frame.shared[np.ix_(crowds, found)].sum(axis=0)
    kept = (iou.max(axis=0, initial=0.0) >= _MATCH) | (uncounted <= _MATCH * areas)
    clip.truth_ids.append(np.array([frame.true[row] for row in true], dtype=np.int64))
    clip.found_ids.append(np.array([frame.found[column] for column in found], dtype=np.int64)[kept])
    clip.overlaps.append(iou[:, kept])


def score_tracking(clips: Sequence[TrackingClip]) -> TrackingResult:
    """Score clips together, as benchmarks do: counts are added up before shares are taken.

    Raises `InvalidValue` without clips or without a true object, `MissingDependency` without trackeval.
    """
    if not any(len(ids) for clip in clips for ids in clip.truth_ids):
        raise InvalidValue("tracking: need at least one clip with a true object, got none")
    with optional("HOTA, IDF1 and MOTA", install=INSTALL):
        from trackeval.metrics import CLEAR, HOTA, Identity
    data = {str(number): _as_trackeval(clip) for number, clip in enumerate(clips)}
    quiet = {"PRINT_CONFIG": False}
    combined: dict[str, Any] = {}
    for metric in (HOTA(), CLEAR(quiet), Identity(quiet)):
        each = {name: metric.eval_sequence(clip) for name, clip in data.items()}
        combined |= metric.combine_sequences(each)
    return TrackingResult(
        hota=float(np.mean(combined["HOTA"])),
        det_a=float(np.mean(combined["DetA"])),
        ass_a=float(np.mean(combined["AssA"])),
        idf1=float(combined["IDF1"]),
        mota=float(combined["MOTA"]),
        switches=int(combined["IDSW"]),
        curves={name: tuple(combined[name].tolist()) for name in ("HOTA", "DetA", "AssA")},
    )


def _as_trackeval(clip: TrackingClip) -> dict[str, Any]:
    """The clip in the library's terms: ids from 0 without gaps, counts, and the overlaps."""
    truth, truth_ids = _without_gaps(clip.truth_ids)
    found, found_ids = _without_gaps(clip.found_ids)
    return {
        "num_timesteps": len(clip.overlaps),
        "num_gt_ids": truth_ids,
        "num_tracker_ids": found_ids,
        "num_gt_dets": sum(map(len, truth)),
        "num_tracker_dets": sum(map(len, found)),
        "gt_ids": truth,
        "tracker_ids": found,
        "similarity_scores": clip.overlaps,
    }


def _without_gaps(ids: Sequence[NDArray[np.int64]]) -> tuple[list[NDArray[np.int64]], int]:
    known = np.unique(np.concatenate(ids))
    return [np.searchsorted(known, each) for each in ids], len(known)

"""How well objects keep their identity: HOTA, IDF1 and MOTA on masks, by the library of HOTA's authors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue, MissingDependency
from maskweave.ops.iou import mask_iou
from maskweave.types.arrays import FloatArray
from maskweave.types.instances import Instances

INSTALL = "pip install 'maskweave[evaluate]' && pip install --no-deps 'trackeval>=1.3'"


@dataclass(frozen=True)
class TrackingResult:
    """The figures of one clip, or of several together; shares in 0..1 (``mota`` may be negative).

    - ``hota``: mean over the IoU 0.05..0.95 of the root of detection times association accuracy
      (Luiten et al., https://arxiv.org/abs/2009.07736), ``det_a`` and ``ass_a`` its two sides.
    - ``idf1``: of identities, matched over the whole clip (Ristani et al., https://arxiv.org/abs/1609.01775).
    - ``mota``: 1 - (misses + false objects + switches) / objects (Bernardin and Stiefelhagen, 2008), IoU 0.5.
    - ``switches``: how often a true object changed its number.
    """

    hota: float
    det_a: float
    ass_a: float
    idf1: float
    mota: float
    switches: int


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


def score_tracking(clips: Sequence[TrackingClip]) -> TrackingResult:
    """Score clips together, as benchmarks do: counts are added up before shares are taken.

    Raises `InvalidValue` without clips or without a true object, `MissingDependency` without trackeval.
    """
    if not any(len(ids) for clip in clips for ids in clip.truth_ids):
        raise InvalidValue("tracking: need at least one clip with a true object, got none")
    try:
        from trackeval.metrics import CLEAR, HOTA, Identity
    except ImportError as error:
        raise MissingDependency(f"HOTA, IDF1 and MOTA need the library trackeval: {INSTALL}") from error
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

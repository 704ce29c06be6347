"""The plain reference that the tracker is measured against: an object is the one its mask overlaps most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskweave.ops.iou import mask_iou
from maskweave.types.arrays import FloatArray
from maskweave.types.instances import Instances
from maskweave.types.masks import concatenate
from maskweave.video.stream import FrameFacts


@dataclass
class _Memory:
    """The last sight of every object that may still come back."""

    instances: Instances
    ages: NDArray[np.int64]  # frames since each was seen


class OverlapTracker:
    """Matches by mask IoU, best pairs first, class by class.

    An object that is not found for ``patience`` frames is forgotten; its number is not used again. Pairs under
    ``least_iou`` are never matched. There is no motion model: things that move more than their own width between
    frames get new numbers.
    """

    def __init__(self, *, least_iou: float = 0.2, patience: int = 15) -> None:
        self._least_iou = least_iou
        self._patience = patience
        self._memory: _Memory | None = None
        self._next_id = 1

    def start(self, score: float) -> float:
        """Low scores are of no use."""
        return score

    def update(self, facts: FrameFacts, instances: Instances) -> Instances:
        """Return ``instances`` with track ids; see `Tracker`."""
        known = self._memory
        if known is None or known.instances.size != instances.size:
            matches = np.full(len(instances), -1, dtype=np.int64)
        else:
            matches = self._match(instances, known.instances)
        ids = np.empty(len(instances), dtype=np.int64)
        for row, match in enumerate(matches.tolist()):
            if match >= 0 and known is not None and known.instances.track_ids is not None:
                ids[row] = known.instances.track_ids[match]
            else:
                ids[row], self._next_id = self._next_id, self._next_id + 1
        tracked = instances.replace(track_ids=ids)
        self._remember(tracked, matches)
        return tracked

    def _match(self, instances: Instances, known: Instances) -> NDArray[np.int64]:
        overlap = mask_iou(instances.masks, known.masks)
        overlap[instances.class_ids[:, None] != known.class_ids[None]] = 0
        return greedy_assignment(overlap, minimum=self._least_iou)

    def _remember(self, tracked: Instances, matches: NDArray[np.int64]) -> None:
        known = self._memory
        ages = np.zeros(len(tracked), dtype=np.int64)
        if known is None or known.instances.size != tracked.size:
            self._memory = _Memory(tracked, ages)
            return
        missed = np.setdiff1d(np.arange(len(known.instances)), matches)
        missed = missed[known.ages[missed] < self._patience]
        self._memory = _Memory(
            _join(tracked, known.instances[missed]), np.concatenate([ages, known.ages[missed] + 1])
        )


def greedy_assignment(similarity: FloatArray, *, minimum: float) -> NDArray[np.int64]:
    """For each of N rows the column of an (N, M) matrix it is paired with, or -1: the best pair first."""
    matches = np.full(len(similarity), -1, dtype=np.int64)
    taken = np.zeros(similarity.shape[1], dtype=bool)
    rows, columns = np.nonzero(similarity >= minimum)
    for index in np.argsort(-similarity[rows, columns], kind="stable"):
        row, column = rows[index], columns[index]
        if matches[row] < 0 and not taken[column]:
            matches[row], taken[column] = column, True
    return matches


def _join(first: Instances, second: Instances) -> Instances:
    return first.replace(
        masks=concatenate([first.masks, second.masks]),
        boxes=np.concatenate([first.boxes, second.boxes]),
        scores=np.concatenate([first.scores, second.scores]),
        class_ids=np.concatenate([first.class_ids, second.class_ids]),
        track_ids=np.concatenate([_ids(first), _ids(second)]),
    )


def _ids(instances: Instances) -> NDArray[np.int64]:
    return np.zeros(len(instances), np.int64) if instances.track_ids is None else instances.track_ids

"""Drop tracks that live for a few frames only: they are mistakes more often than objects."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import replace

import numpy as np

from maskweave.types.instances import Instances
from maskweave.types.prediction import Prediction
from maskweave.types.result import FrameResult


def drop_short_tracks(results: Generator[FrameResult], min_frames: int) -> Generator[FrameResult]:
    """Yield each frame with the tracks that are seen in ``min_frames`` frames up to that many frames later.

    So a track is there from its first frame on, a frame comes ``min_frames`` - 1 frames late, and no more of them are
    held. Of a video that is shorter, its own length is enough. What has no tracks passes as it is.
    """
    waiting: deque[FrameResult] = deque()
    seen: Counter[int] = Counter()
    frames = 0
    with closing(results):
        for result in results:
            frames += 1
            seen.update(_track_ids(result.prediction))
            waiting.append(result)
            if len(waiting) == min_frames:
                yield _kept(waiting.popleft(), seen, min_frames)
    for result in waiting:
        yield _kept(result, seen, min(min_frames, frames))


def _kept(result: FrameResult, seen: Counter[int], min_count: int) -> FrameResult:
    prediction = result.prediction
    if not isinstance(prediction, Instances) or prediction.track_ids is None:
        return result
    rows = np.array([seen[each] >= min_count for each in _track_ids(prediction)], dtype=bool)
    return replace(result, prediction=prediction[rows])


def _track_ids(prediction: Prediction) -> Iterable[int]:
    if not isinstance(prediction, Instances) or prediction.track_ids is None:
        return ()
    ids: list[int] = prediction.track_ids.tolist()
    return ids

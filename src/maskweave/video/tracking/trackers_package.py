"""Adapt the trackers of the package ``trackers`` (Apache-2.0), which follow boxes."""

from __future__ import annotations

import logging
import math
from typing import Any

import numpy as np

from maskweave.errors import InvalidValue
from maskweave.optional import optional
from maskweave.types.arrays import FloatArray, Size
from maskweave.types.frame import Frame
from maskweave.types.instances import Instances
from maskweave.video.stream import FrameFacts

INSTALL = "pip install 'maskweave[trackers]' && pip install --no-deps 'trackers>=2.6'"
"""The package names opencv-python, whose files would lie over those of opencv-python-headless."""
_CLASSES = {"bytetrack": "ByteTrackTracker", "botsort": "BoTSORTTracker"}
_SILENT = (
    logging.NullHandler()
)  # botsort logs each frame whose camera motion it cannot tell, and goes without
_GOOD = 0.6  # the score from which on the package by itself calls an object good
_NOMINAL = 1 / 30  # seconds of the package's clock between frames: what its constants are made for
_MIN_INTERVAL = 1 / 240  # seconds: closer frames do not tell a stream's rate
_PATIENCE = 1.0  # seconds that a hidden object is waited for
_SLACK = 1.5  # steps between frames that are waited at least, or a slow stream would give no numbers


class PackageTracker:
    """Follows boxes with one of ``trackers``: bytetrack, or botsort, which allows for the camera.

    It does not look at masks, colors or classes. An object has a number from its second sighting on, with botsort
    in a stream's first frame at once; objects without one are left out. A hidden object is waited for a second.
    When the image's size changes or time runs backwards, tracks end. Numbers are never used again.

    Raises `InvalidValue` for another name, `MissingDependency` when the package is not installed.
    """

    def __init__(self, name: str) -> None:
        if name not in _CLASSES:
            raise InvalidValue(f"tracker: need one of {', '.join(_CLASSES)}, got {name!r}")
        with optional(f"tracker {name}", install=INSTALL):
            import supervision
            import trackers
        logging.getLogger("trackers").addHandler(_SILENT)
        self._detections = supervision.Detections
        self._make = getattr(trackers, _CLASSES[name])
        self._takes_image = name == "botsort"
        self._min_score = 0.0
        self._tracker: Any = None
        self._size: Size | None = None
        self._time = self._package_time = (
            0.0  # seconds of the stream and of the package's clock at the last frame
        )
        self._step: float | None = None  # seconds of the stream between the last two frames
        self._pace = 1.0  # seconds of the package's clock in one of the stream
        self._first_id = self._next_id = 1

    def start(self, score: float) -> float:
        """Objects begin a track from ``score`` on and continue one from half of it; see `Tracker`."""
        self._min_score = score
        return score / 2

    def update(self, facts: FrameFacts, instances: Instances) -> Instances:
        """Return the objects that have a number, in the order they came; see `Tracker`."""
        self._go_to(facts.frame)
        found = self._detections(
            xyxy=instances.boxes.astype(np.float32),
            confidence=_as_it_knows_them(instances.scores, self._min_score),
            data={"row": np.arange(len(instances))},
        )
        image = {"frame": facts.frame.image[..., ::-1]} if self._takes_image else {}
        tracked = self._tracker.update(found, timestamp=self._package_time, **image)
        ids = np.full(len(instances), -1, np.int64)
        ids[np.asarray(tracked.data.get("row", ()), np.int64)] = tracked.tracker_id
        rows = np.flatnonzero(ids >= 0)
        numbered = instances[rows].replace(track_ids=ids[rows] + self._first_id)
        self._next_id = max(self._next_id, self._first_id + int(ids.max(initial=-1)) + 1)
        return numbered

    def _go_to(self, frame: Frame) -> None:
        """Move the package's clock to the frame, or begin again where no track can go on."""
        time = float(frame.time)
        passed = time - self._time
        self._time = time
        if self._tracker is None or passed < 0 or frame.size != self._size:
            self._restart(frame.size)
            return
        if self._step is None:
            self._step, self._pace = passed, _NOMINAL / max(passed, _MIN_INTERVAL)
        self._tracker.maximum_time_without_update = self._pace * max(_PATIENCE, _SLACK * self._step)
        self._step = passed
        # its clock never stands still: it would warn, and not take low scores
        self._package_time = max(
            self._package_time + self._pace * passed, math.nextafter(self._package_time, math.inf)
        )

    def _restart(self, size: Size) -> None:
        self._tracker = self._make(
            track_activation_threshold=_GOOD,
            high_conf_det_threshold=_GOOD,
            minimum_consecutive_frames=1,
        )
        self._size, self._package_time, self._step = size, 0.0, None
        self._first_id = self._next_id


def _as_it_knows_them(scores: FloatArray, min_score: float) -> FloatArray:
    """Scores on the package's scale, where ``min_score`` is `_GOOD`: botsort multiplies overlap by them."""
    better = _GOOD + (1 - _GOOD) * (scores - min_score) / max(1 - min_score, 1e-9)
    return np.where(scores >= min_score, better, _GOOD * scores / max(min_score, 1e-9))

"""The trackers of the package ``trackers`` (Apache-2.0), which follow boxes, behind our seam."""

from __future__ import annotations

from typing import Any

import numpy as np

from maskweave.errors import InvalidValue, MissingDependency
from maskweave.types.frame import Frame
from maskweave.types.instances import Instances

_CLASSES = {"bytetrack": "ByteTrackTracker", "botsort": "BoTSORTTracker"}
NAMES = tuple(_CLASSES)


class PackageTracker:
    """Follows boxes with one of ``trackers``: bytetrack, or botsort, which allows for the camera.

    ``options`` go to its constructor; without them an object has a number from its first sighting, scores from the
    asked one on begin a track, and hidden objects are waited for a second. Objects it gives no number are left out.

    Raises `InvalidValue` for another name, `MissingDependency` when the package is not installed.
    """

    def __init__(self, name: str = "bytetrack", *, options: dict[str, Any] | None = None) -> None:
        if name not in _CLASSES:
            raise InvalidValue(f"tracker: need one of {', '.join(NAMES)}, got {name!r}")
        try:
            import supervision
            import trackers
        except ImportError as error:
            raise MissingDependency(
                f"tracker {name} needs the package trackers: pip install 'maskweave[trackers]'"
            ) from error
        self._detections = supervision.Detections
        self._make = getattr(trackers, _CLASSES[name])
        self._options = options
        self._takes_picture = name == "botsort"
        self._tracker: Any = None

    def start(self, score: float) -> float:
        """Make the tracker; see `Tracker`."""
        options = self._options
        if options is None:
            options = {
                "lost_track_buffer": 30,  # at 30 frames a second, which is the package's unit of time
                "track_activation_threshold": score,
                "high_conf_det_threshold": score,
                "minimum_consecutive_frames": 1,
            }
        self._tracker = self._make(**options)
        return score / 2

    def update(self, instances: Instances, frame: Frame) -> Instances:
        """Return the objects that it gave a number, in the order they came; see `Tracker`."""
        if self._tracker is None:
            self.start(0.0)
        found = self._detections(
            xyxy=instances.boxes.astype(np.float32),
            confidence=instances.scores.astype(np.float32),
            class_id=instances.class_ids,
            data={"row": np.arange(len(instances))},
        )
        picture = {"frame": frame.image[..., ::-1]} if self._takes_picture else {}
        tracked = self._tracker.update(found, timestamp=float(frame.time), **picture)
        if not len(tracked):
            return instances[:0].replace(track_ids=np.zeros(0, np.int64))
        numbered = np.flatnonzero(tracked.tracker_id >= 0)
        rows = np.asarray(tracked.data["row"])[numbered]
        order = np.argsort(rows)
        ids = tracked.tracker_id[numbered][order].astype(np.int64) + 1
        return instances[rows[order]].replace(track_ids=ids)

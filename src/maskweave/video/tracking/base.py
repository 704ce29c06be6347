"""The seam to trackers."""

from __future__ import annotations

from typing import Protocol

from maskweave.types.instances import Instances
from maskweave.video.stream import FrameFacts


class Tracker(Protocol):
    """Gives objects their identity. One object serves one stream, frame after frame."""

    def start(self, score: float) -> float:
        """Say from which score on objects are asked for, and learn from which the tracker can use them.

        Called once, before the first frame. Objects between the two may continue a track but begin none.
        """
        ...

    def update(self, facts: FrameFacts, instances: Instances) -> Instances:
        """Return the frame's objects with ``track_ids`` (from 1): the same number is the same object.

        Objects that belong to no track are left out.
        """
        ...

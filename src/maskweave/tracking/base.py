"""The seam to trackers."""

from __future__ import annotations

from typing import Protocol

from maskweave.types.instances import Instances


class Tracker(Protocol):
    """Gives objects their identity. One object serves one stream, frame after frame."""

    def update(self, instances: Instances) -> Instances:
        """Return the frame's instances with ``track_ids`` (from 1): the same number is the same object."""
        ...

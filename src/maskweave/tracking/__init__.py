"""Objects that keep their identity through a stream."""

from maskweave.tracking.base import Tracker
from maskweave.tracking.overlap import OverlapTracker

__all__ = ["OverlapTracker", "Tracker"]

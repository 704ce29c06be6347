"""Objects that keep their identity through a stream."""

from maskweave.tracking.base import Tracker
from maskweave.tracking.mask_tracker import MaskTracker

__all__ = ["MaskTracker", "Tracker"]

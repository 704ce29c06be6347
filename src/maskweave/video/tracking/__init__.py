"""Trackers, which keep the identity of objects through a stream; each is one line of a table."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import MappingProxyType

from maskweave.errors import InvalidValue
from maskweave.video.tracking.base import Tracker
from maskweave.video.tracking.mask_tracker import MaskTracker
from maskweave.video.tracking.trackers_package import PackageTracker

__all__ = ["DEFAULT_TRACKER", "TRACKERS", "MaskTracker", "PackageTracker", "Tracker", "make_tracker"]

DEFAULT_TRACKER = "maskweave"
TRACKERS: MappingProxyType[str, Callable[[], Tracker]] = MappingProxyType(
    {
        DEFAULT_TRACKER: MaskTracker,
        "bytetrack": partial(PackageTracker, "bytetrack"),
        "botsort": partial(PackageTracker, "botsort"),
    }
)
"""What makes each tracker, by the name that it is asked for."""


def make_tracker(name: str) -> Tracker:
    """A new tracker for one stream.

    Raises `InvalidValue` for an unknown name, `MissingDependency` for one whose package is not installed.
    """
    if name not in TRACKERS:
        raise InvalidValue(f"tracker: need one of {', '.join(TRACKERS)}, got {name!r}")
    return TRACKERS[name]()

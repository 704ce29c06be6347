"""How many frames an edited MP4 shows: its edit list may leave out what it holds before, between and behind.

FFmpeg's index of such a file has what is shown, and the frames that are decoded for it alone. Source: ISO/IEC
14496-12, 8.6.6.
"""

from __future__ import annotations

from typing import Any, NamedTuple

_MIN_SPAN = 0.9
"""Of the length that the header says: an index of less was not edited but damaged."""


class FrameCount(NamedTuple):
    """Frames that a file promises to show, and those that are decoded for these alone."""

    shown: int | None
    hidden: int = 0


def frame_count(container: Any, stream: Any) -> FrameCount:
    """The numbers of a stream; its header's where it was not edited, and None where that does not say."""
    entries = stream.index_entries if stream.frames and "mp4" in container.format.name else ()
    times = [each.timestamp for each in entries if not each.is_discard]
    hidden = len(entries) - len(times)
    if not times or (not hidden and len(times) >= stream.frames):
        return FrameCount(stream.frames or None)
    span = (max(times) - min(times)) * len(times) / max(1, len(times) - 1)
    if len(entries) < stream.frames and span < _MIN_SPAN * (stream.duration or 0):
        return FrameCount(stream.frames)
    return FrameCount(len(times), hidden)

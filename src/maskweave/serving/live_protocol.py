"""What both ends of a live video share: the process that keeps the connections, and the worker."""

from __future__ import annotations

from pathlib import Path, PurePath

from maskweave.sources.streams import shown_as

MAX_FRAME_BYTES = 4_000_000
"""Of a frame that a browser sends."""
_FILES = 3
"""Files in which frames of a source are sent in turn: more than can be on their way."""


def shown_source(text: str) -> str:
    """What a page is told of a source: of an address no password, of a file its own name and not where it lies.

    >>> shown_source("/videos/street.mp4"), shown_source("rtsp://me:secret@camera/1"), shown_source("camera:0")
    ('street.mp4', 'rtsp://camera/1', 'camera:0')
    """
    return shown_as(text) if "://" in text else PurePath(text).name


def frame_file(folder: Path, number: int) -> Path:
    """Where frame ``number`` of a source lies while it is on its way."""
    return folder / f"frame-{number % _FILES}.jpg"

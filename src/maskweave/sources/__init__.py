"""Where frames come from: images, folders, videos, cameras. Everything yields `Frame`, one at a time."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from maskweave.sources.base import MAX_PIXELS, Source
    from maskweave.sources.camera import CameraSource, StreamSource
    from maskweave.sources.files import open_file
    from maskweave.sources.find import find_sources
    from maskweave.sources.folders import FrameFolderSource
    from maskweave.sources.images import ImageSource, read_image
    from maskweave.sources.lazy import LazySource
    from maskweave.sources.video import VideoSource

__all__ = [
    "MAX_PIXELS",
    "CameraSource",
    "FrameFolderSource",
    "ImageSource",
    "LazySource",
    "Source",
    "StreamSource",
    "VideoSource",
    "find_sources",
    "open_file",
    "read_image",
]

# Imported on first use: PyAV takes a third of a second to load, and most runs see only images.
_HOMES = {
    "MAX_PIXELS": "base",
    "CameraSource": "camera",
    "FrameFolderSource": "folders",
    "ImageSource": "images",
    "LazySource": "lazy",
    "Source": "base",
    "StreamSource": "camera",
    "VideoSource": "video",
    "find_sources": "find",
    "open_file": "files",
    "read_image": "images",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'maskweave.sources' has no attribute {name!r}")
    return getattr(importlib.import_module(f"maskweave.sources.{_HOMES[name]}"), name)

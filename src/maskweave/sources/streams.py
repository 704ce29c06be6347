"""Inputs that are no files: cameras, addresses, standard input."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from maskweave.errors import SourceNotFound, UnreadableImage
from maskweave.sources.base import Source
from maskweave.sources.found import Found, Settings
from maskweave.sources.names import safe_stem


def camera(index: int, settings: Settings) -> Found:
    """The camera of that number."""

    def open_as(name: str) -> Source:
        from maskweave.sources.camera import CameraSource

        return CameraSource(index, name, reconnect=settings.reconnect, max_pixels=settings.max_pixels)

    return Found(f"camera-{index}", f"camera {index}", open_as, "live")


def address_source(address: str, scheme: str, settings: Settings) -> Found:
    """A stream or a picture behind an address; raises `SourceNotFound` for another scheme."""
    shown = shown_as(address)
    if scheme in ("rtsp", "rtsps"):
        return Found(safe_stem(shown.split("://", 1)[1]), shown, _rtsp(address, settings), "live")
    if scheme in ("http", "https"):
        stem = safe_stem(Path(shown.split("://", 1)[1]).stem)
        return Found(stem, shown, _web(address, shown, settings), "image", Path(shown).suffix.lower())
    raise SourceNotFound(
        f"{shown}: need http, https or rtsp, got {scheme}; load it yourself and pass the file"
    )


def _rtsp(address: str, settings: Settings) -> Callable[[str], Source]:
    def open_as(name: str) -> Source:
        from maskweave.sources.camera import RtspSource

        return RtspSource(address, name, reconnect=settings.reconnect, max_pixels=settings.max_pixels)

    return open_as


def _web(address: str, shown: str, settings: Settings) -> Callable[[str], Source]:
    def open_as(name: str) -> Source:
        from maskweave.sources.images import ImageSource
        from maskweave.sources.web import fetch

        return ImageSource(fetch(address), name, max_pixels=settings.max_pixels, label=shown)

    return open_as


def shown_as(text: str) -> str:
    """What the user typed, as messages may show it."""
    from maskweave.sources.web import without_secrets

    return without_secrets(text) if "://" in text else text


def standard_input(name: str, settings: Settings) -> Source:
    """The picture that is piped in; raises `UnreadableImage` where nothing is."""
    from maskweave.sources.images import ImageSource, read_all

    if sys.stdin is None or sys.stdin.isatty():
        raise UnreadableImage(
            "standard input: need a picture, got a terminal; use: maskweave segment - < a.jpg"
        )
    label = "standard input"
    data = read_all(sys.stdin.buffer, label)
    return ImageSource(data, name, max_pixels=settings.max_pixels, label=label)

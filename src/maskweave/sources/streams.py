"""Open inputs that are not files: cameras, addresses, standard input."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from maskweave.errors import SourceNotFound, UnreadableImage
from maskweave.sources.base import Source
from maskweave.sources.inputs import Input, InputSettings
from maskweave.sources.kinds import kind_by_suffix
from maskweave.sources.lazy import AnyKind
from maskweave.sources.names import safe_stem

if TYPE_CHECKING:
    from maskweave.sources.web import Demuxer


def stream_named(text: str, settings: InputSettings) -> Input:
    """What an address, ``-`` or ``camera:N`` stands for; raises `SourceNotFound` for an address of another kind."""
    if "://" in text[1:]:
        return address_source(text, text.split("://", 1)[0].lower(), settings)
    if text == "-":
        return Input("stdin", "standard input", lambda name: standard_input(name, settings), "image")
    return camera(int(text[len("camera:") :]), settings)


def camera(index: int, settings: InputSettings) -> Input:
    """The camera of that number."""

    def open_as(name: str) -> Source:
        from maskweave.sources.camera import CameraSource

        return CameraSource(index, name, reconnect=settings.reconnect, max_pixels=settings.max_pixels)

    return Input(f"camera-{index}", f"camera {index}", open_as, "live")


def address_source(address: str, scheme: str, settings: InputSettings) -> Input:
    """A stream or an image behind an address; raises `SourceNotFound` for another scheme.

    What an http address serves is known when it answers; until then its suffix tells an image.
    """
    shown = shown_as(address)
    if scheme in ("rtsp", "rtsps"):
        return Input(safe_stem(shown.split("://", 1)[1]), shown, _stream(address, settings), "live")
    if scheme in ("http", "https"):
        place = Path(shown.split("://", 1)[1])
        kind: AnyKind = "image" if kind_by_suffix(place) == "image" else "live"
        return Input(safe_stem(place.stem), shown, _web(address, shown, settings), kind, place.suffix.lower())
    raise SourceNotFound(
        f"{shown}: need http, https or rtsp, got {scheme}; maskweave batch reads "
        "stores such as s3://, else load it yourself and pass the file"
    )


def _stream(address: str, settings: InputSettings, demuxer: Demuxer | None = None) -> Callable[[str], Source]:
    def open_as(name: str) -> Source:
        from maskweave.sources.camera import StreamSource

        return StreamSource(
            address, name, demuxer=demuxer, reconnect=settings.reconnect, max_pixels=settings.max_pixels
        )

    return open_as


def _web(address: str, shown: str, settings: InputSettings) -> Callable[[str], Source]:
    def open_as(name: str) -> Source:
        from maskweave.sources.images import ImageSource
        from maskweave.sources.web import fetch

        served = fetch(address)
        if isinstance(served, str):
            return _stream(address, settings, served)(name)
        return ImageSource(served, name, max_pixels=settings.max_pixels, label=shown)

    return open_as


def shown_as(text: str) -> str:
    """What the user typed, as messages may show it."""
    from maskweave.sources.web import without_secrets

    return without_secrets(text) if "://" in text else text


def standard_input(name: str, settings: InputSettings) -> Source:
    """The image that is piped in; raises `UnreadableImage` where nothing is."""
    from maskweave.sources.images import ImageSource, read_all

    if sys.stdin is None or sys.stdin.isatty():
        raise UnreadableImage(
            "standard input: need an image, got a terminal; use: maskweave segment - < a.jpg"
        )
    label = "standard input"
    data = read_all(sys.stdin.buffer, label)
    return ImageSource(data, name, max_pixels=settings.max_pixels, label=label)

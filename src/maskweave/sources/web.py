"""Fetch images from http and https addresses, and tell live streams from them."""

from __future__ import annotations

import base64
import re
import time
import urllib.error
import urllib.request
from http.client import HTTPException, InvalidURL
from typing import Any, Literal, TypeAlias
from urllib.parse import unquote, urlsplit, urlunsplit

from maskweave.errors import SourceNotFound, UnreadableImage

TIMEOUT = 20.0
"""Seconds to wait for a connection or for the next bytes."""
MAX_SECONDS = 120.0
MAX_BYTES = 100_000_000
USER_AGENT = "maskweave"
Demuxer: TypeAlias = Literal["hls", "mpjpeg"]
"""FFmpeg's name of a live stream over HTTP: a playlist of pieces, or JPEG images one after the other."""
_SCHEMES = ("http", "https")
_MOTION_JPEG = "multipart/x-mixed-replace"
_PLAYLISTS = ("application/vnd.apple.mpegurl", "application/x-mpegurl", "audio/mpegurl", "audio/x-mpegurl")


def without_secrets(address: str) -> str:
    """The address without user name, password and query: fit for messages and logs. Never raises.

    An address that cannot be taken apart for certain (a password with an unescaped "/", a bad port) is cut so
    that rather too much is left out.
    """
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return _cut(address)
    if ":" in parts.netloc and "@" in f"{parts.path}{parts.query}{parts.fragment}":
        return _cut(address)
    host = f"[{host}]" if ":" in host else host
    return urlunsplit((parts.scheme, host + (f":{port}" if port else ""), parts.path, "", ""))


def _cut(address: str) -> str:
    """What is surely no secret: nothing before the last "@", nothing from "?" or "#" on."""
    scheme, slashes, rest = address.partition("//")
    shown, *hidden = re.split("[?#]", rest, maxsplit=1)
    if "@" in "".join(hidden):  # in a query, or in a password with a question mark?
        return f"{scheme}{slashes}…"
    return f"{scheme}{slashes}{shown.rpartition('@')[2]}"


def fetch(address: str, *, timeout: float = TIMEOUT, max_bytes: int = MAX_BYTES) -> bytes | Demuxer:
    """Load what ``address`` (http or https, also after redirects) serves; of a live stream only tell which it is.

    A user name and password in it are sent to its own host only (RFC 7617), never to one it redirects to.

    Raises `SourceNotFound` when it cannot be reached in time, `UnreadableImage` when it is too large or a video file.
    """
    shown = without_secrets(address)
    try:
        with _opener().open(_request(address), timeout=timeout) as answer:
            live = _live(answer.headers.get_content_type(), shown)
            data = b"" if live else _read(answer, shown, max_bytes)
            return live or ("hls" if data.startswith(b"#EXTM3U") else data)
    except urllib.error.HTTPError as error:
        error.close()
        raise SourceNotFound(
            f"{shown}: need an image, the server answered {error.code} {error.reason}; check the address"
        ) from None
    except (ValueError, InvalidURL):  # its text repeats the address, so it is not passed on
        raise SourceNotFound(f"{shown}: need a valid address, got a malformed one; check it") from None
    except (OSError, HTTPException) as error:
        if isinstance(error, SourceNotFound):
            raise
        reason = getattr(error, "reason", None) or error
        raise SourceNotFound(
            f"{shown}: cannot be fetched ({reason}); check the address and the network, or pass a file"
        ) from error


def _live(content_type: str, shown: str) -> Demuxer | None:
    """The live stream that an answer of that type is; raises `UnreadableImage` for the type of a video file."""
    if content_type == _MOTION_JPEG:
        return "mpjpeg"
    if content_type in _PLAYLISTS:
        return "hls"
    if content_type.startswith("video/"):
        raise UnreadableImage(
            f"{shown}: need an image or a live stream (HLS, Motion JPEG), got a video file; load it yourself and "
            "pass the file"
        )
    return None


def _request(address: str) -> urllib.request.Request:
    """The request without user name and password in its address; raises `ValueError` for a bad port."""
    parts = urlsplit(address)
    if not parts.hostname or parts.port == 0:
        raise ValueError("no host or port")
    place = parts.netloc.rpartition("@")[2]
    request = urllib.request.Request(urlunsplit(parts._replace(netloc=place)))
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        word = base64.b64encode(pair.encode()).decode("ascii")
        request.add_unredirected_header("Authorization", f"Basic {word}")
    return request


def _read(answer: Any, shown: str, max_bytes: int) -> bytes:
    """All of the answer, piece by piece, so that neither its size nor its slowness is unbounded."""
    deadline = time.monotonic() + MAX_SECONDS
    received = bytearray()
    while piece := answer.read1(1 << 16):
        received += piece
        if len(received) > max_bytes:
            raise UnreadableImage(
                f"{shown}: need an image of at most {max_bytes / 1e6:g} MB, got more; load it yourself"
            )
        if time.monotonic() > deadline:
            raise SourceNotFound(f"{shown}: not loaded after {MAX_SECONDS:g} s; load it yourself")
    if answer.length:  # what Content-Length promised beyond what came
        raise SourceNotFound(f"{shown}: the connection broke off, {answer.length} bytes missing; try again")
    return bytes(received)


class _SameSchemes(urllib.request.HTTPRedirectHandler):
    """Redirects stay within http and https; urllib alone would also go to ftp."""

    def redirect_request(self, *args: Any, **named: Any) -> urllib.request.Request | None:
        request = super().redirect_request(*args, **named)
        return request if request is not None and request.type in _SCHEMES else None


def _opener() -> urllib.request.OpenerDirector:
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _SameSchemes(),
    ):
        opener.add_handler(handler)
    opener.addheaders = [("User-Agent", USER_AGENT), ("Accept", "image/*, */*;q=0.5")]
    return opener

"""Pictures behind http and https addresses."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from maskweave.errors import SourceNotFound, UnreadableImage

TIMEOUT = 20.0
"""Seconds to wait for a connection or for the next bytes."""
MAX_SECONDS = 120.0
MAX_BYTES = 100_000_000
_SCHEMES = ("http", "https")


def without_secrets(address: str) -> str:
    """The address without user name, password and query: fit for messages and logs."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit((parts.scheme, host + port, parts.path, "", ""))


def fetch(address: str, *, timeout: float = TIMEOUT, max_bytes: int = MAX_BYTES) -> bytes:
    """Load what ``address`` (http or https, also after redirects) serves.

    Raises `SourceNotFound` when it cannot be reached in time, `UnreadableImage` when it is too large.
    """
    shown = without_secrets(address)
    try:
        with _opener().open(address, timeout=timeout) as answer:
            return _read(answer, shown, max_bytes)
    except urllib.error.HTTPError as error:
        error.close()
        raise SourceNotFound(
            f"{shown}: need a picture, the server answered {error.code} {error.reason}; check the address"
        ) from None
    except (OSError, HTTPException, ValueError) as error:
        if isinstance(error, SourceNotFound):
            raise
        reason = getattr(error, "reason", None) or error
        raise SourceNotFound(
            f"{shown}: cannot be fetched ({reason}); check the address and the network, or pass a file"
        ) from error


def _read(answer: Any, shown: str, max_bytes: int) -> bytes:
    """All of the answer, piece by piece, so that neither its size nor its slowness is unbounded."""
    deadline = time.monotonic() + MAX_SECONDS
    received = bytearray()
    while piece := answer.read1(1 << 16):
        received += piece
        if len(received) > max_bytes:
            raise UnreadableImage(
                f"{shown}: need a picture of at most {max_bytes / 1e6:g} MB, got more; load it yourself"
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
    opener.addheaders = [("User-Agent", "maskweave"), ("Accept", "image/*")]
    return opener

"""Errors as ``application/problem+json`` (RFC 9457)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http import HTTPStatus

from maskweave.errors import MaskWeaveError

MEDIA_TYPE = "application/problem+json"

_STATUS = {
    "ImageTooLarge": 413,
    "InvalidValue": 422,
    "SourceNotFound": 422,
    "UnreadableImage": 422,
    "UnreadableVideo": 422,
    "OutputError": 422,
    "UnknownModel": 422,
    "ModelNotDownloaded": 422,
    "MissingDependency": 422,
    "TooMuchMemory": 422,
    "DeadlinePassed": 504,
}
"""The status for each kind of error; any other is 500."""


class Problem(MaskWeaveError):
    """A request that is not fulfilled: ``status``, the ``kind`` of error in one word, and a sentence."""

    def __init__(self, status: int, kind: str, detail: str, *, retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.retry_after = retry_after

    @classmethod
    def of(cls, kind: str, detail: str) -> Problem:
        """The problem for an error of the library, by the name of its class, in words for those who send requests."""
        return cls(_STATUS.get(kind, 500), kind, of_requests(detail))

    @property
    def headers(self) -> dict[str, str]:
        """What the response says beside its body."""
        return {} if self.retry_after is None else {"retry-after": str(self.retry_after)}

    def body(self) -> bytes:
        """The JSON document."""
        return problem_body(self.status, self.kind, self.detail)


def of_requests(detail: str) -> str:
    """A message without the command line: advice for whoever starts it is left out, options have their query's name.

    >>> of_requests("image: too large; scale it down, or raise the budget (--max-pixels, in Python max_pixels=)")
    'image: too large; scale it down'
    >>> of_requests("--drawn-on: need WIDTHxHEIGHT")
    'drawn_on: need WIDTHxHEIGHT'
    """
    detail = re.sub(r",? or [^;,()]*\(--[^)]*\)", "", detail)
    return re.sub(r"--([a-z][a-z-]*)", lambda match: match[1].replace("-", "_"), detail)


def problem_body(status: int, kind: str, detail: str) -> bytes:
    """The JSON document of a problem of a ``kind`` ("QueueFull")."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind).lower()
    document = {
        "type": f"urn:maskweave:{words.replace(' ', '-')}",
        "title": words,
        "status": status,
        "detail": detail,
    }
    return json.dumps(document).encode()


def kind_of_status(status: int) -> str:
    """The kind of a problem of which only the status is known: 404 is "NotFound"."""
    return HTTPStatus(status).phrase.title().replace(" ", "").replace("-", "")


def queue_full(seconds: int) -> Problem:
    """No more can wait for a process now."""
    return Problem(
        429, "QueueFull", "all places in the queue are taken; try again later", retry_after=seconds
    )


def stopping() -> Problem:
    """The server was told to stop."""
    return Problem(503, "Stopping", "the server is stopping; try again later", retry_after=10)


PROBLEM_SCHEMA: Mapping[str, object] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
    "example": {
        "type": "urn:maskweave:unreadable-image",
        "title": "unreadable image",
        "status": 422,
        "detail": "image: damaged or cut short (image file is truncated)",
    },
}

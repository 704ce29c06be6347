"""Send files as answers, and describe errors in the OpenAPI document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

from maskweave.serving.guard import refuse
from maskweave.serving.problems import MEDIA_TYPE, PROBLEM_SCHEMA, Problem
from maskweave.serving.service import soon

_EARLY = (400, 408, 413, 429, 503)
"""Statuses that may be answered before the whole body has come."""

_MEANINGS = {
    400: "The connection broke off.",
    401: "No token, or a wrong one.",
    403: "A page of another site, or addresses are not allowed.",
    404: "There is none of that id, or name.",
    406: "None of the offered media types is accepted.",
    408: "The body came too slowly.",
    409: "It cannot be done as things are; the detail says why.",
    413: "The body, or the image in it, is too large.",
    415: "The content is no image, or no video, of a known format.",
    421: "The Host header has another server's name.",
    422: "A wrong argument, or a file that cannot be read.",
    429: "The queue is full.",
    500: "The process at work ended.",
    503: "The server is stopping.",
    504: "It took too long.",
}


class FolderFile(FileResponse):
    """A file of a request's folder, which is removed when the answer is through, or the connection lost."""

    def __init__(self, folder: Path, path: Path, media_type: str, **named: Any) -> None:
        super().__init__(path, media_type=media_type, **named)
        self._folder = folder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send, then remove."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await soon(self._folder)


class ProblemResponse(Response):
    """A `Problem` as an answer."""

    def __init__(self, problem: Problem) -> None:
        headers = problem.headers | ({"connection": "close"} if problem.status in _EARLY else {})
        super().__init__(problem.body(), problem.status, headers, MEDIA_TYPE)
        self._problem = problem

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send; where the body may not have come yet, wait for what is on its way."""
        if self._problem.status in _EARLY:
            await refuse(self._problem, receive, send)
        else:
            await super().__call__(scope, receive, send)


async def problem_response(request: Request, problem: Exception) -> Response:
    """The exception handler for `Problem`."""
    if not isinstance(problem, Problem):
        raise problem
    return ProblemResponse(problem)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of an endpoint that may answer with these statuses, and those that any may."""
    content = {MEDIA_TYPE: {"schema": PROBLEM_SCHEMA}}
    every = (401, 403, 421, 503)
    return {
        status: {"description": _MEANINGS[status], "content": content}
        for status in sorted({*statuses, *every})
    }

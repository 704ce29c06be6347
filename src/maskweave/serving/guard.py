"""Guard every request: its host name, its token and its size; and set the headers of every answer.

Plain ASGI, so that bodies are counted while they come and answers pass as they are.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from maskweave.serving.problems import MEDIA_TYPE, Problem
from maskweave.serving.sessions import COOKIE, Sessions
from maskweave.serving.settings import Settings

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
SECURITY_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
"""On every answer."""
_SECURITY_FIELDS = [(name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]
_NO_STORE = (b"cache-control", b"no-store")

_OPEN = ("/", "/healthz", "/readyz", "/openapi.json", "/docs")
"""Paths that need no token, besides ``/static/…``: the page must be there to ask for it."""
_DRAIN_SECONDS = 1.0


class Guard:
    """ASGI middleware.

    ``checks``: for each path that takes work, what raises a `Problem` when there is no place for more: before the
    body, which may be long, and before anything else. ``record`` is called with scope, status and seconds after each
    answer.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        sessions: Sessions,
        *,
        checks: Mapping[str, Callable[[], None]],
        record: Callable[[Scope, int, float], None],
    ) -> None:
        self._app = app
        self._settings = settings
        self._sessions = sessions
        self._checks = checks
        self._record = record

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] == "websocket":
            problem = self._refusal(scope)
            await (self._app(scope, receive, send) if problem is None else refuse_socket(problem, send))
            return
        if scope["type"] != "http":
            return
        started = time.perf_counter()
        status = 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                more = [_NO_STORE] if scope["path"].startswith("/v1/") else []
                message["headers"] = [*message["headers"], *_SECURITY_FIELDS, *more]
            await send(message)

        try:
            counted = _Counted(receive, self._settings.max_upload)
            problem = self._refusal(scope)
            if problem is None:
                await self._app(scope, counted.receive, answer)
            else:
                await refuse(problem, counted.receive, answer)
        finally:
            self._record(scope, status, time.perf_counter() - started)

    def _refusal(self, scope: Scope) -> Problem | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._settings.serves_host(host_name(hosts[0])):
            return Problem(
                421,
                "MisdirectedRequest",
                "host: this server has another name; see --allow-host of the server",
            )
        if not _is_same_origin(headers, hosts[0]):
            return Problem(403, "Forbidden", "origin: pages of other sites may not use this server")
        if self._needs_token(scope["path"]) and not self._is_known(scope, headers):
            return Problem(401, "Unauthorized", "token: need Authorization: Bearer with the server's token")
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > self._settings.max_upload:
            return too_large(self._settings.max_upload)
        return self._no_place(scope)

    def _no_place(self, scope: Scope) -> Problem | None:
        check = self._checks.get(scope["path"]) if scope.get("method") == "POST" else None
        try:
            if check is not None:
                check()
        except Problem as problem:
            return problem
        return None

    def _needs_token(self, path: str) -> bool:
        return self._settings.token is not None and path not in _OPEN and not path.startswith("/static/")

    def _is_known(self, scope: Scope, headers: Headers) -> bool:
        token = self._settings.token or ""
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode()):
            return True
        cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        is_socket = scope["type"] == "websocket"  # a browser cannot send the token with one
        reads = is_socket or (scope["method"] in ("GET", "HEAD") and scope["path"].startswith("/v1/jobs/"))
        return reads and self._sessions.knows(cookie)


def host_name(header: str) -> str:
    """The name in a ``Host`` header, without its port, in lower case; "" for a malformed one.

    >>> host_name("LocalHost:8000"), host_name("[::1]:8000"), host_name("a@b")
    ('localhost', '::1', '')
    """
    try:
        parts = urlsplit(f"//{header}")
        _ = parts.port
    except ValueError:
        return ""
    if parts.netloc != header or "@" in header:
        return ""
    return (parts.hostname or "").rstrip(".")


def _is_same_origin(headers: Headers, host: str) -> bool:
    """Whether no page of another site sent the request, as browsers say.

    A form or an image of any site can send requests to this machine. It could not read the answers, but they would
    cost time and could start work.
    """
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc.lower() == host.lower()


def too_large(max_bytes: int) -> Problem:
    """A body over the limit."""
    return Problem(
        413,
        "TooLarge",
        f"body: need at most {max_bytes / 1e6:g} MB, got more; see --max-upload of the server",
    )


class _Counted:
    """A body that raises a `Problem`, once, as soon as more has come than is allowed, whatever its header said."""

    def __init__(self, receive: Receive, max_bytes: int) -> None:
        self._receive = receive
        self._max_bytes = max_bytes
        self._count = 0
        self._refused = False

    async def receive(self) -> Message:
        """The next piece."""
        message = await self._receive()
        self._count += len(message.get("body", b""))
        if self._count > self._max_bytes and not self._refused:
            self._refused = True
            raise too_large(self._max_bytes)
        return message


async def refuse_socket(problem: Problem, send: Send) -> None:
    """Answer the request for a WebSocket with a problem instead."""
    fields = {"content-type": MEDIA_TYPE, **problem.headers}
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields.items()]
    await send({"type": "websocket.http.response.start", "status": problem.status, "headers": raw})
    await send({"type": "websocket.http.response.body", "body": problem.body()})


async def refuse(problem: Problem, receive: Receive, send: Send) -> None:
    """Answer with a problem before the body has come, and close the connection.

    The answer is sent at once; what still comes of the body is then thrown away for a moment, because a connection
    that is closed over unread bytes is reset and takes the answer with it (RFC 9112, 9.6).
    """
    body = problem.body()
    fields = {
        "content-type": MEDIA_TYPE,
        "content-length": str(len(body)),
        "connection": "close",
        **({"www-authenticate": "Bearer"} if problem.status == 401 else {}),
        **problem.headers,
    }
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": raw})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            while (await receive()).get("more_body", False):
                pass
    await send({"type": "http.response.body", "body": b"", "more_body": False})

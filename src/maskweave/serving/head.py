"""Answer HEAD wherever GET is answered, as RFC 9110 asks: monitors, proxies and download managers send it."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_EVENTS = "/events"
"""Paths that answer with a stream, of which there is nothing to be said ahead."""


class HeadAnswers:
    """ASGI middleware: HEAD is answered as GET would be, without the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http" or scope["method"] != "HEAD" or scope["path"].endswith(_EVENTS):
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        # without Accept: a client that would take a stream of events shall not wait for its end
        headers = [field for field in scope["headers"] if field[0] != b"accept"]
        asked = {**scope, "method": "GET", "headers": headers}
        await self._app(asked, receive, send_head)
        scope["route"] = asked.get("route")  # for whoever counts answers by path

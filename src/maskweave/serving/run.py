"""Run the server: sockets, signals, and connections that must not stay open for nothing."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeAlias

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from maskweave.errors import InvalidValue
from maskweave.serving.app import make_app
from maskweave.serving.live_protocol import MAX_FRAME_BYTES
from maskweave.serving.service import Service, running
from maskweave.serving.settings import Settings

_REQUEST_SECONDS = 15.0
_MAX_CONNECTIONS = 512


class ImpatientProtocol(H11Protocol):
    """uvicorn's HTTP/1.1, that closes a connection which sends no whole request for a while, and refuses too many."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._is_handed_over = False
        if len(self.connections) > _MAX_CONNECTIONS:
            transport.abort()
        else:
            self._check_later(None)

    def handle_websocket_upgrade(self, event: Any) -> None:
        """Hand the connection over, and look after its requests no more."""
        self._is_handed_over = True
        super().handle_websocket_upgrade(event)

    def _check_later(self, former: object) -> None:
        self.loop.call_later(_REQUEST_SECONDS, self._check_requests, former)

    def _check_requests(self, former: object) -> None:
        """Close the connection when no request has come since it was last looked at, and none is being answered."""
        cycle: Any = self.cycle  # the last request's; None before the first
        if self._is_handed_over or self.transport.is_closing():
            return
        is_answered = cycle is None or cycle.response_complete
        if cycle is former and is_answered:
            self.transport.close()
        else:
            self._check_later(cycle)


Started: TypeAlias = Callable[[int, Service, Callable[[], None]], None]
"""Called when requests are taken: with the port, the service, and what stops the server from its loop's thread."""


class _Server(uvicorn.Server):
    """uvicorn's server, that passes a signal to stop on to the service, and then ends as if asked to."""

    def __init__(self, config: uvicorn.Config, service: Service, started: Started) -> None:
        super().__init__(config)
        self._service = service
        self._on_started = started

    def stop(self) -> None:
        """End what is in work, or cancel it after the time of grace."""
        self._service.stop()
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal stops, a second Ctrl-C does not wait for anything."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.stop()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and report the port that was given."""
        await super().startup(sockets)
        if self.started:
            port = self.servers[0].sockets[0].getsockname()[1]
            self._on_started(port, self._service, self.stop)


async def serve(settings: Settings, *, started: Started) -> None:
    """Serve until a signal to stop, or until what ``started`` is told to call is called.

    Raises what `service.running` raises, and `InvalidValue` when the address cannot be listened on.
    """
    async with running(settings) as service:
        try:
            await _Server(_config(settings, service), service, started).serve()
        except SystemExit:  # how uvicorn ends after it has logged why
            where = f"{settings.host}:{settings.port}"
            raise InvalidValue(f"port: {where} cannot be listened on; is another server there?") from None


def _config(settings: Settings, service: Service) -> uvicorn.Config:
    return uvicorn.Config(
        make_app(service),
        host=settings.host,
        port=settings.port,
        http=ImpatientProtocol,
        ws="wsproto",
        ws_max_size=2 * MAX_FRAME_BYTES,
        ws_per_message_deflate=False,  # images are packed already
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=max(1, round(settings.grace)),
    )

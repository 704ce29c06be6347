"""The HTTP side of the Label Studio backend: JSON in, JSON out, one request in the network at a time."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any

from maskweave.connectors.label_studio import Backend
from maskweave.errors import InvalidValue, MaskWeaveError

_MAX_BYTES = 64_000_000
"""Of a request."""
_SECONDS = 60.0
"""Without a byte of a request after which its connection is closed."""


def make_server(
    backend: Backend, *, host: str = "127.0.0.1", port: int = 9090, login: str = ""
) -> ThreadingHTTPServer:
    """A server that listens; call its ``serve_forever``.

    ``login``: "user:password" that each request must bring (basic authentication); "" asks for none.

    Raises:
        InvalidValue: Other machines would reach it without a login, or it cannot listen there.
    """
    if not login and host not in ("127.0.0.1", "localhost", "::1"):
        raise InvalidValue(f"--host {host}: other machines reach it, so need --login-file")
    handler = type("Handler", (_Handler,), {"backend": backend, "login": login, "network": Lock()})
    try:
        server = ThreadingHTTPServer((host, port), handler)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidValue(
            f"--host {host} --port {port}: cannot listen there ({reason}); choose another"
        ) from error
    server.daemon_threads = True
    return server


class _Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    backend: Backend
    login: str
    network: Lock
    timeout = _SECONDS

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Nothing: requests are Label Studio's affair."""

    def do_GET(self) -> None:
        """Answer a request without a body."""
        self._answer({})

    def do_POST(self) -> None:
        """Answer a request with a body of JSON."""
        try:
            request = self._body()
        except ValueError as error:
            self._send(HTTPStatus.BAD_REQUEST, {"error": f"need a JSON object, got something else ({error})"})
            return
        self._answer(request)

    def _body(self) -> Mapping[str, Any]:
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 <= length <= _MAX_BYTES:
            raise ValueError(f"{length} bytes")
        request = json.loads(self.rfile.read(length) or b"{}")
        if not isinstance(request, dict):
            raise ValueError(type(request).__name__)
        return request

    def _answer(self, request: Mapping[str, Any]) -> None:
        if self.login and not self._may_enter():
            self._send(HTTPStatus.UNAUTHORIZED, {"error": "need the login of --login-file"})
            return
        try:
            with self.network:
                answer = self.backend.answer(self.path.partition("?")[0], request)
        except MaskWeaveError as error:
            self._send(HTTPStatus.BAD_REQUEST, {"error": str(error)})
            return
        except Exception as error:  # one bad request must not end the server
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": f"{type(error).__name__}: {error}"})
            return
        self._send(HTTPStatus.OK, answer)

    def _may_enter(self) -> bool:
        wanted = "Basic " + base64.b64encode(self.login.encode()).decode()
        return hmac.compare_digest(wanted.encode(), self.headers.get("Authorization", "").encode())

    def _send(self, status: HTTPStatus, answer: Mapping[str, Any]) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

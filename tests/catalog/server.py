"""A web server on this machine that answers well or badly."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator


class Server:
    """Serves ``files`` (path: bytes); ``cut`` announces all bytes but ends the answer after so many."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.cut: int | None = None
        self.asked: list[str] = []
        self.address = ""


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """A server at ``.address`` for as long as the block lasts."""
    state = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            content = state.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(content if state.cut is None else content[: state.cut])

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()

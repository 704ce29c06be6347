"""A client of WebSockets for the tests, on a plain socket."""

import json
import socket
import struct
from contextlib import contextmanager

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)


class Refused(Exception):
    """The server answered the handshake with a status instead."""

    def __init__(self, status, detail):
        super().__init__(f"{status}: {detail}")
        self.status, self.detail = status, detail


class Closed(Exception):
    """The server has closed; the code says why."""

    def __init__(self, code):
        super().__init__(str(code))
        self.code = code


class Talk:
    """One open connection; `receive` returns a dict for text and (dict, bytes) for a frame that came down."""

    def __init__(self, port, path, headers):
        self._wire = socket.create_connection(("127.0.0.1", port), timeout=120)
        self._wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._state = WSConnection(ConnectionType.CLIENT)
        self._events = iter(())
        extra = [(name.encode(), value.encode()) for name, value in headers.items()]
        self._put(Request(host=f"127.0.0.1:{port}", target=path, extra_headers=extra))
        event = self._event()
        if isinstance(event, RejectConnection):
            body = b""
            while not isinstance(part := self._event(), CloseConnection):
                body += part.data if isinstance(part, RejectData) else b""
                if getattr(part, "body_finished", False):
                    break
            self.close()
            raise Refused(event.status_code, json.loads(body)["detail"] if body else "")
        assert isinstance(event, AcceptConnection)

    def tell(self, **message):
        self._put(TextMessage(json.dumps(message)))

    def send_bytes(self, data):
        self._put(BytesMessage(data))

    def frame(self, number, jpeg, seconds=None):
        self.send_bytes(struct.pack("<Id", number, number / 25 if seconds is None else seconds) + jpeg)

    def receive(self):
        text, data = "", b""
        while True:
            event = self._event()
            if isinstance(event, TextMessage):
                text += event.data
                if event.message_finished:
                    return json.loads(text)
            elif isinstance(event, BytesMessage):
                data += bytes(event.data)
                if event.message_finished:
                    (length,) = struct.unpack_from("<I", data)
                    return json.loads(data[4 : 4 + length]), data[4 + length :]
            elif isinstance(event, CloseConnection):
                raise Closed(event.code)

    def close(self):
        self._wire.close()

    def _put(self, event):
        self._wire.sendall(self._state.send(event))

    def _event(self):
        while True:
            for event in self._events:
                if isinstance(event, Ping):
                    self._put(event.response())
                else:
                    return event
            data = self._wire.recv(65536)
            self._state.receive_data(data or None)
            self._events = self._state.events()


@contextmanager
def talk(server, **headers):
    """A connection to the server's live videos, not yet told what is wanted."""
    talking = Talk(
        server.port, "/v1/live", {name.replace("_", "-"): value for name, value in headers.items()}
    )
    try:
        yield talking
    finally:
        talking.close()


@contextmanager
def live(server, **asked):
    """A live video that has begun: the connection, and what the server said it is ready with."""
    with talk(server) as talking:
        talking.tell(**asked)
        message = talking.receive()
        assert "ready" in message, message
        yield talking, message["ready"]

"""Live video over a WebSocket: frames come up, or go down, and the objects of each go down as runs.

At most one frame is looked at and one, the newest, waits; what comes meanwhile takes its place. docs/live.md has the
protocol.
"""

from __future__ import annotations

import asyncio
import json
import struct
import time
from contextlib import ExitStack, suppress
from math import isfinite
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from maskweave.errors import MaskWeaveError
from maskweave.options import Request
from maskweave.serving.answers import problems
from maskweave.serving.images import parsed
from maskweave.serving.live_protocol import MAX_FRAME_BYTES, frame_file, shown_source
from maskweave.serving.models import check_model
from maskweave.serving.problems import Problem, of_requests, stopping
from maskweave.serving.schemas import LiveCounters, LiveRequest, LiveSources
from maskweave.serving.service import Service, remove, soon
from maskweave.serving.workers import Message, Worker, WorkerLost

_HEADER = struct.Struct("<Id")
"""Before a frame's JPEG: its number, and when it was taken, in seconds."""
_LENGTH = struct.Struct("<I")
"""Before the answer that goes down with a frame: the bytes of its JSON."""
_ASK_SECONDS = 15.0
"""For the first message, which says what is wanted."""
_END_SECONDS = 3.0
"""For a process to come to an end; then it is ended."""
_LOOK_SECONDS = 1.0
_ADDRESSES = ("rtsp://", "rtsps://", "http://", "https://")


def router(service: Service) -> APIRouter:
    """The endpoints of a service."""
    routes = APIRouter(tags=["live"])

    @routes.get(
        "/v1/live/sources",
        summary="What the server can show live, besides a browser's own camera",
        response_model=LiveSources,
        responses=problems(),
    )
    async def sources() -> JSONResponse:
        settings = service.settings
        names = [shown_source(each) for each in settings.live_sources]
        return JSONResponse({"sources": names, "streams": settings.allow_streams})

    @routes.websocket("/v1/live")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        await _Session(service, socket).run()

    return routes


class _Session:
    """One connection. Its process is told a frame at a time, and what it answers goes down in order."""

    def __init__(self, service: Service, socket: WebSocket) -> None:
        self._service, self._socket = service, socket
        self._settings = service.settings
        self._answers: asyncio.Queue[Message] = asyncio.Queue()  # as many as frames are on their way: two
        self._worker: Worker | None = None
        self._folder = Path()
        self._is_ready = False
        self._sends_frames = True  # the browser; else the server does
        self._at_work: int | None = None  # the number of the frame that is looked at
        self._waiting: tuple[int, float, bytes] | None = None
        self._skipped = 0
        self._last = time.monotonic()  # when something came

    async def run(self) -> None:
        """Serve until either side ends it; what is wrong is said in a last message."""
        with suppress(WebSocketDisconnect):
            try:
                await self._served()
            except Problem as problem:
                await self._send({"error": {"kind": problem.kind, "detail": problem.detail}})
            if self._is_open:
                await self._socket.close()

    @property
    def _is_open(self) -> bool:
        states = (self._socket.client_state, self._socket.application_state)
        return all(state is WebSocketState.CONNECTED for state in states)

    async def _served(self) -> None:
        work = self._work_of(await self._asked())
        pool = self._service.live
        with ExitStack() as stack:
            stack.enter_context(self._place())
            self._folder = self._service.new_folder()
            stack.callback(remove, self._folder)
            work |= {"folder": str(self._folder), "file": str(self._folder / "frame.jpg")}
            async with pool.lease() as worker:
                self._worker = worker
                await self._with_worker(worker, work)
        await soon(self._folder)

    def _place(self) -> Any:
        try:
            self._service.live.check_place()
        except Problem as problem:
            if problem.kind != "QueueFull":
                raise
            count = self._settings.live_sessions
            raise Problem(
                429,
                "QueueFull",
                f"live: need a free place, all {count} are taken; end another live video, or try again later",
            ) from None
        return self._service.live.place()

    # What is wanted

    async def _asked(self) -> LiveRequest:
        try:
            async with asyncio.timeout(_ASK_SECONDS):
                message = await self._socket.receive()
        except TimeoutError:
            raise Problem(
                408, "RequestTimeout", f"live: need to be told what is wanted within {_ASK_SECONDS:g} s"
            ) from None
        if message["type"] != "websocket.receive":
            raise WebSocketDisconnect
        return parsed(LiveRequest, (message.get("text") or "").encode())

    def _work_of(self, asked: LiveRequest) -> Message:
        words = asked.model_dump(exclude={"source", "address", "model"}, exclude_none=True)
        try:
            options = Request.of(**words, min_track_frames=1)
        except MaskWeaveError as error:
            raise Problem.of(type(error).__name__, str(error)) from None
        source = self._source_of(asked)
        self._sends_frames = source is None
        return {
            "kind": "live",
            "options": options.to_words(),
            "model": check_model(asked.model, self._service.model),
            "source": source,
        }

    def _source_of(self, asked: LiveRequest) -> str | None:
        known = self._settings.live_sources
        if asked.address is not None:
            return self._checked_address(asked.address.strip())
        if asked.source is None:
            return None
        if asked.source >= len(known):
            raise Problem(422, "SourceNotFound", "source: need a number out of /v1/live/sources")
        return known[asked.source]

    def _checked_address(self, address: str) -> str:
        """An address that the page names; never a path."""
        if not self._settings.allow_streams:
            raise Problem(
                403, "Forbidden", "address: this server opens no addresses; start it with --allow-streams"
            )
        is_camera = address.removeprefix("camera:").isdecimal() and address.startswith("camera:")
        if not is_camera and not address.lower().startswith(_ADDRESSES):
            raise Problem(
                422, "SourceNotFound", "address: need rtsp://…, http://…, or camera:0 for one of the server's"
            )
        return address

    # Frames and answers

    async def _with_worker(self, worker: Worker, work: Message) -> None:
        """Let ``worker`` do it while messages come and answers go; the first that ends ends all."""
        doing = asyncio.create_task(worker.do(work, self._answers.put_nowait))
        tasks = [doing, *map(asyncio.create_task, (self._receive_all(), self._send_all(), self._watch()))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            while not self._answers.empty() and doing.done():
                await self._answer(self._answers.get_nowait())
            for task in tasks:
                if task.done():
                    await self._conclude(task)
        finally:
            for task in tasks[1:]:
                task.cancel()
            await self._end(worker, doing)
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _conclude(self, task: asyncio.Task[Any]) -> None:
        """Raise what ended it, or say that it is over."""
        result = task.result()
        if result is not None:
            await self._send({"over": result["over"]})

    async def _end(self, worker: Worker, doing: asyncio.Task[Message]) -> None:
        """Let the process come to an end, or end it where it does not."""
        if not doing.done() and self._is_ready:
            worker.control({"control": "end"})
            await asyncio.wait([doing], timeout=_END_SECONDS)
        if not doing.done() or isinstance(doing.exception(), WorkerLost):
            doing.cancel()
            await asyncio.shield(worker.stop())

    async def _receive_all(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] != "websocket.receive":
                raise WebSocketDisconnect
            self._last = time.monotonic()
            if message.get("bytes") is not None:
                self._take(message["bytes"])
            else:
                self._heed(message["text"])

    def _take(self, data: bytes) -> None:
        """A frame of the browser; it takes the place of one that waits."""
        if len(data) < _HEADER.size or not self._sends_frames:
            raise Problem(
                422, "InvalidValue", "frame: need a number, a time and a JPEG image, got other bytes"
            )
        number, seconds = _HEADER.unpack_from(data)
        if not isfinite(seconds) or abs(seconds) > 1e9:
            raise Problem(422, "InvalidValue", f"frame: need the time in seconds, got {seconds}")
        self._service.metrics.uploaded.inc(len(data))
        if len(data) > MAX_FRAME_BYTES:
            limit = f"need at most {MAX_FRAME_BYTES / 1e6:g} MB, got {len(data) / 1e6:.1f} MB"
            self._answers.put_nowait({"frame": number, "refused": f"frame: {limit}; send smaller images"})
            return
        if self._at_work is not None or not self._is_ready:
            self._skipped += self._waiting is not None
            self._waiting = number, seconds, data
        else:
            self._begin(number, seconds, data)

    def _begin(self, number: int, seconds: float, data: bytes) -> None:
        self._at_work = number
        (self._folder / "frame.jpg").write_bytes(memoryview(data)[_HEADER.size :])
        self._control({"control": "frame", "number": number, "time": seconds})

    def _heed(self, text: str) -> None:
        asked = parsed(LiveCounters, text.encode())
        if asked.shown is not None and not self._sends_frames:
            self._control({"control": "shown"})
        if asked.line is not None or asked.zone is not None:
            places = {"line": asked.line or [], "zone": asked.zone or [], "drawn_on": asked.drawn_on}
            self._control({"control": "count", **places})

    def _control(self, message: Message) -> None:
        if self._worker is not None and self._is_ready:
            self._worker.control(message)

    async def _send_all(self) -> None:
        while True:
            await self._answer(await self._answers.get())

    async def _answer(self, message: Message) -> None:
        """Send one answer; the next frame begins before, unless another answer waits: a slow reader is sent fewer."""
        if "ready" in message:
            self._is_ready, self._last = True, time.monotonic()
        for kind in {"refused", "warning"} & message.keys():
            message[kind] = of_requests(message[kind])
        if "objects" in message:
            self._service.metrics.frames.inc()
        if self._answers.empty():
            self._begin_next(message)
        if "objects" in message and not self._sends_frames:
            await self._send_frame(message)
        else:
            is_browser = "objects" in message and self._sends_frames
            await self._send({**message, "skipped": self._skipped} if is_browser else message)
        self._begin_next(message)

    def _begin_next(self, answered: Message) -> None:
        """Let the frame that waits be looked at once the one at work is answered."""
        if answered.get("frame") == self._at_work:
            self._at_work = None
        if self._at_work is None and self._is_ready and self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            self._begin(*waiting)

    async def _send_frame(self, message: Message) -> None:
        text = json.dumps(message).encode()
        image = frame_file(self._folder, int(message["frame"])).read_bytes()
        await self._socket.send_bytes(_LENGTH.pack(len(text)) + text + image)

    async def _send(self, message: Message) -> None:
        if self._is_open:
            await self._socket.send_text(json.dumps(message))

    async def _watch(self) -> None:
        """End it where nothing comes, or where the process takes too long, or the server stops."""
        at_work, since = None, time.monotonic()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            now = time.monotonic()
            if self._at_work is None or self._at_work != at_work:
                at_work, since = self._at_work, now
            if self._service.is_stopping:
                raise stopping()
            if now - since > self._settings.image_seconds:
                raise Problem.of("DeadlinePassed", f"frame: not done after {now - since:.0f} seconds")
            if self._is_ready and now - self._last > self._settings.live_idle_seconds:
                raise Problem(408, "RequestTimeout", f"live: nothing came for {now - self._last:.0f} seconds")

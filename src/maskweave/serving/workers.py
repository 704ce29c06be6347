"""Decode and segment in processes of their own, so that a file that crashes one costs a single request.

A `Worker` is one process at a time: it is given a piece of work as a line of JSON and answers with lines of JSON, so
that one which a file has taken over can say no more than that. Pixels travel in files. A `Pool` has a few of them and
a queue of bounded length. A process that dies, passes its deadline or is given up is replaced by a new one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from maskweave.serving.problems import Problem, queue_full, stopping

Message: TypeAlias = dict[str, Any]

_MAX_LINE = 1 << 20
_START_SECONDS = 120.0
"""Loading a model takes a second; a machine under load may take much longer."""
_NEWS = 0.1
"""How much the last piece of work counts in what work usually takes."""


class WorkerLost(Problem):
    """A process ended, or spoke nonsense, in the middle of its work."""

    def __init__(self, code: int | None) -> None:
        ending = f"signal {-code}" if code is not None and code < 0 else f"code {code}"
        super().__init__(
            500,
            "WorkerLost",
            f"the process at work on this request ended ({ending}): a damaged file, or too much memory; "
            "no other request is touched",
        )


class Worker:
    """One process at a time that does one piece of work at a time; started when it is needed.

    ``options``: its limits and its model. ``scratch``: where libraries may leave temporary files.
    """

    def __init__(self, options: Mapping[str, Any], scratch: Path) -> None:
        self._options = options
        self._environment = {**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch))}
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The process, or None where there is none."""
        return self._process.pid if self._process is not None else None

    @property
    def is_running(self) -> bool:
        """Whether there is a process that has not ended."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> Message:
        """Start a process, wait until its model is loaded, and return what it says of it.

        Raises the library's error, as a `Problem`, when the model cannot be loaded.
        """
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "maskweave.serving.worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_MAX_LINE,
            env=self._environment,
            start_new_session=True,  # Ctrl-C is for the server, which then ends its processes in order
        )
        try:
            async with asyncio.timeout(_START_SECONDS):
                return await self._converse(dict(self._options), None)
        except BaseException:
            await self.stop()
            raise

    async def do(self, work: Message, on_message: Callable[[Message], None] | None = None) -> Message:
        """Do a piece of work and return the result; ``on_message`` is called with what is reported on the way.

        Raises `WorkerLost`, or the library's error as a `Problem`. Must not be called twice at a time.
        """
        if not self.is_running:
            await self.start()
        return await self._converse(work, on_message)

    def control(self, message: Message) -> None:
        """Say something to the work that is being done; ``message`` has the key "control"."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")

    async def stop(self) -> None:
        """End the process, whatever it is doing, and wait until it is gone."""
        process = self._process
        if process is None:
            return
        _kill(process)
        await process.wait()
        if process.stdin is not None and process.stdout is not None:
            process.stdin.close()
            await process.stdout.read()  # to its end, so that asyncio lets go of the pipe
        if self._process is process:  # this may be called twice at a time
            self._process = None

    async def _converse(self, work: Message, on_message: Callable[[Message], None] | None) -> Message:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise WorkerLost(None)
        with contextlib.suppress(ConnectionError):  # its end is noticed while reading
            process.stdin.write(json.dumps(work).encode() + b"\n")
            await process.stdin.drain()
        while True:
            message = await self._message(process, process.stdout)
            if "error" in message:
                raise Problem.of(str(message["error"].get("kind")), str(message["error"].get("detail")))
            if "result" in message:
                result: Message = message["result"]
                return result
            if on_message is not None:
                on_message(message)

    async def _message(self, process: asyncio.subprocess.Process, lines: asyncio.StreamReader) -> Message:
        try:
            message = json.loads(await lines.readline())
        except ValueError:  # the end, half a line, one too long, or no JSON
            message = None
        if isinstance(message, dict):
            return message
        _kill(process)
        raise WorkerLost(await process.wait())


def _kill(process: asyncio.subprocess.Process) -> None:
    """Kill a process that has not ended.

    Its own `kill` would first ask whether it has, and so take from asyncio how it ended.
    """
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))


class Pool:
    """``size`` workers, and a queue in which ``waiting`` pieces of work may stand; more are refused."""

    def __init__(
        self, options: Mapping[str, Any], *, scratch: Path, size: int, waiting: int, seconds: float
    ) -> None:
        self.workers = [Worker(options, scratch) for _ in range(size)]
        self.lost = 0
        self._max_requests = size + waiting
        self._occupied = 0
        self._seconds = seconds
        self._idle: asyncio.LifoQueue[Worker] = asyncio.LifoQueue()  # the one whose memory is warm
        for worker in self.workers:
            self._idle.put_nowait(worker)
        self._renewals: set[asyncio.Task[None]] = set()
        self._closed = False
        self._usual = 1.0

    @property
    def occupied(self) -> int:
        """Pieces of work that wait or are being done."""
        return self._occupied

    @property
    def waits(self) -> int:
        """Pieces of work that no worker has begun."""
        return max(0, self._occupied - len(self.workers))

    @property
    def is_ready(self) -> bool:
        """Whether a process is there that can take work."""
        return not self._closed and any(worker.is_running for worker in self.workers)

    async def start(self) -> list[Message]:
        """Start all processes; raises what `Worker.start` raises."""
        return await asyncio.gather(*(worker.start() for worker in self.workers))

    def check_place(self) -> None:
        """Raise the `Problem` with which work is refused now: the queue is full, or the server stops."""
        if self._closed:
            raise stopping()
        if self._occupied >= self._max_requests:
            raise queue_full(self._retry_after())

    def _retry_after(self) -> int:
        """Whole seconds until the queue has moved on, by what work took lately.

        With some chance in them, so that those who are sent away together do not come back together.
        """
        wait = self.waits * self._usual / len(self.workers)
        return 1 + min(600, round(wait)) + random.randrange(3)

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """A place in the queue, which a caller of `do` must have; raises what `check_place` raises."""
        self.check_place()
        self._occupied += 1
        try:
            yield
        finally:
            self._occupied -= 1

    async def do(
        self,
        work: Message,
        *,
        begun: Callable[[], None] | None = None,
        on_message: Callable[[Message], None] | None = None,
        is_given_up: Callable[[], Awaitable[bool]] | None = None,
    ) -> Message:
        """Wait for a worker and return its result; ``begun`` is called when it begins.

        ``is_given_up`` is asked before: whether nobody waits any longer.

        Raises `Problem`: the work failed, its process ended, or it took too long. When the caller is cancelled the
        process is ended.
        """
        async with self.lease() as worker:
            if is_given_up is not None and await is_given_up():
                raise Problem(400, "BadRequest", "the connection broke off")
            if begun is not None:
                begun()
            return await self._done(worker, work, on_message)

    @contextlib.asynccontextmanager
    async def lease(self) -> AsyncIterator[Worker]:
        """Wait for a worker, and have it until the end of the ``with`` block; whoever asks has a place (`place`)."""
        worker = await self._idle.get()
        try:
            yield worker
        finally:
            self._give_back(worker)

    async def _done(
        self, worker: Worker, work: Message, on_message: Callable[[Message], None] | None
    ) -> Message:
        try:
            began = time.monotonic()
            async with asyncio.timeout(self._seconds):
                result = await worker.do(work, on_message)
            self._usual += _NEWS * (time.monotonic() - began - self._usual)
            return result
        except TimeoutError:
            await worker.stop()
            raise Problem.of(
                "DeadlinePassed", f"not done after {self._seconds:g} seconds; send a smaller file"
            ) from None
        except (WorkerLost, asyncio.CancelledError):
            await asyncio.shield(worker.stop())
            raise

    def _give_back(self, worker: Worker) -> None:
        """Put a worker back among the idle ones, with a new process where it has lost its own."""
        if worker.is_running or self._closed:
            self._idle.put_nowait(worker)
            return
        self.lost += 1
        renewal = asyncio.create_task(self._renew(worker))
        self._renewals.add(renewal)
        renewal.add_done_callback(self._renewals.discard)

    async def _renew(self, worker: Worker) -> None:
        try:
            await worker.start()
        except (Problem, OSError, TimeoutError):
            pass  # whoever needs it next tries again, and is told
        finally:
            self._idle.put_nowait(worker)

    def close(self) -> None:
        """Refuse further work; what has a place is still done."""
        self._closed = True

    async def stop(self) -> None:
        """Refuse further work and end all processes."""
        self.close()
        for renewal in list(self._renewals):
            renewal.cancel()
        await asyncio.gather(*self._renewals, return_exceptions=True)
        await asyncio.gather(*(worker.stop() for worker in self.workers))

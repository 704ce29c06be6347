"""Run work that may crash, hang or exhaust memory in child processes, and replace them when it does.

A decoder that meets a damaged file can end its process (a signal), never come back, or ask for all memory there is.
In a child process it takes nothing with it but the call it was made for. This is for reliability: a child may do
whatever its user may, so it is no sandbox against files that were made to attack.

Children are started again, not forked: they share no threads, locks or file handles with their parent, and they do
not import the parent's main module.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, BinaryIO, TypeAlias

from maskweave.closable import Closable
from maskweave.errors import ChildCrashed, DeadlinePassed, EngineError, IsolationError, OutOfMemory

Heartbeat: TypeAlias = Callable[[], None]
"""A sign of life: a call that takes long, frame by frame, gives one now and then, and its deadline begins again."""
Work: TypeAlias = Callable[[Any, Heartbeat], Any]
"""What a child does: from one argument to one answer, both of which can be pickled."""

_START_SECONDS = 300.0
"""A child that has not loaded what it needs by then never will."""
_STOP_SECONDS = 10.0
"""Time to remove what is half done."""
_READY, _HEARTBEAT, _ANSWER, _ERROR, _MEMORY = "ready", "beat", "answer", "error", "memory"
_NO_MEMORY = (
    *("insufficient memory", "failed to allocate memory", "bad allocation", "std::bad_alloc"),
    *("resource temporarily unavailable", "can't start new thread"),  # no room for another thread's stack
)
"""How OpenCV, ONNX Runtime, FFmpeg and Python's threads say it."""


class Child(Closable):
    """One child process that makes calls, one at a time; after a crash the next call gets a new one.

    ``make``: called once in each process; returns the `Work` (a module's function or a `functools.partial` of one).
    ``memory``: bytes of address space that calls may take over what the process has after ``make`` (Linux; elsewhere
    there is no limit). ``deadline``: seconds from a call's begin, or from its last `Heartbeat`, to its end.

    A context manager. Not for several threads at a time.
    """

    def __init__(
        self, make: Callable[[], Work], *, memory: int | None = None, deadline: float | None = None
    ) -> None:
        self._made = pickle.dumps((make, memory))
        self._memory, self._deadline = memory, deadline
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False

    def start(self) -> None:
        """Start the process and wait until ``make`` is done, if it does not run already.

        Raises what ``make`` raises, and `EngineError` when the process does not come to its end.
        """
        if self._process is not None and self._process.poll() is None:
            return
        if self._closed:
            raise EngineError("a worker process was closed and is not started again")
        self._end()
        self._process = _spawn()
        if self._is_closed():  # by another thread, meanwhile
            self._end()
        try:
            self._send(self._made)
            self._receive(_START_SECONDS)
        except IsolationError as error:
            raise EngineError(f"a worker process could not start: {error}") from error

    @property
    def pid(self) -> int | None:
        """The number of the process, or None when none runs."""
        return None if self._process is None else self._process.pid

    def call(self, argument: object) -> Any:
        """Return what the work makes of ``argument``, or raise what it raises.

        Raises `ChildCrashed`, `DeadlinePassed` or `OutOfMemory` when the process was lost in this call, and what
        `start` raises.
        """
        self.start()
        self._send(pickle.dumps(argument))
        return self._receive(self._deadline)

    def close(self) -> None:
        """End the process; a call in the making, in another thread, ends with `ChildCrashed`. May be called again."""
        self._closed = True
        self._end()

    def _is_closed(self) -> bool:
        return self._closed

    def _send(self, message: bytes) -> None:
        stream = self._process.stdin if self._process else None
        with contextlib.suppress(OSError, ValueError):  # it is gone: reading its answer tells how it ended
            if stream is not None:
                stream.write(message)
                stream.flush()

    def _receive(self, deadline: float | None) -> Any:
        """The answer to what was sent last; a process that took too long or too much is replaced."""
        process = self._process
        if process is None or process.stdout is None:
            raise ChildCrashed("the worker process was closed")
        watch = _Watch(process, deadline)
        try:
            while True:
                with watch:
                    kind, content = pickle.load(process.stdout)
                if kind != _HEARTBEAT:
                    break
        except (EOFError, pickle.UnpicklingError, OSError, ValueError):
            self._end()
            if watch.expired:
                raise DeadlinePassed(f"gave no sign of life for {deadline:g} s and was ended") from None
            raise ChildCrashed(f"the process that did it ended: {_how(process.wait())}") from None
        if kind == _MEMORY:
            self._end()
            allowed = "" if self._memory is None else f" over its {self._memory / 1e6:,.0f} MB"
            raise OutOfMemory(f"needed more memory{allowed} ({content})")
        if kind == _ERROR:
            raise content
        return content

    def _end(self) -> None:
        """Let the process remove what is half done; end it where it does not."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()  # another thread that reads it has come to its end by now


class ChildPool(Closable):
    """Several `Child` processes that share the work; a context manager. Arguments as for `Child`."""

    def __init__(
        self,
        make: Callable[[], Work],
        *,
        workers: int,
        memory: int | None = None,
        deadline: float | None = None,
    ) -> None:
        self.children = [Child(make, memory=memory, deadline=deadline) for _ in range(workers)]

    def results(self, arguments: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        """Yield each argument with its answer, or with the exception it ended in, as they are done.

        No more is taken from ``arguments`` than is at work. An exception of starting a process is raised: it would
        meet every argument.
        """
        waiting, idle = iter(arguments), list(self.children)
        running: dict[Future[Any], tuple[Child, Any]] = {}
        with ThreadPoolExecutor(len(idle), thread_name_prefix="maskweave-child") as threads:
            try:
                while True:
                    while idle and (argument := next(waiting, _NOTHING)) is not _NOTHING:
                        child = idle.pop()
                        running[threads.submit(_attempt, child, argument)] = child, argument
                    if not running:
                        return
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        child, argument = running.pop(future)
                        idle.append(child)
                        yield argument, future.result()
            finally:
                if running:
                    self.close()

    def close(self) -> None:
        """End all processes, at the same time."""
        enders = [threading.Thread(target=child.close) for child in self.children]
        for ender in enders:
            ender.start()
        for ender in enders:
            ender.join()


_NOTHING = object()


def _attempt(child: Child, argument: object) -> Any:
    child.start()
    try:
        return child.call(argument)
    except Exception as error:
        return error


class _Watch:
    """Ends a process when the ``with`` block takes longer than the deadline; entered again for each wait."""

    def __init__(self, process: subprocess.Popen[bytes], seconds: float | None) -> None:
        self._process, self._seconds = process, seconds
        self._timer: threading.Timer | None = None
        self.expired = False

    def _expire(self) -> None:
        self.expired = True
        self._process.kill()

    def __enter__(self) -> None:
        if self._seconds is not None:
            self._timer = threading.Timer(self._seconds, self._expire)
            self._timer.daemon = True
            self._timer.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()


def _spawn() -> subprocess.Popen[bytes]:
    current_folder = str(Path.cwd())  # what "" stands for
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(place or current_folder for place in sys.path)}
    return subprocess.Popen(
        [sys.executable, "-P", "-c", "from maskweave.isolation import serve; serve()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )


def _how(code: int | None) -> str:
    """How a process ended."""
    if code is None or code >= 0:
        return f"exit status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = str(-code)
    hint = ", often for want of memory" if name == "SIGKILL" else ""
    return f"signal {name}{hint}"


def serve() -> None:
    """Be the child: make the work, then answer calls until the parent closes the pipe or is gone."""
    calls, answers = _pipes()
    try:
        _serve(calls, answers)
    finally:
        with contextlib.suppress(OSError):  # what is left in it has no reader any more
            answers.close()


def _serve(calls: BinaryIO, answers: BinaryIO) -> None:
    arguments: queue.SimpleQueue[Any] = queue.SimpleQueue()
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the parent decides
    signal.signal(signal.SIGTERM, _leave)
    make, memory = pickle.load(calls)
    _answer(answers, lambda: _made(make, memory), kind=_READY)
    if not _kept:
        return
    threading.Thread(target=_listen, args=(calls, arguments), daemon=True).start()
    work: Work = _kept[0]

    def heartbeat() -> None:
        _write(answers, _HEARTBEAT, None)

    while (argument := arguments.get()) is not _NOTHING:
        _answer(answers, lambda argument=argument: work(argument, heartbeat), kind=_ANSWER)  # type: ignore[misc]


_kept: list[Work] = []
"""The work that was made; empty where making failed, and then the process ends."""


def _made(make: Callable[[], Work], memory: int | None) -> None:
    _kept.append(make())
    if memory is not None:
        _limit_memory(memory)


def _pipes() -> tuple[BinaryIO, BinaryIO]:
    """The pipes to the parent, moved out of the way of whatever reads stdin or prints."""
    calls, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return calls, answers


def _listen(calls: BinaryIO, arguments: queue.SimpleQueue[Any]) -> None:
    """Read calls as they come; when the pipe ends, end the process, and first what is half done."""
    try:
        while True:
            arguments.put(pickle.load(calls))
    except (EOFError, OSError, pickle.UnpicklingError):
        pass
    except Exception:  # no room for it, or a class that is not here: nobody would hear the next call
        traceback.print_exc()
    arguments.put(_NOTHING)
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(_STOP_SECONDS)
    os._exit(1)


def _leave(number: int, at: FrameType | None) -> None:
    raise SystemExit(0)


def _answer(answers: BinaryIO, do: Callable[[], Any], *, kind: str) -> None:
    """Do it and write what came of it."""
    try:
        content = do()
    except Exception as error:
        if is_memory(error):
            _write(answers, _MEMORY, _one_line(error))
        else:
            _write(answers, _ERROR, _portable(error))
        return
    _write(answers, kind, content)


def _write(answers: BinaryIO, kind: str, content: object) -> None:
    try:
        answers.write(pickle.dumps((kind, content)))
        answers.flush()
    except BrokenPipeError:
        raise SystemExit(0) from None  # the parent is gone


def _portable(error: Exception) -> Exception:
    """The error itself where it can be pickled, else one that describes it."""
    try:
        if type(pickle.loads(pickle.dumps(error))) is type(error):
            return error
    except Exception:
        pass  # whatever its class objects to
    return RuntimeError("".join(traceback.format_exception_only(error)).strip())


def is_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that it came from, is want of memory: what libraries raise is wrapped on its way."""
    while error is not None:
        text = str(error).lower()
        if isinstance(error, MemoryError) or any(sign in text for sign in _NO_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _limit_memory(allowance: int) -> None:
    """Bound the address space to what it is now and ``allowance`` more bytes; only Linux says what it is now."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return
    import resource

    now = int(statm.read_text().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = now + allowance if hard == resource.RLIM_INFINITY else min(now + allowance, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))

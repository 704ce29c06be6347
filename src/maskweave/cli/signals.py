"""Handle Ctrl-C, a closed terminal and SIGTERM: nothing half done stays, and a live recording ends instead."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType

import typer

from maskweave.cli.console import warn
from maskweave.sources.lazy import LazySource

INTERRUPTED = 128 + signal.SIGINT

_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
]


@contextmanager
def interruptible(
    message: str | None = "maskweave: interrupted; finished outputs stay",
) -> Iterator[None]:
    """Turn a signal to stop into one line and exit code 130, after everything half done was removed.

    Around the body of a command, inside typer's own handling. ``message``: the line; None leaves it to the command.
    """
    try:
        with _handled(signal.default_int_handler):
            yield
    except KeyboardInterrupt:
        if message is not None:
            warn(message)
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def until_stopped(source: LazySource) -> Iterator[None]:
    """Let the first signal to stop end a live source, so that the recording is kept; the second one interrupts."""
    if source.info.kind != "live":
        yield
        return
    stopped = False

    def on_signal(number: int, at: FrameType | None) -> None:
        nonlocal stopped
        if stopped:
            raise KeyboardInterrupt
        stopped = True
        source.stop()

    with _handled(on_signal):
        yield


@contextmanager
def until_signal() -> Iterator[Callable[[float], bool]]:
    """Yield a function that waits some seconds and returns whether a signal to stop came; a second one interrupts."""
    stop = Event()

    def hear(number: int, at: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    with _handled(hear):
        yield stop.wait


@contextmanager
def _handled(handler: signal._HANDLER) -> Iterator[None]:
    """Install ``handler`` for every signal to stop but those that are ignored, as ``nohup`` asks for.

    Signals are heard in the main thread only; in another nothing is installed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in caught}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)

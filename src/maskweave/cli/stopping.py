"""Ctrl-C, a closed terminal and SIGTERM: nothing half done stays, and a live recording ends instead."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer

from maskweave.cli.console import say
from maskweave.sources.lazy import LazySource

INTERRUPTED = 128 + signal.SIGINT

_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
]


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn a signal to stop into one line and exit code 130, after everything half done was removed.

    Around the body of a command, inside typer's own handling.
    """
    try:
        with _handled(signal.default_int_handler):
            yield
    except KeyboardInterrupt:
        say("maskweave: interrupted; finished outputs stay")
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def until_stopped(source: LazySource) -> Iterator[None]:
    """Let the first signal to stop end a live source, so that the recording is kept; the second one interrupts."""
    if source.info.kind != "live":
        yield
        return
    stopped = False

    def hear(number: int, at: FrameType | None) -> None:
        nonlocal stopped
        if stopped:
            raise KeyboardInterrupt
        stopped = True
        source.stop()

    with _handled(hear):
        yield


@contextmanager
def _handled(handler: signal._HANDLER) -> Iterator[None]:
    """Install ``handler`` for every signal to stop but those that are ignored, as ``nohup`` asks for."""
    heard = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in heard}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)

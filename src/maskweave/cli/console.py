"""What the user sees: messages and progress on stderr, results for machines on stdout."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from maskweave.errors import InvalidValue, MaskWeaveError, UnknownModel

FAILED = 1
WRONG_CALL = 2


def say(message: str) -> None:
    """Print one line for people, on stderr, so that stdout stays clean."""
    print(message, file=sys.stderr, flush=True)  # noqa: T201


def emit(record: dict[str, Any]) -> None:
    """Print one JSON line for machines, on stdout."""
    print(json.dumps(record), flush=True)  # noqa: T201


def counted(count: int, noun: str) -> str:
    """A number with its noun: "1 frame", "2 frames"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


@contextmanager
def report_errors(*, debug: bool) -> Iterator[None]:
    """Turn errors into one line on stderr and an exit code; with ``debug`` let the traceback through."""
    try:
        yield
    except BrokenPipeError:
        # the reader of our stdout went away; give the interpreter something to flush into
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except MaskWeaveError as error:
        if debug:
            raise
        say(f"maskweave: {error}")
        sys.exit(WRONG_CALL if isinstance(error, InvalidValue | UnknownModel) else FAILED)
    except Exception as error:
        if debug:
            raise
        say(f"maskweave: internal error ({type(error).__name__}: {error}); please report it, with --debug")
        sys.exit(FAILED)


@contextmanager
def progress_bar(label: str, total: int | None) -> Iterator[Callable[[int, int | None], None]]:
    """A progress bar on stderr; yields ``update(done, total)``. Nothing is shown where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done, total: bar.update(task, completed=done, total=total)

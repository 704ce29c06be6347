"""Talk to the user: messages and progress on stderr, results for machines on stdout."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from maskweave.errors import InvalidValue, MaskWeaveError, UnknownModel

_CONTROLS = re.compile(
    r"\033(?!\[[012]m)|(?<=.)\n|[\0-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)
"""What in a file's name would begin another line, or command the terminal; styles of ours are let through."""
FAILED = 1
WRONG_CALL = 2


@dataclass
class Verbosity:
    """How much the running command shows."""

    quiet: bool = False
    debug: bool = False


verbosity = Verbosity()


def set_verbosity(*, quiet: bool, debug: bool) -> None:
    """Choose how much this process's command shows; a command is one process."""
    verbosity.quiet, verbosity.debug = quiet, debug


def inform(message: str) -> None:
    """Print one line for people, on stderr, so that stdout stays clean; ``--quiet`` leaves it out."""
    if not verbosity.quiet:
        warn(message)


def warn(message: str) -> None:
    """Print one line that people must see: a warning, or what went wrong."""
    print(_CONTROLS.sub(_escaped, message), file=sys.stderr, flush=True)  # noqa: T201


def _escaped(control: re.Match[str]) -> str:
    return control[0].encode("unicode_escape").decode("ascii")


def emit(record: dict[str, Any]) -> None:
    """Print one JSON line for machines, on stdout."""
    print(json.dumps(record), flush=True)  # noqa: T201


def on_terminal() -> bool:
    """Whether people read stderr as it comes, and not a file or a program."""
    return sys.stderr.isatty()


def bold(text: str) -> str:
    """``text`` as a heading, where the terminal has such."""
    return _styled(text, "1")


def dim(text: str) -> str:
    """``text`` as an aside, where the terminal has such."""
    return _styled(text, "2")


def _styled(text: str, style: str) -> str:
    plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb" or not on_terminal()
    return text if plain else f"\033[{style}m{text}\033[0m"


def counted(count: int, noun: str) -> str:
    """A number with its noun: "1 frame", "2 frames"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


@contextmanager
def report_errors() -> Iterator[None]:
    """Turn errors into one line on stderr and an exit code; with ``--debug`` let the traceback through."""
    try:
        yield
    except BrokenPipeError:
        # the reader of our stdout went away; give the interpreter something to flush into
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except MaskWeaveError as error:
        if verbosity.debug:
            raise
        warn(f"maskweave: {error}")
        sys.exit(WRONG_CALL if isinstance(error, InvalidValue | UnknownModel) else FAILED)
    except Exception as error:
        if verbosity.debug:
            raise
        warn(f"maskweave: internal error ({type(error).__name__}: {error}); please report it, with --debug")
        sys.exit(FAILED)


@contextmanager
def progress_bar(label: str, total: int | None) -> Iterator[Callable[[int, int | None], None]]:
    """A progress bar on stderr, which yields ``update(done, total)``.

    It is shown from the first update on, so that nothing is said of what need not be done; not at all with
    ``--quiet``, or where stderr is no terminal.
    """
    if verbosity.quiet or not on_terminal():
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
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task(label, total=total)

    def update(done: int, total: int | None) -> None:
        bar.start()
        bar.update(task, completed=done, total=total)

    try:
        yield update
    finally:
        bar.stop()

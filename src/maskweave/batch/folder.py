"""The output folder of a job: its record, who is at work in it, and what an interruption left behind."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from maskweave.errors import OutputError
from maskweave.outputs.files import output_errors

STATE = ".maskweave"
"""The folder of the record within the output folder."""
_HALF_DONE = re.compile(r"^\..*\.[0-9a-f]{8}\.(part(\.\w+)?|old)$")
"""How `outputs.files` calls what is not whole yet, or no longer needed."""


def record_path(folder: Path) -> Path:
    """Where the manifest of the job in ``folder`` lies."""
    return folder / STATE / "manifest.sqlite"


@contextmanager
def at_work(folder: Path) -> Iterator[None]:
    """Keep other jobs out of ``folder``; raises `OutputError` when one is at work there. A killed one is not."""
    place = folder / STATE / "lock"
    with output_errors(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        file = place.open("a")
    with file:
        try:
            _lock(file)
        except OSError as error:
            raise OutputError(
                f"{folder}: another batch is at work in this folder; wait for it or choose another one with -o"
            ) from error
        yield


def remove_half_done(folder: Path) -> None:
    """Remove what a killed run of the job left under hidden names."""
    for path in sorted(folder.rglob(".*")):
        if not _HALF_DONE.match(path.name):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()


def _lock(file: IO[str]) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        return
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

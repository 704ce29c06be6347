"""The output folder of a job: its record, a lock against a second run, and what an interruption left behind."""

from __future__ import annotations

import errno
import hashlib
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from maskweave.batch.storage import fetch_if_there, is_remote, send
from maskweave.catalog.cache import cache_dir
from maskweave.errors import OutputError
from maskweave.files import output_errors

STATE = ".maskweave"
"""The folder of the record within the output folder."""
_RECORD = "manifest.sqlite"
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
_HALF_DONE = re.compile(r"^\..*\.[0-9a-f]{8}\.(part(\.\w+)?|old)$")
"""How `files` calls what is not whole yet, or no longer needed."""


def record_path(output: str) -> Path:
    """The path of the job's manifest on this machine: a database cannot work in an object store."""
    if is_remote(output):
        return cache_dir() / "batch" / hashlib.sha256(output.rstrip("/").encode()).hexdigest()[:16] / _RECORD
    return Path(output) / STATE / _RECORD


@contextmanager
def at_work(output: str) -> Iterator[None]:
    """Keep other jobs out of ``output``; raises `OutputError` when one is at work there. A killed one is not.

    The record of a remote job is fetched first where this machine has none, and sent back in the end.
    """
    path = record_path(output)
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.with_name("lock").open("a")
    with file:
        if not _locked(file):
            raise OutputError(
                f"{output}: another batch is at work in this folder; wait for it or choose another one with -o"
            )
        if not is_remote(output):
            yield
            return
        fetch_record(output)
        try:
            yield
        finally:
            if path.exists():
                send(path, _remote_record(output))


def fetch_record(output: str) -> None:
    """Fetch the record of a remote job where this machine has none; raises `SourceError`."""
    path = record_path(output)
    if is_remote(output) and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fetch_if_there(_remote_record(output), path)


def _remote_record(output: str) -> str:
    return f"{output.rstrip('/')}/{STATE}/{_RECORD}"


def remove_half_done(output: str) -> None:
    """Remove what a killed run of the job left under hidden names."""
    if is_remote(output):
        return
    for path in sorted(Path(output).rglob(".*")):
        if not _HALF_DONE.match(path.name):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()


def _locked(file: IO[str]) -> bool:
    """Lock a file; False when another process has. A share that knows no locks goes without."""
    try:
        _lock(file)
    except OSError as error:
        return error.errno in _NO_LOCKS
    return True


def _lock(file: IO[str]) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        return
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

"""The cache of downloaded models: where they lie, and whether they are still what was published.

One folder an entry, in it the files and ``lock.json``: for each file its sha256, size and time of change when it
was last found right. A file that has changed since, or that somebody has put there, is hashed before it is used.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import importlib.resources
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from maskweave.catalog.entries import all_entries
from maskweave.catalog.entry import BUILT_IN, Checksum, Entry, ModelFile
from maskweave.errors import HashMismatch, ModelError, ModelNotDownloaded

LOCK = "lock.json"
_FULL = (errno.ENOSPC, errno.EDQUOT)


def cache_dir() -> Path:
    """The folder of downloaded models: the variable MASKWEAVE_CACHE, or the platform's place for caches."""
    chosen = os.environ.get("MASKWEAVE_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    import pooch  # slow to import, and the program's help needs none of it

    return Path(pooch.os_cache("maskweave"))


def folder_of(entry: Entry) -> Path:
    """The folder of one entry's files."""
    return cache_dir() / "models" / entry.name


def locate(entry: Entry) -> tuple[Path, ...]:
    """Return the paths of an entry's files, each known to be the published one.

    Raises `ModelNotDownloaded` when a file is missing or cannot be read, `HashMismatch` when it is another.
    """
    if entry.packaged:
        return tuple(_packaged(entry, file) for file in entry.files)
    return tuple(_checked(entry, file) for file in entry.files)


def not_downloaded(entry: Entry, why: str = "") -> ModelNotDownloaded:
    """Make the error for a model that is not on this machine, with what to do instead."""
    reason, when = (f" ({why})", "when that can be reached") if why else ("", "with a network")
    return ModelNotDownloaded(
        f"{entry.name}: this model is not on this machine{reason}; {when}: maskweave models pull "
        f"{entry.name}; without a network use the built-in one: {BUILT_IN}"
    )


def checksum_of(path: Path, algorithm: str) -> str:
    """The hexadecimal checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def examine(file: ModelFile, path: Path) -> tuple[str, str]:
    """Return the sha256 of the copy of ``file`` at ``path``, and what is wrong with it: "" when nothing is.

    It must have the published checksum and, where the folder's lock file has pinned one, that sha256. Raises
    `ModelNotDownloaded` when it cannot be read.
    """
    pinned = _read_lock(path.parent).get(file.name, {}).get("sha256")
    with disk_errors(path, "read"):
        sha256 = checksum_of(path, "sha256")
        for need in filter(None, (file.checksum, Checksum("sha256", str(pinned)) if pinned else None)):
            got = sha256 if need.algorithm == "sha256" else checksum_of(path, need.algorithm)
            if got != need.value:
                return sha256, f"need {need.algorithm} {need.value}, got {got}"
    return sha256, ""


def recorded(path: Path) -> str | None:
    """The sha256 that the folder's lock file has for ``path``; None where the file has changed since."""
    known = _read_lock(path.parent).get(path.name, {})
    with disk_errors(path, "read"):
        status = path.stat()
    same = (known.get("size"), known.get("mtime_ns")) == (status.st_size, status.st_mtime_ns)
    return str(known["sha256"]) if same and "sha256" in known else None


def record(file: ModelFile, path: Path, sha256: str) -> None:
    """Note in the folder's lock file that ``path`` was found right."""
    with disk_errors(path, "read"):
        status = path.stat()
    lock = _read_lock(path.parent)
    lock[file.name] = {"sha256": sha256, "size": status.st_size, "mtime_ns": status.st_mtime_ns}
    with replacing(path.parent / LOCK) as temporary:
        temporary.write_text(json.dumps(lock, indent=2) + "\n", encoding="utf-8")


@contextlib.contextmanager
def disk_errors(path: Path, what: Literal["read", "written"]) -> Iterator[None]:
    """Turn an `OSError` of the block into a `ModelNotDownloaded` that names ``path``, the reason and a remedy."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            advice = "make room, or set MASKWEAVE_CACHE to a folder on another disk"
        elif what == "written":
            advice = "set MASKWEAVE_CACHE to a folder that can be written"
        else:
            advice = "check its permissions, or set MASKWEAVE_CACHE to another folder"
        raise ModelNotDownloaded(f"{path}: cannot be {what} ({error.strerror or error}); {advice}") from error


@contextlib.contextmanager
def temporary_beside(path: Path) -> Iterator[Path]:
    """Give a name for a file beside ``path`` that is gone when the block ends, however it ends."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield temporary
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a name for a file that takes the name ``path`` when the block ends well, and is gone otherwise.

    It is on the disk before it gets its name. Raises `ModelNotDownloaded` for any `OSError` on the way.
    """
    with disk_errors(path, "written"), temporary_beside(path) as temporary:
        yield temporary
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        temporary.replace(path)


@dataclass(frozen=True)
class FileState:
    """What `verify` found out about one file: its ``state`` and, where there is more to report, ``detail``."""

    model: str
    path: Path
    state: Literal["ok", "missing", "damaged", "unknown"]
    detail: str = ""


def verify() -> list[FileState]:
    """Hash every file again: those in the package, then those in the cache.

    "missing": a file in the package, or of a model of which others are here; "unknown": a file that belongs to no
    model. Files that were made here (`maskweave.catalog.derived`) are compared with what they were then.
    """
    states = [state for entry in all_entries() for state in _verify_entry(entry)]
    expected = {state.path for state in states}
    root = cache_dir() / "models"
    others = sorted(path for path in root.rglob("*") if path.is_file() and path.name != LOCK)
    return states + [_verify_other(path) for path in others if path not in expected]


def _verify_other(path: Path) -> FileState:
    if path.name not in _read_lock(path.parent):
        return FileState(
            path.parent.name, path, "unknown", "belongs to no model of the catalog; may be deleted"
        )
    try:
        sha256, problem = examine(ModelFile(path.name, None), path)
    except ModelError as error:
        sha256, problem = "", str(error)
    detail = f"{problem}; delete it, and it is made again" if problem else f"made here; sha256 {sha256}"
    return FileState(path.parent.name, path, "damaged" if problem else "ok", detail)


def _verify_entry(entry: Entry) -> Iterator[FileState]:
    paths = [packaged_path(file) if entry.packaged else folder_of(entry) / file.name for file in entry.files]
    if not entry.packaged and not any(path.is_file() for path in paths):
        return
    cure = (
        "install maskweave again" if entry.packaged else f"fetch it with: maskweave models pull {entry.name}"
    )
    for file, path in zip(entry.files, paths, strict=True):
        if not path.is_file():
            yield FileState(entry.name, path, "missing", cure)
            continue
        try:
            sha256, problem = examine(file, path)
        except ModelError as error:
            sha256, problem = "", str(error)
        yield FileState(entry.name, path, "damaged" if problem else "ok", problem or f"sha256 {sha256}")


def packaged_path(file: ModelFile) -> Path:
    """The path of a file of the package, whether or not it exists."""
    return Path(str(importlib.resources.files("maskweave.catalog") / "weights" / file.name))


def _packaged(entry: Entry, file: ModelFile) -> Path:
    path = packaged_path(file)
    if not path.is_file():
        raise ModelNotDownloaded(
            f"{entry.name}: need {file.name} in the package, found nothing; install maskweave again"
        )
    _, problem = examine(file, path)
    if problem:
        raise HashMismatch(f"{path}: {problem}; install maskweave again")
    return path


def _checked(entry: Entry, file: ModelFile) -> Path:
    path = folder_of(entry) / file.name
    with disk_errors(path, "read"):
        if not path.is_file():
            raise not_downloaded(entry)
    published = file.checksum.value if file.checksum and file.checksum.algorithm == "sha256" else None
    known = recorded(path)
    if known is not None and published in (None, known):
        return path
    sha256, problem = examine(file, path)
    if problem:
        raise HashMismatch(f"{path}: {problem}; delete it, then: maskweave models pull {entry.name}")
    with contextlib.suppress(OSError, ModelError):  # a cache that cannot be written is hashed each time
        record(file, path, sha256)
    return path


def _read_lock(folder: Path) -> dict[str, dict[str, Any]]:
    """The folder's lock file; one that is missing or damaged is empty."""
    try:
        lock = json.loads((folder / LOCK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(lock, Mapping):
        return {}
    return {name: dict(known) for name, known in lock.items() if isinstance(known, Mapping)}

"""Where inputs lie and outputs go: folders of this machine, or what fsspec reaches."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from maskweave.errors import SourceNotFound, UnreadableImage


def stamp_of(path: str) -> str:
    """A text that changes when the file does: its size and time of change. "" when it is not there."""
    try:
        status = Path(path).stat()
    except OSError:
        return ""
    return f"{status.st_size}-{status.st_mtime_ns}"


@contextmanager
def local_copy(path: str) -> Iterator[Path]:
    """Yield a file of this machine with the bytes of ``path``."""
    yield Path(path)


@contextmanager
def output_folder(output: str) -> Iterator[Path]:
    """Yield a folder of this machine; what is in it is at ``output`` when the block ends without an exception."""
    yield Path(output)


def all_there(output: str, names: Iterable[str]) -> bool:
    """Whether all outputs of an item are still where they were put."""
    return all((Path(output) / name).exists() for name in names)


def content_of(path: Path) -> str:
    """The hash of a file's bytes; raises `SourceError` when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise SourceNotFound(f"{path}: no such file; check the path") from None
    except OSError as error:
        raise UnreadableImage(f"{path}: cannot be read ({error.strerror}); check its permissions") from error

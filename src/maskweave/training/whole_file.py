"""Files of a run that appear under their name only when they are whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a name beside ``path`` to write to; the file takes the name ``path`` when the block ends well.

    It is on the disk before it gets its name, and gone where the block raises. The name beside is always the same,
    unlike that of `maskweave.files.atomic_file`: what a killed run leaves is as large as a checkpoint, and the next
    attempt writes over it.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        with partial.open("r+b") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise

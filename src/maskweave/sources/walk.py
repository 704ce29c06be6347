"""Walk folders file by file, however many there are."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path


def files_below(folder: Path, suffixes: Sequence[str]) -> Iterator[Path]:
    """All files with one of ``suffixes`` (lower case) in a folder and its sub-folders, each folder in order.

    One folder's names are in memory at a time. Hidden files and folders, and links to folders, are left out; a folder
    that cannot be read has no files.
    """
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from files_below(Path(entry.path), suffixes)
        elif entry.name.lower().endswith(tuple(suffixes)):
            yield Path(entry.path)

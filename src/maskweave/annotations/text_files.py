"""Write files of text: whole or not at all, and with a mark by which a later run knows that one may be replaced."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from maskweave.annotations.options import Options
from maskweave.files import atomic_file
from maskweave.spool import Spool
from maskweave.version import __version__


def file_info(options: Options) -> dict[str, Any]:
    """Who wrote the file: a model that found objects, or a conversion; and what is known of the video."""
    if options.model is not None:
        return {
            "description": "Objects found by MaskWeave",
            "version": __version__,
            "model": options.model,
            **options.facts,
        }
    return {"description": "Converted by MaskWeave", "version": __version__}


@contextmanager
def text_file(path: Path, options: Options) -> Iterator[IO[str]]:
    """A file to write text to, which appears when whole; a foreign file stays without ``--overwrite``."""
    with (
        atomic_file(path, only_own=not options.overwrite) as part,
        part.open("w", encoding="utf-8", newline="\n") as file,
    ):
        yield file


def write_spooled(file: IO[str], spool: Spool, key: str) -> None:
    """Write a member of a JSON object, not its first: the list that was spooled under its name."""
    file.write(f',\n"{key}": [')
    values = JsonList(file)
    for place in spool.places(key):
        values.add_text(spool.read(place).decode())
    values.finish()


class JsonList:
    """The elements of a JSON list, written to an open file as they come."""

    def __init__(self, file: IO[str], *, begin: str = "") -> None:
        self._file = file
        self._separator = "\n"
        file.write(begin)

    def add(self, *values: Any, marked: bool = False) -> None:
        """Add elements; where the list is ``marked``, its first one says who wrote it."""
        for value in values:
            mark = {"written_by": "MaskWeave"} if marked and self._separator == "\n" else {}
            self.add_text(json.dumps({**mark, **value}))

    def add_text(self, text: str) -> None:
        """Add an element that is JSON already."""
        self._file.write(self._separator + text)
        self._separator = ",\n"

    def finish(self, after: str = "") -> None:
        """Close the list; ``after`` is what follows it."""
        self._file.write(f"\n]{after}")

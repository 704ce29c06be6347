"""Keep pieces of data on disk until a file that is being written needs them at its end."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Hashable, Iterator
from pathlib import Path
from tempfile import SpooledTemporaryFile
from weakref import finalize

from maskweave.closable import Closable

_IN_MEMORY = 1_000_000
"""Bytes up to which nothing is put on the disk."""
_HEAD = struct.Struct("<qQ")  # where the record before of the same key begins, or -1; bytes of this one
_NONE = -1


class Spool(Closable):
    """Records of bytes by key, first all added, then read; a context manager.

    Each record holds the place of the one before it of its key, so that memory holds one number a key, however long
    the video. The file lies in ``folder`` (None: the system's) without a name, and is gone when the process is.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._file = SpooledTemporaryFile(  # noqa: SIM115 - closed by `close`
            _IN_MEMORY, dir=None if folder is None else str(folder)
        )
        self._closing = finalize(self, self._file.close)
        self._last: dict[Hashable, int] = {}
        self._end = 0

    def add(self, key: Hashable, record: bytes) -> None:
        """Put ``record`` after the others of ``key``; raises `OSError` when the disk is full."""
        self._file.write(_HEAD.pack(self._last.get(key, _NONE), len(record)) + record)
        self._last[key] = self._end
        self._end += _HEAD.size + len(record)

    def __iter__(self) -> Iterator[Hashable]:
        """All keys, in the order they came."""
        return iter(self._last)

    def places(self, key: Hashable) -> array[int]:
        """Where the records of ``key`` lie, in the order they came."""
        found = array("q")
        place = self._last.get(key, _NONE)
        while place != _NONE:
            found.append(place)
            place, _ = self._head(place)
        found.reverse()
        return found

    def read(self, place: int) -> bytes:
        """The record at one of the `places`."""
        _, length = self._head(place)
        return self._file.read(length)

    def _head(self, place: int) -> tuple[int, int]:
        self._file.seek(place)
        before, length = _HEAD.unpack(self._file.read(_HEAD.size))
        return before, length

    def close(self) -> None:
        """Let go of all records."""
        self._closing()

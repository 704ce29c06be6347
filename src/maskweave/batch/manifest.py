"""The manifest of a job: a row for each item, on disk as soon as the item is finished."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from maskweave.batch.items import Item, Outcome
from maskweave.batch.stored_text import original_text, stored_text
from maskweave.closable import Closable
from maskweave.errors import OutputError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS job (one INTEGER PRIMARY KEY CHECK (one = 1), description TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS items (
    name TEXT PRIMARY KEY,
    position INTEGER,              -- place in the job's order; NULL: no longer one of its inputs
    path TEXT NOT NULL,
    state TEXT NOT NULL,           -- todo, done or failed
    stamp TEXT NOT NULL DEFAULT '',
    content TEXT NOT NULL DEFAULT '',
    key TEXT NOT NULL DEFAULT '',  -- hash of content, name, options, model and version
    error TEXT NOT NULL DEFAULT '',
    kind TEXT NOT NULL DEFAULT '',
    frames INTEGER NOT NULL DEFAULT 0,
    objects INTEGER NOT NULL DEFAULT 0,
    seconds REAL NOT NULL DEFAULT 0,
    outputs TEXT NOT NULL DEFAULT '[]',
    warnings TEXT NOT NULL DEFAULT '[]',
    coco BLOB,
    complete INTEGER NOT NULL DEFAULT 1
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_position ON items (position, state) WHERE position IS NOT NULL;
"""
_PAGE = 256
_COLUMNS = (
    "name, state, content, stamp, key, error, kind, frames, objects, seconds, outputs, warnings, coco, "
    "complete"
)


@dataclass(frozen=True)
class Known:
    """What the manifest has of an item."""

    path: str
    state: str
    stamp: str
    content: str
    key: str
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class ItemCounts:
    """How many items of the job are finished, have failed, and are still to do.

    ``incomplete``: of the finished ones, those whose input had less than it promised.
    """

    done: int = 0
    failed: int = 0
    todo: int = 0
    incomplete: int = 0

    @property
    def total(self) -> int:
        """All items."""
        return self.done + self.failed + self.todo


class Manifest(Closable):
    """The manifest at ``path``, made when it is not there; a context manager.

    ``read_only`` neither makes nor changes it, and may look while a job is at work. Raises `OutputError` when the
    file cannot be opened, is none of ours, or cannot be written (a full disk).
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        with self._errors():
            if read_only:
                self._base = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
                self._base.execute("SELECT count(*) FROM job").fetchone()
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            self._base = _opened(path)
            self._base.execute("PRAGMA synchronous=NORMAL")
            self._base.executescript(_SCHEMA)

    @property
    def description(self) -> str | None:
        """The job as `BatchJob.to_json` wrote it, or None before the first."""
        row = self._one("SELECT description FROM job")
        return None if row is None else str(row[0])

    @contextmanager
    def planning(self, description: str) -> Iterator[None]:
        """Plan a job in the block: items that are neither kept nor added leave it. All of it counts, or nothing."""
        with self._errors(), self._base:
            self._do("INSERT OR REPLACE INTO job VALUES (1, ?)", description)
            self._base.execute("UPDATE items SET position = NULL WHERE position IS NOT NULL")
            yield

    def known(self, name: str) -> Known | None:
        """The row of an item."""
        row = self._one("SELECT path, state, stamp, content, key, outputs FROM items WHERE name = ?", name)
        if row is None:
            return None
        path, state, stamp, content, key, outputs = row
        return Known(path, state, stamp, content, key, tuple(json.loads(outputs)))

    def add(self, item: Item) -> None:
        """Put an item down as to be done, whatever was known of it."""
        self._do(
            "INSERT OR REPLACE INTO items (name, position, path, state) VALUES (?, ?, ?, 'todo')",
            *(item.name, item.position, item.path),
        )

    def keep(self, item: Item, stamp: str) -> None:
        """Let a finished item stand."""
        self._do(
            "UPDATE items SET position = ?, path = ?, stamp = ? WHERE name = ?",
            *(item.position, item.path, stamp, item.name),
        )

    def retry_failed(self) -> None:
        """Put all that failed down as to be done."""
        with self._errors(), self._base:
            self._base.execute("UPDATE items SET state = 'todo', key = '' WHERE state = 'failed'")

    def record(self, outcome: Outcome) -> None:
        """Write down what came of an item, so that it outlives this process."""
        with self._errors(), self._base:
            self.note(outcome)

    def note(self, outcome: Outcome) -> None:
        """Write down what came of an item, as a part of `planning`."""
        values = (
            *(outcome.state, outcome.content, outcome.stamp, outcome.key, outcome.error, outcome.kind),
            *(outcome.frames, outcome.objects, outcome.seconds),
            *(json.dumps(outcome.outputs), json.dumps(outcome.warnings), outcome.coco),
            *(outcome.is_complete, outcome.name),
        )
        self._do(
            "UPDATE items SET state = ?, content = ?, stamp = ?, key = ?, error = ?, kind = ?, frames = ?, "
            "objects = ?, seconds = ?, outputs = ?, warnings = ?, coco = ?, complete = ? WHERE name = ?",
            *values,
        )

    def todo(self) -> Iterator[Item]:
        """The items still to do, in order; others may be recorded meanwhile."""
        last = -1
        while True:
            rows = self._all(
                "SELECT position, name, path FROM items WHERE position > ? AND state = 'todo' "
                "ORDER BY position LIMIT ?",
                last,
                _PAGE,
            )
            if not rows:
                return
            last = rows[-1][0]
            yield from (Item(*row) for row in rows)

    def outcomes(self) -> Iterator[tuple[Item, Outcome]]:
        """The finished and failed items of the job with what came of them, in order, a page at a time."""
        last = -1
        while True:
            rows = self._all(
                f"SELECT position, path, {_COLUMNS} FROM items WHERE position > ? AND state != 'todo' "
                "ORDER BY position LIMIT ?",
                last,
                _PAGE,
            )
            if not rows:
                return
            last = rows[-1][0]
            for position, path, *values in rows:
                yield Item(position, values[0], path), _outcome(values)

    def counts(self) -> ItemCounts:
        """How far the job is."""
        rows = self._all(
            "SELECT state, count(*), sum(NOT complete) FROM items WHERE position IS NOT NULL GROUP BY state"
        )
        states = {state: count for state, count, _ in rows}
        incomplete = sum(missing for state, _, missing in rows if state == "done")
        return ItemCounts(**states, incomplete=incomplete)

    def reasons(self) -> list[tuple[str, int]]:
        """Kinds of failures and how many of each there are, the most frequent first."""
        rows = self._all(
            "SELECT kind, count(*) FROM items WHERE position IS NOT NULL AND state = 'failed' "
            "GROUP BY kind ORDER BY count(*) DESC, kind"
        )
        return [(str(kind), int(count)) for kind, count in rows]

    def close(self) -> None:
        """Let go of the file."""
        self._base.close()

    def _one(self, query: str, *values: object) -> Any:
        with self._errors():
            row = self._do(query, *values).fetchone()
            return None if row is None else _restored(row)

    def _all(self, query: str, *values: object) -> list[Any]:
        with self._errors():
            return [_restored(row) for row in self._do(query, *values).fetchall()]

    def _do(self, query: str, *values: object) -> sqlite3.Cursor:
        """Execute with values as the database can hold them."""
        held = [stored_text(value) if isinstance(value, str) else value for value in values]
        return self._base.execute(query, held)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise OutputError(
                f"{self.path}: the job's record cannot be used ({error}); free space or check the folder, then give "
                "the same command again"
            ) from error


def _restored(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(original_text(value) if isinstance(value, str) else value for value in row)


def _opened(path: Path) -> sqlite3.Connection:
    """The database, with a write-ahead log where the file system has the shared memory that this needs.

    Network shares (SMB, 9p) and many of FUSE have none: there a rollback journal does, also for a record that was
    begun elsewhere with a log. Source: https://www.sqlite.org/wal.html, sections 2.2 and 8.
    """
    base = sqlite3.connect(path)
    try:
        base.execute("PRAGMA journal_mode=WAL")
        base.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return base
    except sqlite3.OperationalError as error:
        base.close()
        if "locked" in str(error):  # by whoever looks at it: no question of the file system
            raise
    base = sqlite3.connect(path)
    base.execute("PRAGMA locking_mode=EXCLUSIVE")  # a log that is there can be read without shared memory
    base.execute("PRAGMA journal_mode=DELETE")
    base.execute("PRAGMA locking_mode=NORMAL")
    base.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return base


def _outcome(values: list[Any]) -> Outcome:
    name, state, content, stamp, key, error, kind, frames, objects, seconds, *others = values
    outputs, warnings, coco, complete = others
    lists = tuple(json.loads(outputs)), tuple(json.loads(warnings))
    made = Outcome(name, state, content, stamp, key, error, kind, frames, objects, seconds, *lists, coco)
    return replace(made, is_complete=bool(complete))

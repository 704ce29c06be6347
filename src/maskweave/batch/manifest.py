"""The record of a job: a row for each item, on the disk as soon as the item is finished."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from maskweave.batch.items import Item, Outcome
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
    coco BLOB
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_position ON items (position, state) WHERE position IS NOT NULL;
"""
_PAGE = 256
_COLUMNS = "name, state, content, stamp, key, error, kind, frames, objects, seconds, outputs, warnings, coco"


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
class Counts:
    """How many items of the job are finished, have failed, and are still to do."""

    done: int = 0
    failed: int = 0
    todo: int = 0

    @property
    def total(self) -> int:
        """All items."""
        return self.done + self.failed + self.todo


class Manifest:
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
            self._base = sqlite3.connect(path)
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=NORMAL")
            self._base.executescript(_SCHEMA)

    @property
    def description(self) -> str | None:
        """The job as `Job.to_json` wrote it, or None before the first."""
        row = self._one("SELECT description FROM job")
        return None if row is None else str(row[0])

    @contextmanager
    def planning(self, description: str) -> Iterator[None]:
        """Plan a job in the block: items that are neither kept nor added leave it. All of it counts, or nothing."""
        with self._errors(), self._base:
            self._base.execute("INSERT OR REPLACE INTO job VALUES (1, ?)", (description,))
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
        self._base.execute(
            "INSERT OR REPLACE INTO items (name, position, path, state) VALUES (?, ?, ?, 'todo')",
            (item.name, item.position, item.path),
        )

    def keep(self, item: Item, stamp: str) -> None:
        """Let a finished item stand."""
        self._base.execute(
            "UPDATE items SET position = ?, path = ?, stamp = ? WHERE name = ?",
            (item.position, item.path, stamp, item.name),
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
            *(json.dumps(outcome.outputs), json.dumps(outcome.warnings), outcome.coco, outcome.name),
        )
        self._base.execute(
            "UPDATE items SET state = ?, content = ?, stamp = ?, key = ?, error = ?, kind = ?, frames = ?, "
            "objects = ?, seconds = ?, outputs = ?, warnings = ?, coco = ? WHERE name = ?",
            values,
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

    def counts(self) -> Counts:
        """How far the job is."""
        rows = self._all("SELECT state, count(*) FROM items WHERE position IS NOT NULL GROUP BY state")
        return Counts(**dict(rows))

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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _one(self, query: str, *values: object) -> Any:
        with self._errors():
            return self._base.execute(query, values).fetchone()

    def _all(self, query: str, *values: object) -> list[Any]:
        with self._errors():
            return self._base.execute(query, values).fetchall()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise OutputError(
                f"{self.path}: the job's record cannot be used ({error}); free space or check the folder, then give "
                "the same command again"
            ) from error


def _outcome(values: list[Any]) -> Outcome:
    name, state, content, stamp, key, error, kind, frames, objects, seconds, outputs, warnings, coco = values
    told = tuple(json.loads(outputs)), tuple(json.loads(warnings))
    return Outcome(name, state, content, stamp, key, error, kind, frames, objects, seconds, *told, coco)

"""Fetch and remove models of the catalog while the server runs."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass

from maskweave.catalog.cache import folder_of
from maskweave.catalog.download import is_offline, pull
from maskweave.catalog.entries import entry_named
from maskweave.catalog.entry import Entry
from maskweave.errors import MaskWeaveError
from maskweave.serving.models import is_downloaded
from maskweave.serving.problems import Problem
from maskweave.serving.workers import Message


@dataclass
class _Fetching:
    """How far a model is: bytes of the file at hand, and why it ended without being there ("" while it goes on)."""

    done: int = 0
    total: int | None = None
    error: str = ""


class ModelStore:
    """Fetches one model at a time, in a thread; ``may_change``: whether requests may fetch and remove.

    Whatever is fetched has the catalog's address and checksum; a request says a name only.
    """

    def __init__(self, *, may_change: bool) -> None:
        self._may_change = may_change
        self._fetching: dict[str, _Fetching] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def describe(self, row: Message, default: str) -> Message:
        """What can be done about a model, besides what `models.list_models` says of it."""
        entry = entry_named(row["name"])
        if entry is None:  # a file of the server's own
            return {"bytes": None, "source": "", "how": "", "fetching": None, "removable": False}
        can_fetch = self._may_change and not is_offline() and not entry.packaged and not row["here"]
        removable = self._may_change and row["here"] and not entry.packaged and entry.name != default
        return {
            "bytes": None if entry.packaged else entry.download_size,
            "source": entry.source,
            "how": "" if row["here"] or can_fetch else f"maskweave models pull {entry.name}",
            "fetching": self._state(entry),
            "removable": removable,
        }

    def fetch(self, name: str) -> None:
        """Begin to fetch a model; raises a `Problem` where it cannot be."""
        entry = self._entry(name)
        if is_offline():
            raise Problem(403, "Forbidden", "models: MASKWEAVE_OFFLINE forbids the network to this server")
        if is_downloaded(entry):
            raise Problem(409, "Conflict", f"models: {entry.name} is here already")
        if any(not each.error for each in self._fetching.values()):
            raise Problem(409, "Conflict", "models: another one is being fetched; wait for it")
        self._fetching[entry.name] = _Fetching(total=entry.download_size)
        task = asyncio.get_running_loop().create_task(self._fetch(entry))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def remove(self, name: str, default: str) -> None:
        """Remove a model's files; raises a `Problem` where that is not possible."""
        entry = self._entry(name)
        if entry.packaged or entry.name == default:
            raise Problem(409, "Conflict", f"models: {entry.name} is needed by this server and stays")
        if not is_downloaded(entry):
            raise Problem(404, "NotFound", f"models: {entry.name} is not here")
        await asyncio.to_thread(shutil.rmtree, folder_of(entry), ignore_errors=True)

    def _entry(self, name: str) -> Entry:
        if not self._may_change:
            raise Problem(403, "Forbidden", "models: this server was told to leave its models as they are")
        entry = entry_named(name)
        if entry is None:
            raise Problem(404, "NotFound", "models: there is none of that name; see /v1/models")
        return entry

    def _state(self, entry: Entry) -> Message | None:
        state = self._fetching.get(entry.name)
        return (
            None
            if state is None
            else {"bytes": state.done, "total": state.total, "error": state.error or None}
        )

    async def _fetch(self, entry: Entry) -> None:
        state = self._fetching[entry.name]

        def progress(done: int, total: int | None) -> None:
            state.done, state.total = done, total if total is not None else state.total

        try:
            await asyncio.to_thread(pull, entry, progress=progress)
        except MaskWeaveError as error:
            state.error = str(error)
        else:
            del self._fetching[entry.name]

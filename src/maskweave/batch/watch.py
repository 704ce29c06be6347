"""Watch folders, and segment each file as soon as it is complete.

A pass is a run of the batch over the files that are whole; its manifest says what was done before, in this process or
an earlier one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from maskweave.batch.executor import ExecutorConfig
from maskweave.batch.items import Outcome
from maskweave.batch.job import BatchJob
from maskweave.batch.manifest import ItemCounts
from maskweave.batch.run import run_batch
from maskweave.batch.storage import is_remote, stamp_of
from maskweave.errors import InvalidValue, SourceNotFound
from maskweave.models.base import Model

SETTLE_SECONDS = 2.0
"""So long a file's size and time must not change."""
_LOOK_SECONDS = 1.0
_LOOK_SHARE = 10
"""A look at the folders that takes long is not repeated before so many times its duration."""


class Settling:
    """Which files are whole: their size and time of change have been the same for ``seconds``."""

    def __init__(self, seconds: float = SETTLE_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._since: dict[str, tuple[str, float]] = {}

    def look(self, paths: Iterator[str]) -> frozenset[tuple[str, str]]:
        """Look at all files; returns those that are whole, with their stamps."""
        now, before, self._since = self._clock(), self._since, {}
        for path in paths:
            stamp = stamp_of(path)
            known, since = before.get(path, ("", now))
            self._since[path] = (stamp, since if known == stamp else now)
        return frozenset(
            (path, stamp) for path, (stamp, since) in self._since.items() if now - since >= self._seconds
        )


def watch_folders(
    job: BatchJob,
    config: ExecutorConfig,
    *,
    model: Model,
    stopped: Callable[[float], bool],
    on_outcome: Callable[[Outcome, ItemCounts], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Segment what comes into the job's input folders, until ``stopped`` returns true.

    ``stopped`` waits so many seconds. Raises `InvalidValue` for inputs that are no folders, `SourceNotFound` when one
    of them is gone, and what `run_batch` raises.
    """
    job = job.anchored()
    _check(job)
    settling, done = Settling(clock=clock), frozenset[tuple[str, str]]()
    while True:
        begun = clock()
        whole = settling.look(_files(job))
        if whole - done:
            ready = {path for path, _ in whole}
            run_batch(job, config, model=model, on_outcome=on_outcome, ready=ready.__contains__)
            done = whole
        if stopped(max(_LOOK_SECONDS, _LOOK_SHARE * (clock() - begun) if not whole - done else 0)):
            return


def _check(job: BatchJob) -> None:
    for text in job.inputs:
        if is_remote(text) or not Path(text).is_dir():
            raise InvalidValue(f"--watch: need folders of this machine, got {text}")
        if Path(text).resolve() == Path(job.output).resolve():
            raise InvalidValue(f"--watch: need another folder for results than {text}; choose one with -o")


def _files(job: BatchJob) -> Iterator[str]:
    """Every file in the job's folders but those of the output; raises `SourceNotFound` for a folder that is gone."""
    for text in job.inputs:
        if not Path(text).is_dir():
            raise SourceNotFound(
                f"{text}: need the folder that is watched, it is gone; give the same command again when it is back"
            )
        for place, folders, names in os.walk(text):
            folders[:] = (
                [
                    each
                    for each in folders
                    if not each.startswith(".") and Path(place, each) != Path(job.output)
                ]
                if job.request.source.recursive
                else []
            )
            yield from (str(Path(place, name)) for name in names if not name.startswith("."))

"""Run a network twice at a time, each on half of the threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any


class ConcurrentRuntime:
    """The session that each run is given.

    Threads that share one operator wait for each other at its end; threads of different runs never do. So two runs at
    a time on half of the threads each are done sooner than one after the other on all of them: on two cores, the
    network in the package by a quarter.

    - ``alone``: the session for a run that has the engine to itself.
    - ``load_half``: loads the one for runs at the same time, when they first come; None where ``alone`` is for all.
    """

    def __init__(self, alone: Any, load_half: Callable[[], Any] | None) -> None:
        self.alone = alone
        self.count = 1 if load_half is None else 2
        self._load_half, self._half = load_half, None
        self._running = 0
        self._counting, self._loading = Lock(), Lock()

    @contextmanager
    def session(self) -> Iterator[Any]:
        """The session for a run that begins now and ends with the block."""
        with self._counting:
            self._running += 1
            shared = self._running > 1
        try:
            yield self._for_several() if shared else self.alone
        finally:
            with self._counting:
                self._running -= 1

    def _for_several(self) -> Any:
        with self._loading:
            if self._load_half is not None:
                self._half, self._load_half = self._load_half(), None
        return self._half or self.alone

"""Several pictures at work at a time, told of in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")
_Done = TypeVar("_Done")
_FEWEST, _MOST = 2, 4
"""Pictures at work: one core reads while another computes; each holds a whole picture and what is made of it."""


def done_in_order(items: Iterable[_Item], do: Callable[[_Item], _Done]) -> Iterator[_Done]:
    """Yield ``do(item)`` of each item, in order, while the next ones are at work in threads.

    Reading, the engine, drawing and writing release the interpreter, so one picture is read while the network
    looks at another. Little more than is at work is taken from ``items`` or held. What ``do`` raises is raised
    here; nothing new is begun then.
    """
    workers = min(max(_FEWEST, os.cpu_count() or 1), _MOST)
    with ThreadPoolExecutor(workers, thread_name_prefix="maskweave-picture") as pool:
        begun: deque[Future[_Done]] = deque()
        try:
            for item in items:
                begun.append(pool.submit(do, item))
                if len(begun) > workers:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for future in begun:
                future.cancel()

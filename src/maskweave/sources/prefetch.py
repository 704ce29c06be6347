"""Prefetch: make what is needed next in other threads while the last of it is being used."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Generic, TypeVar

from maskweave.sources.base import Stoppable

_T = TypeVar("_T")
_Done = TypeVar("_Done")
_LOOK_UP = 0.1
"""Seconds after which a waiting thread looks whether it is still wanted."""


@dataclass(frozen=True)
class _End:
    """After the last item: what the iterator raised, or None."""

    error: BaseException | None


def prefetch(items: Iterable[_T], *, depth: int = 1, source: object = None) -> Generator[_T]:
    """Yield ``items`` in order while the next ``depth`` of them are made in another thread.

    What the iterator raises is raised here, after the items before it. Closing this generator waits for the item in
    the making, closes the iterator where it is a generator, then ends the thread; so close it before closing what the
    items are read from. ``source``: what that is; one that is `Stoppable` is stopped first, as it may be waiting for
    a camera that dropped out.
    """
    prefetcher: _Prefetcher[_T] = _Prefetcher(depth)
    thread = Thread(target=prefetcher.fill, args=(items,), name="maskweave-prefetch", daemon=True)
    thread.start()
    try:
        while not isinstance(item := prefetcher.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        prefetcher.stopped.set()
        if isinstance(source, Stoppable):
            source.stop()
        thread.join()


def prefetch_map(
    items: Iterable[_T], do: Callable[[_T], _Done], *, workers: int, source: object = None
) -> Generator[_Done]:
    """Yield ``do(item)`` of each item, in order, while the next ones are at work in ``workers`` threads.

    The items are taken in a thread of their own, little more of them than are at work. What ``do`` or the iterator
    raises is raised here, in its turn; nothing new is begun then. Closing and ``source`` as in `prefetch`.
    """
    begun = _begun(items, do, workers)
    with closing(prefetch(begun, depth=max(1, workers - 1), source=source)) as futures:
        for future in futures:
            yield future.result()


def _begun(items: Iterable[_T], do: Callable[[_T], _Done], workers: int) -> Generator[Future[_Done]]:
    pool = ThreadPoolExecutor(workers, thread_name_prefix="maskweave-worker")
    try:
        for item in items:
            yield pool.submit(do, item)
    except GeneratorExit:
        pool.shutdown(cancel_futures=True)  # closed early: what has not begun is not wanted
        raise
    finally:
        pool.shutdown()
        if isinstance(items, Generator):
            items.close()


class _Prefetcher(Generic[_T]):
    """What the two threads share."""

    def __init__(self, depth: int) -> None:
        self.stopped = Event()
        self._queue: Queue[_T | _End] = Queue(maxsize=depth)

    def fill(self, items: Iterable[_T]) -> None:
        """Put all items on, and the end; stop early when they are no longer wanted."""
        try:
            for item in items:
                self._put(item)
                if self.stopped.is_set():
                    return
            self._put(_End(None))
        except BaseException as error:  # raised again where the items are used
            self._put(_End(error))
        finally:
            if isinstance(items, Generator):
                items.close()  # in the thread that ran it: it may hold a belt of its own

    def get(self) -> _T | _End:
        """The next item; waits for it in short steps, so that Ctrl-C is heard."""
        while True:
            try:
                return self._queue.get(timeout=_LOOK_UP)
            except Empty:
                continue

    def _put(self, item: _T | _End) -> None:
        while not self.stopped.is_set():
            try:
                self._queue.put(item, timeout=_LOOK_UP)
            except Full:
                continue
            return

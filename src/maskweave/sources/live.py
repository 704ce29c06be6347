"""Reconnect live inputs: they drop out, come back, and stay one stream of frames."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass
from fractions import Fraction
from math import inf
from threading import Thread
from typing import Any

from maskweave.errors import InvalidValue, SourceError, UnreadableVideo
from maskweave.sources.base import RECONNECT, Closing
from maskweave.types.arrays import Image
from maskweave.types.frame import Frame, SourceInfo

TICKS = 90_000
"""Of the steady clock, a second: times that are read off it are whole numbers of them."""
_FIRST_WAIT, _MAX_WAIT = 0.5, 5.0  # seconds before an attempt to open again; doubled each time
_LOOK_UP = 0.1  # seconds after which whoever waits looks whether it is still wanted


class DroppedOut(Exception):
    """The connection broke off although more images were to come; the text says why."""


@dataclass(frozen=True)
class Watch:
    """The steady clock of live sources, in seconds, and their way to wait."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class LiveSource(Closing, ABC):
    """Frames of one connection after the other, as one stream.

    A connection that drops out after it has given images is opened again, after waits that grow, for up to
    ``reconnect`` seconds (0: never). ``warnings`` tells how long it was away. Times begin at 0. Indices go on, and so
    do times: by the steady clock, whatever a new connection calls its first moment. What does not come back ends,
    with a line in ``warnings``. `stop` and `close` end it at once, also while it is being waited for.

    Subclasses open connections (`_connect`; in a thread of its own when it is opened again), read them and hang up,
    and set ``info``. Raises `InvalidValue` for a negative ``reconnect``; iterating raises `UnreadableVideo` when not
    even the first frame comes.
    """

    info: SourceInfo

    def __init__(self, label: str, *, reconnect: float = RECONNECT, watch: Watch | None = None) -> None:
        if not reconnect >= 0:
            raise InvalidValue(f"reconnect: need 0 seconds or more, got {reconnect}")
        self.warnings: list[str] = []
        self._label = label
        self._reconnect = reconnect
        self._watch = watch or Watch()
        self._stopped = False
        self._connection: Any = None

    @abstractmethod
    def _connect(self) -> Any:
        """Open a connection; raises `SourceError`."""

    @abstractmethod
    def _timed_images(self, connection: Any) -> Iterator[tuple[Fraction, Image]]:
        """Yield times in seconds and (H, W, 3) uint8 RGB images, of one size over all connections.

        Returns when the stream is over; raises `DroppedOut` when it breaks off.
        """

    @abstractmethod
    def _hang_up(self, connection: Any) -> None:
        """Close a connection."""

    def stop(self) -> None:
        """See `Stoppable`."""
        self._stopped = True

    def close(self) -> None:
        """Let go of the camera."""
        self._stopped = True
        connection, self._connection = self._connection, None
        if connection is not None:
            self._hang_up(connection)

    def __iter__(self) -> Iterator[Frame]:
        times = _Times(self._watch)
        count = 0
        absence: _Absence | None = None
        while self._is_wanted():
            try:
                for own, image in self._timed_images(self._connection):
                    moment = times.place(own, again=absence is not None)
                    if absence is not None:
                        self.warnings.append(f"{absence}; it came back after {float(times.step):.1f} s")
                        absence = None
                    yield Frame(
                        image, count, moment, None, self.info.name, pixel_aspect=self.info.pixel_aspect
                    )
                    count += 1
                    if not self._is_wanted():
                        return
                return
            except DroppedOut as error:
                absence = absence or _Absence(count, str(error), since=self._watch.now())
            except SourceError as error:  # an image over the budget: the next one would be, too
                if not count:
                    raise
                self.warnings.append(str(_Absence(count, str(error))))
                return
            if not self._came_back(absence):
                return
        self.close()  # again: it may have come back while another thread closed it

    def _came_back(self, absence: _Absence) -> bool:
        """Open it again and again; False when it does not come back in time, or is no longer wanted."""
        if not absence.frames and self._is_wanted():
            raise UnreadableVideo(
                f"{self._label}: need frames, got none: {absence.why}; is the camera on, connected and free?"
            )
        connection, self._connection = self._connection, None
        if connection is not None:
            self._hang_up(connection)
        while self._watch.now() - absence.since < self._reconnect and self._pause(absence.next_wait()):
            self._connection = self._attempt()
            if self._connection is not None:
                return True
        late = self._reconnect and self._is_wanted()
        end = f"; it did not come back within {self._reconnect:g} s" if late else ""
        self.warnings.append(f"{absence}{end}")
        return False

    def _is_wanted(self) -> bool:
        return not self._stopped

    def _pause(self, seconds: float) -> bool:
        """Wait in short steps, so that `stop` is heard; return whether the source is still wanted."""
        end = self._watch.now() + seconds
        while self._is_wanted() and (left := end - self._watch.now()) > 0:
            self._watch.sleep(min(left, _LOOK_UP))
        return self._is_wanted()

    def _attempt(self) -> Any | None:
        """A new connection, or None when it failed. In a thread, since it may hang until its own time limit."""
        attempt: Future[Any] = Future()
        Thread(
            target=_fulfill, args=(attempt, self._connect), name="maskweave-reconnect", daemon=True
        ).start()
        while self._is_wanted():
            if wait([attempt], timeout=_LOOK_UP).done:
                return None if isinstance(attempt.exception(), SourceError) else attempt.result()
        attempt.add_done_callback(self._hang_up_late)
        return None

    def _hang_up_late(self, attempt: Future[Any]) -> None:
        if attempt.exception() is None:
            self._hang_up(attempt.result())


@dataclass
class _Absence:
    """A drop-out after so many ``frames``, ``since`` a time by the steady clock."""

    frames: int
    why: str
    since: float = 0.0
    _wait: float = _FIRST_WAIT

    def next_wait(self) -> float:
        """Seconds to wait before the next attempt."""
        now, self._wait = self._wait, min(2 * self._wait, _MAX_WAIT)
        return now

    def __str__(self) -> str:
        return f"the stream broke off after {self.frames} frame{'s' * (self.frames != 1)}: {self.why}"


class _Times:
    """Times of one connection after the other, strictly rising from 0, on the first one's scale.

    ``step``: seconds from the image before to the last one placed.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._zero = inf  # by the steady clock: time 0 of the first connection, as its promptest image says
        self._is_first = True
        self._shift = Fraction(0)
        self._last: Fraction | None = None
        self.step = Fraction(0)

    def place(self, own: Fraction, *, again: bool) -> Fraction:
        """The time of an image that its connection gives the time ``own``.

        ``again``: it is the first of a new connection; when it came is what the steady clock says.
        """
        now = self._watch.now()
        self._is_first = self._is_first and not again
        if self._last is None:
            self._shift = -own
        if self._is_first:
            self._zero = min(self._zero, now - float(own + self._shift))
        if again:
            self._shift = Fraction(round((now - self._zero) * TICKS), TICKS) - own
        if self._last is not None:
            self.step = own + self._shift - self._last
            late = Fraction(1, TICKS) - self.step
            if self.step <= 0:
                self._shift, self.step = self._shift + late, self.step + late
        self._last = own + self._shift
        return self._last


def _fulfill(attempt: Future[Any], connect: Callable[[], Any]) -> None:
    try:
        attempt.set_result(connect())
    except BaseException as error:  # raised again where the attempt is waited for
        attempt.set_exception(error)

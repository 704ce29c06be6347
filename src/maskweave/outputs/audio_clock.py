"""Put the times of a source's audio on the clock of its images.

Images whose clock jumped were moved by an offset, stretch by stretch (`sources.timing`). The audio of a stretch is
moved by the same offset, so that both stay together; only where the audio's clock jumps by itself is it joined to
what was before. Packets that repeat what was there are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any

_MAX_JUMP = Fraction(10)
"""Seconds between two packets over which it is a jump and not a silence."""
_NEAR = Fraction(1)
"""Seconds that audio may be ahead of the images, in the order of a file."""
_HOLD = 8
"""Packets, one after the other, that make a new stretch rather than strays."""
_SAME = Fraction(1, 1000)
"""Seconds: a smaller difference of two offsets is rounding."""


@dataclass
class Shifts:
    """What was added to the images' timestamps, stretch by stretch, up to ``now``, a time of the result."""

    values: list[Fraction] = field(default_factory=lambda: [Fraction(0)])
    now: Fraction = Fraction(0)
    complete: bool = False

    def note(self, time: Fraction, stamp: Fraction | None) -> None:
        """Take up an image shown at ``time`` whose timestamp is ``stamp``."""
        self.now = max(self.now, time)
        if stamp is not None and abs(time - stamp - self.values[-1]) > _SAME:
            self.values.append(time - stamp)


class AudioClock:
    """Places the packets of one track. ``may_jump``: the format's clock may start again."""

    def __init__(self, shifts: Shifts, *, may_jump: bool) -> None:
        self._shifts, self._may_jump = shifts, may_jump
        self._stretch = 0
        self._own = Fraction(0)
        self._end: Fraction | None = None
        self._pending: list[tuple[Any, Fraction, Fraction]] = []
        self.left_out = 0
        self.jumps = 0

    def must_wait(self, stamp: Fraction) -> bool:
        """Whether images that are still to come may say where a packet lies that does not fit."""
        if self._end is None or self._shifts.complete or self._shifts.now >= self._end + 2 * _NEAR:
            return False
        miss = self._miss(stamp, self._best(stamp))
        return miss < -_NEAR or (self._may_jump and miss > _MAX_JUMP)

    def time(self, stamp: Fraction) -> Fraction:
        """About where a packet will lie."""
        stretch = 0 if self._end is None else self._best(stamp)
        return self._miss(stamp, stretch) + (self._end or Fraction(0))

    def place(self, item: Any, stamp: Fraction, duration: Fraction) -> list[tuple[Any, Fraction]]:
        """Return the packets whose times are settled now, each with its time in the result."""
        if self._end is None:
            return [self._placed(item, stamp, duration)]
        self._stretch = self._best(stamp)
        miss = self._miss(stamp, self._stretch)
        if -duration / 2 <= miss <= (_MAX_JUMP if self._may_jump else miss):
            self._drop_pending()
            return [self._placed(item, stamp, duration)]
        self._pending.append((item, stamp, duration))
        return self._settled(miss)

    def finish(self) -> None:
        """Count what never fitted."""
        self._drop_pending()

    def _settled(self, miss: Fraction) -> list[tuple[Any, Fraction]]:
        """Packets in doubt that make a stretch of their own; repeated ones are let go as they come."""
        if -_NEAR <= miss <= 0:  # a little overlap, as where files were joined
            self._drop_pending()
            return []
        stamps = [stamp for _, stamp, _ in self._pending]
        if any(after <= before for before, after in pairwise(stamps)):
            self.left_out += len(self._pending) - 1
            del self._pending[:-1]
        if len(self._pending) < _HOLD:
            return []
        pending, self._pending = self._pending, []
        self._own -= self._miss(pending[0][1], self._stretch)
        self.jumps += 1
        return [self._placed(*each) for each in pending]

    def _placed(self, item: Any, stamp: Fraction, duration: Fraction) -> tuple[Any, Fraction]:
        time = stamp + self._shifts.values[self._stretch] + self._own
        self._end = time + duration
        return item, time

    def _best(self, stamp: Fraction) -> int:
        """The stretch, this one or a later, in which a packet goes on where the one before ended."""
        if -_SAME <= self._miss(stamp, self._stretch) <= _SAME:
            return self._stretch
        stretches = range(self._stretch, len(self._shifts.values))
        return min(stretches, key=lambda number: abs(self._miss(stamp, number)))

    def _miss(self, stamp: Fraction, stretch: int) -> Fraction:
        return stamp + self._shifts.values[stretch] + self._own - (self._end or Fraction(0))

    def _drop_pending(self) -> None:
        self.left_out += len(self._pending)
        self._pending.clear()

"""Put the times of decoded frames on one clock that never runs backwards, whatever the container says.

The timestamp taken is the decoder's best-effort one: the presentation time, or, where a container has none worth the
name (AVI, packed B-frames, Video for Windows in Matroska), the decoding time, which comes with the frame that it let
out. What does not fit is held for a few frames: one that is alone was a stray and is placed between its neighbors; a
stretch that goes on by itself was a jump of the source's clock, which becomes an offset of all that follows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice, pairwise
from statistics import median_low
from typing import Any, NamedTuple

MAX_JUMP = Fraction(10)
"""Seconds; a container whose clock may jump (transport streams) has jumped where frames are further apart, as for
FFmpeg's ``dts_delta_threshold``. Less is a gap: the signal was away."""
_GAP = Fraction(1)
"""Seconds without a frame from which on it is looked whether the frames after it go on from there."""
_HOLD = 3
"""Frames, one after the other, that make a new stretch rather than strays."""
_MAX_PENDING = 8
_STEPS = 9
_ORDER_SAMPLE = 4
"""Frames after which it is known whether presentation times come in order."""
_AVERAGE_STEPS = 20


class Timed(NamedTuple):
    """A decoded frame with its time, and its ``stamp`` in the source in seconds (None: it had none worth taking)."""

    raw: Any
    time: Fraction
    stamp: Fraction | None


class _Stamped(NamedTuple):
    raw: Any
    stamp: Fraction | None


@dataclass
class TimeFaults:
    """What was wrong with the times, for the user.

    ``frames``: how many there were. ``step``: seconds between frames that have no time. ``are_made_up``: none of the
    times is the file's.
    """

    without_time: int = 0
    strays: int = 0
    jumps: list[tuple[Fraction, Fraction]] = field(default_factory=list)
    gaps: list[tuple[Fraction, Fraction]] = field(default_factory=list)
    frames: int = field(default=0, compare=False)
    step: Fraction = field(default=Fraction(1, 25), compare=False)
    are_made_up: bool = field(default=False, compare=False)

    def sentences(self) -> list[str]:
        """One sentence for each kind."""
        messages = []
        if self.frames > 1 and (self.are_made_up or self.without_time == self.frames):
            messages.append(f"no frame has a timestamp: shown at {float(1 / self.step):.4g} frames a second")
        elif self.without_time:
            messages.append(f"{_counted(self.without_time)} without a timestamp, placed after the one before")
        if self.strays:
            messages.append(
                f"{_counted(self.strays)} with a timestamp out of order, placed between its neighbors"
            )
        if self.jumps:
            where = "" if len(self.jumps) == 1 else f" in {len(self.jumps)} places, first"
            at, by = self.jumps[0]
            messages.append(
                f"the source's clock jumps{where} at {float(at):.2f} s (by {float(by):+.2f} s), times go on there"
            )
        if self.gaps:
            at, length = max(self.gaps, key=lambda gap: gap[1])
            where = f"at {float(at):.2f} s"
            if len(self.gaps) > 1:
                where = f"in {len(self.gaps)} places, the longest {where}"
            messages.append(f"no frames for {float(length):.2f} s {where}")
        return messages


class Clock:
    """Exact times in seconds, strictly rising, for the frames of one reading of a stream, in the order of decoding.

    ``begin`` is taken off every time. ``in_coding_order``: the container has no presentation times. ``may_jump``: its
    clock may start again, and a gap is a loss, not a still. ``hold``: frames to wait for before a stretch that does
    not fit is believed; 1 for live streams.
    """

    def __init__(
        self,
        time_base: Fraction,
        rate: Fraction,
        faults: TimeFaults,
        *,
        begin: Fraction = Fraction(0),
        in_coding_order: bool = False,
        may_jump: bool = False,
        hold: int = _HOLD,
    ) -> None:
        self._stamps = _Stamps(time_base, in_coding_order=in_coding_order)
        self._faults = faults
        self._may_jump, self._hold = may_jump, hold
        self._offset = -begin
        self._last: Fraction | None = None
        self._steps: deque[Fraction] = deque([1 / rate], maxlen=_STEPS)
        self._faults.step = 1 / rate
        self._pending: list[_Stamped] = []
        self._unstamped = 0

    def timed(
        self, frames: Iterable[Any], first_dts: Callable[[], int | None] = lambda: None
    ) -> Iterator[Timed]:
        """Yield the frames with their times, a few frames late where they are in doubt.

        ``first_dts``: asked once there are frames; the decoding time of the first packet, in ticks.
        """
        sample = _ORDER_SAMPLE if self._hold > 1 else 1
        for stamped in self._stamps.of(frames, first_dts, sample=sample):
            self._faults.frames += 1
            yield from self._place(stamped)
        yield from self._finish()

    def _place(self, frame: _Stamped) -> Iterator[Timed]:
        self._unstamped = 0 if frame.stamp is not None else self._unstamped + 1
        if self._last is None:
            yield self._first(frame)
        elif self._fits(frame.stamp):
            time = self._time_of(frame)
            yield from self._strays_before(time)
            self._steps.append(time - self._now)
            yield self._at(frame, time)
        elif self._unstamped > self._hold:  # it may be that none has a time: no use to wait
            yield from self._strays_before(None)
            yield self._stray(frame, None)
        else:
            self._pending.append(frame)
            yield from self._settled()

    def _first(self, frame: _Stamped) -> Timed:
        if frame.stamp is None:
            self._faults.without_time += 1
            return self._at(frame, Fraction(0))
        return self._at(frame, self._time_of(frame))

    def _fits(self, stamp: Fraction | None) -> bool:
        if stamp is None:
            return False
        return 0 < stamp + self._offset - self._now <= max(_GAP, _AVERAGE_STEPS * self._step)

    def _settled(self) -> Iterator[Timed]:
        """Frames in doubt that can be placed now: a stretch that rises by itself, or too many to be held."""
        tail = self._pending[-self._hold :]
        if len(tail) == self._hold and _goes_on(tail):
            del self._pending[-self._hold :]
            yield from self._stretch(tail)
        elif len(self._pending) > _MAX_PENDING:
            yield self._stray(self._pending.pop(0), None)

    def _stretch(self, stretch: list[_Stamped]) -> Iterator[Timed]:
        """A stretch that does not fit what was before: a gap, or a jump of the clock."""
        gap = self._time_of(stretch[0]) - self._now
        if gap <= 0 or (self._may_jump and gap > MAX_JUMP):
            landing = self._step * (len(self._pending) + 1)
            self._faults.jumps.append((self._now + landing, gap - landing))
            self._offset += landing - gap
        elif self._may_jump:
            self._faults.gaps.append((self._now, gap))
        yield from self._strays_before(self._time_of(stretch[0]))
        for number, each in enumerate(stretch):
            time = self._time_of(each)
            if number:
                self._steps.append(time - self._now)
            yield self._at(each, time)

    def _finish(self) -> Iterator[Timed]:
        """The frames still in doubt at the end."""
        pending, self._pending = self._pending, []
        if pending and _goes_on(pending):
            gap = self._time_of(pending[0]) - self._now
            may_be_still = gap <= MAX_JUMP or len(pending) > 1 or not self._may_jump
            if gap > 0 and may_be_still:
                yield from self._stretch(pending)
                return
        for each in pending:
            yield self._stray(each, None)

    def _strays_before(self, time: Fraction | None) -> Iterator[Timed]:
        """Place what was held, evenly before ``time`` and no further apart than the usual step."""
        pending, self._pending = self._pending, []
        for number, each in enumerate(pending):
            left = len(pending) - number + 1
            yield self._stray(each, None if time is None else (time - self._now) / left)

    def _stray(self, frame: _Stamped, room: Fraction | None) -> Timed:
        self._faults.without_time += frame.stamp is None
        self._faults.strays += frame.stamp is not None
        self._last = self._now + (self._step if room is None else min(room, self._step))
        return Timed(frame.raw, self._last, None)

    def _at(self, frame: _Stamped, time: Fraction) -> Timed:
        self._last = time
        return Timed(frame.raw, time, frame.stamp)

    def _time_of(self, frame: _Stamped) -> Fraction:
        return (frame.stamp or Fraction(0)) + self._offset

    @property
    def _now(self) -> Fraction:
        return self._last or Fraction(0)

    @property
    def _step(self) -> Fraction:
        return median_low(self._steps)


class _Stamps:
    """The timestamp of each frame that is the best to be had, in seconds.

    FFmpeg's best-effort timestamp (``guess_correct_pts`` in libavcodec/decode.c) turns to decoding times after the
    first frames were out of order; here these wait until it is known.
    """

    def __init__(self, time_base: Fraction, *, in_coding_order: bool) -> None:
        self._time_base = Fraction(time_base)
        self._by_dts = in_coding_order
        self._delay = 0
        self._last: int | None = None
        self._step = 0

    def of(
        self, frames: Iterable[Any], first_dts: Callable[[], int | None], *, sample: int
    ) -> Iterator[_Stamped]:
        """Yield the frames with their stamps."""
        frames = iter(frames)
        begin = list(islice(frames, sample))
        self._inspect(begin, first_dts())
        while begin:
            yield self._stamped(begin.pop(0))
        for raw in frames:
            yield self._stamped(raw)

    def _inspect(self, begin: list[Any], first_dts: int | None) -> None:
        """Choose decoding times where presentation times are missing or out of order."""
        shown, decoded = [raw.pts for raw in begin], [raw.dts for raw in begin]
        if not begin or None in decoded or not _rises(decoded):
            self._by_dts = False
            return
        self._by_dts |= None in shown or not _rises(shown)
        # the decoder lets the first frame out some packets after the one it came in with: both are the same moment
        self._delay = decoded[0] - first_dts if self._by_dts and first_dts is not None else 0

    def _stamped(self, raw: Any) -> _Stamped:
        ticks = raw.pts if raw.pts is not None else raw.dts
        if self._by_dts:
            ticks = self._next_dts(raw)
        return _Stamped(raw, None if ticks is None else ticks * self._time_base)

    def _next_dts(self, raw: Any) -> int | None:
        """The frame's decoding time; those that come out after the last packet have none, and go on as before."""
        if raw.dts is not None:
            self._last, self._step = raw.dts, raw.dts - self._last if self._last is not None else 0
        elif self._last is not None and self._step > 0:
            self._last += self._step
        else:
            return None
        return self._last - self._delay


def _goes_on(frames: list[_Stamped]) -> bool:
    """Whether all of the frames have a stamp, each a later one."""
    return all(each.stamp is not None for each in frames) and _rises([each.stamp for each in frames])


def _rises(numbers: list[Any]) -> bool:
    return all(before < after for before, after in pairwise(numbers))


def _counted(count: int) -> str:
    return f"{count} frame{'s' * (count != 1)}"

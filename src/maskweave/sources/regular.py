"""Detect missing frames in a stream of a regular rate, by the times of the others.

Most containers do not say how many frames they have, and a decoder goes on behind damaged ones. Where all other
frames are the same step apart, one that is two steps or more after the one before it follows a gap. A stream whose
rate varies, as a recording of a screen does, has no gaps, and where later steps are shorter by as much, a time was
too late and no frame is missing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

_SAMPLE = 12
"""Steps after which it is known what the usual one is."""
_TOLERANCE = Fraction(1, 5)
"""Of a step: containers that count milliseconds or less round their times."""
_MIN_SHARE = 0.9
"""Of all steps, that the usual one must have."""
_MIN_GAP = Fraction(9, 5)
"""Usual steps."""


@dataclass
class RegularSteps:
    """The steps from frame to frame of one reading.

    >>> steps = RegularSteps()
    >>> for tick in (*range(20), *range(23, 40)):
    ...     steps.add(Fraction(tick, 25))
    >>> steps.sentences()
    ['no frames for 0.12 s at 0.80 s, in a stream of otherwise 25 frames a second']
    """

    _begin: list[tuple[Fraction, Fraction]] = field(default_factory=list)
    _last: Fraction | None = None
    _usual: Fraction | None = None
    _regular: int = 0
    _others: int = 0
    _gaps: int = 0
    _excess: Fraction = Fraction(0)
    _max_gap: tuple[Fraction, Fraction] = (Fraction(0), Fraction(0))

    def add(self, time: Fraction) -> None:
        """Take in the time of the next frame, in seconds."""
        last, self._last = self._last, time
        if last is None:
            return
        if self._usual is not None:
            self._count(last, time - last)
            return
        self._begin.append((last, time - last))
        if len(self._begin) == _SAMPLE:
            self._usual = sorted(step for _, step in self._begin)[_SAMPLE // 2]
            for each in self._begin:
                self._count(*each)

    def _count(self, at: Fraction, step: Fraction) -> None:
        usual = self._usual or step
        if abs(step - usual) <= usual * _TOLERANCE:
            self._regular += 1
            return
        self._excess += step - usual
        if step >= usual * _MIN_GAP:
            self._gaps += 1
            self._max_gap = max(self._max_gap, (step - usual, at + usual))
        else:
            self._others += 1

    def sentences(self) -> list[str]:
        """One sentence where frames are missing, else none."""
        steps = self._regular + self._gaps + self._others
        if not self._usual or not self._gaps or self._regular < _MIN_SHARE * steps:
            return []
        if self._excess < self._usual / 2:
            return []
        length, at = self._max_gap
        where = (
            f"at {float(at):.2f} s"
            if self._gaps == 1
            else f"in {self._gaps} places, the longest at {float(at):.2f} s"
        )
        rate = f"{float(1 / self._usual):.4g}"
        return [
            f"no frames for {float(length):.2f} s {where}, in a stream of otherwise {rate} frames a second"
        ]

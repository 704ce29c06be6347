"""Number the objects of videos, for formats with few numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from maskweave.annotations.record import Record
from maskweave.annotations.report import Report


class TrackNumbers:
    """A number from ``first`` to ``last`` for each track of each group of records (a video, or one of its classes).

    A track keeps its id where that lies in the range and is free, else it gets the smallest free number. Objects
    without track ids are numbered again in each record.
    """

    def __init__(self, *, first: int, last: int) -> None:
        self._first, self._last = first, last
        self._given: dict[str, dict[int, int]] = {}
        self._used: dict[str, set[int]] = {}
        self._next: dict[str, int] = {}

    def of(self, record: Record, groups: list[str], report: Report) -> NDArray[np.int64]:
        """(N,) the number of each object, -1 where none is left; the report notes how many that are.

        ``groups``: (N,) what shares numbers with what.
        """
        ids = record.instances.track_ids
        if ids is None:
            counts = dict.fromkeys(groups, self._first - 1)
            numbers = []
            for group in groups:
                counts[group] += 1
                numbers.append(counts[group] if counts[group] <= self._last else -1)
        else:
            pairs = list(zip(groups, ids.tolist(), strict=True))
            for group, each in pairs:  # those that can keep their ids come before those that need another
                if self._first <= each <= self._last:
                    self._number(group, each)
            numbers = [self._number(group, each) for group, each in pairs]
        report.lost("ids", numbers.count(-1))
        return np.array(numbers, dtype=np.int64)

    def _number(self, group: str, track_id: int) -> int:
        given = self._given.setdefault(group, {})
        if track_id in given:
            return given[track_id]
        used = self._used.setdefault(group, set())
        number = track_id
        if not self._first <= number <= self._last or number in used:
            number = self._next.get(group, self._first)
            while number in used:
                number += 1
            self._next[group] = number
        if number > self._last:
            return -1
        given[track_id] = number
        used.add(number)
        return number


class FrameNumbers:
    """The number of each frame in its group: its own, else counted as records come."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def of(self, record: Record) -> int:
        """The frame's number, from 0."""
        if record.frame is not None and record.video:
            return record.frame
        number = self._counts.get(record.group, 0)
        self._counts[record.group] = number + 1
        return number

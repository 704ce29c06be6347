"""Read for how long each frame of a DICOM file is shown.

Source: PS3.3, C.7.6.5 (cine: FrameTime, FrameTimeVector, CineRate, RecommendedDisplayFrameRate).
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise
from typing import Any

from maskweave.sources.base import FRAME_RATE

TIME_TAGS = ("FrameTimeVector", "FrameTime", "CineRate", "RecommendedDisplayFrameRate")
_RESOLUTION = 1_000_000


def frame_steps(header: Mapping[str, Any], count: int) -> list[Fraction]:
    """Seconds from each of ``count`` frames to the next, a last one like that before; 1/25 where it does not say.

    >>> [float(step) for step in frame_steps({"FrameTimeVector": [0, 40, 80]}, 3)]
    [0.04, 0.08, 0.08]
    """
    vector = [_positive(value) for value in header.get("FrameTimeVector") or ()]
    if len(vector) == count > 1 and all(vector[1:]):
        steps = [*vector[1:], vector[-1]]
        return [step / 1000 for step in steps if step is not None]
    step = _positive(header.get("FrameTime"))
    if step is not None:
        return [step / 1000] * count
    rate = _positive(header.get("CineRate")) or _positive(header.get("RecommendedDisplayFrameRate"))
    return [1 / (rate or FRAME_RATE)] * count


def tick_of(steps: list[Fraction]) -> Fraction:
    """A unit in which times that are ``steps`` apart can be counted."""
    is_regular = all(one == other for one, other in pairwise(steps))
    return steps[0] if is_regular else Fraction(1, _RESOLUTION)


def _positive(value: Any) -> Fraction | None:
    try:
        number = Fraction(str(value)).limit_denominator(_RESOLUTION)
    except (ValueError, ZeroDivisionError):  # absent, or no number
        return None
    return number if number > 0 else None

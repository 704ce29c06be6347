"""The seam to inputs: whatever yields frames, one at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from maskweave.closable import Closable
from maskweave.errors import ImageTooLarge, InvalidValue
from maskweave.types.frame import Frame, SourceInfo

MAX_PIXELS = 50_000_000
"""Default pixel budget of one image: 50 Mpx, 150 MB as RGB; above it a file is refused unread."""

FRAME_RATE = Fraction(25)
"""Frames per second of what does not say: folders of frames, streams without a rate."""

RECONNECT = 60.0
"""Seconds for which a live source that dropped out is opened again and again."""


_NUMBERS = re.compile(r"\d[\d.,]*")


@runtime_checkable
class Source(Protocol):
    """An opened input.

    - ``info``: what it promises before its first frame.
    - ``warnings``: filled while reading; what was skipped, repaired or missing, one sentence each.

    Iterating yields `Frame` in order of time and holds one at a time. Iterating again starts again, except
    for live sources. A source is a context manager; `close` may be called more than once.

    Iterating raises `SourceError` when nothing can be read, or nothing more where more must follow. A live
    source that breaks off after its first frame and does not come back ends there, with a line in ``warnings``.
    """

    @property
    def info(self) -> SourceInfo:
        """What the source promises before its first frame."""

    @property
    def warnings(self) -> list[str]:
        """What was skipped, repaired or missing; filled while reading."""

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames in order."""

    def close(self) -> None:
        """Release files and devices."""

    def __enter__(self) -> Self:
        """Return the source itself."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the source."""


def warn_once(warnings: list[str], *lines: str) -> None:
    """Add the lines that are not there yet, whatever numbers are in them: frames of a series say the same of each."""
    for line in lines:
        if not any(_NUMBERS.sub("", line) == _NUMBERS.sub("", other) for other in warnings):
            warnings.append(line)


@runtime_checkable
class Stoppable(Protocol):
    """A source that may be waiting for a frame that never comes, and can be stopped."""

    def stop(self) -> None:
        """End after the frame in the making, for good. From any thread, also from a signal's handler."""


class Closing(Closable):
    """The context-manager half of a source: ``with`` closes it.

    ``is_incomplete``: read to its end, it had less than it promised; ``warnings`` says what is missing. A source
    without it is whole.
    """

    is_incomplete = False

    def close(self) -> None:
        """Let go of files and devices; nothing to do here."""


def is_incomplete(source: Source | None) -> bool:
    """Whether a source, read to its end, had less than it promised (`Closing`)."""
    return bool(getattr(source, "is_incomplete", False))


def check_budget(
    width: int, height: int, *, max_pixels: int, label: str, hint: str = "scale it down"
) -> None:
    """Raise `ImageTooLarge` when an image of ``width`` x ``height`` pixels, not yet decoded, is over the budget.

    ``hint``: what else than a larger budget would help.
    """
    if width * height > max_pixels:
        raise ImageTooLarge(
            f"{label}: {width} x {height} pixels are {width * height / 1e6:.1f} Mpx, over the budget of "
            f"{max_pixels / 1e6:g} Mpx; {hint}, or raise the budget "
            "(--max-pixels, in Python max_pixels=)"
        )


def exact_rate(rate: Fraction | float) -> Fraction:
    """A rate in frames per second as a fraction; raises `InvalidValue` for one that is not above 0."""
    try:
        exact = Fraction(rate).limit_denominator(1001)
    except (ValueError, OverflowError, TypeError):  # NaN, infinity, no number
        exact = Fraction(0)
    if exact <= 0:
        raise InvalidValue(f"rate: need frames per second, 0.001 or more, got {rate}")
    return exact

"""Filter the frames of a source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import islice

from maskweave.sources.base import Closing, Source, Stoppable, is_incomplete
from maskweave.types.frame import Frame, SourceInfo


class FilteredSource(Closing):
    """``source`` with its frames put through a function, each time that they are gone through."""

    def __init__(self, source: Source, through: Callable[[Iterable[Frame]], Iterator[Frame]]) -> None:
        self._source, self._through = source, through

    @property
    def info(self) -> SourceInfo:
        """What the whole source promises."""
        return self._source.info

    @property
    def warnings(self) -> list[str]:
        """Those of the source."""
        return self._source.warnings

    @property
    def is_incomplete(self) -> bool:  # type: ignore[override]
        """Whether the source is."""
        return is_incomplete(self._source)

    def stop(self) -> None:
        """End a live source after the frame in the making."""
        if isinstance(self._source, Stoppable):
            self._source.stop()

    def close(self) -> None:
        """Close the source."""
        self._source.close()

    def __iter__(self) -> Iterator[Frame]:
        return self._through(self._source)


def limited(source: Source, frames: int | None, seconds: float | None) -> Source:
    """The first ``frames`` frames of a source, or those of its first ``seconds``; None is no limit."""
    limit = None if seconds is None else Fraction(str(seconds))

    def first(stream: Iterable[Frame]) -> Iterator[Frame]:
        begin = None
        for frame in islice(stream, frames):
            begin = frame.time if begin is None else begin
            if limit is not None and frame.time - begin >= limit:
                return
            yield frame

    return FilteredSource(source, first)

"""A source that is opened when it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeAlias

from maskweave.errors import MaskWeaveError
from maskweave.sources.base import Source
from maskweave.sources.live import LiveSource
from maskweave.types.frame import Frame, SourceInfo

AnyKind: TypeAlias = Literal["image", "video", "live"]


class LazySource:
    """A `Source` that is opened when it is entered, iterated, or asked for its ``info``.

    - ``name``: the stem for its outputs, distinct among the inputs found together.
    - ``label``: what to call it in messages: what the user typed, without passwords.
    - ``kind``: what it is as far as name and first bytes tell, or None when it was not found.
    - ``path``: the file or folder that it reads, or None (address, camera, standard input, not found).
    - ``info``: never raises; of an input that cannot be opened it holds name, kind and path only.

    ``with`` and iterating raise the `SourceError` of an input that was not found or cannot be opened, so
    that one bad input does not stop the others from being done. It may be entered again after closing.
    """

    def __init__(
        self,
        name: str,
        label: str,
        open_as: Callable[[str], Source],
        kind: AnyKind | None = None,
        *,
        path: Path | None = None,
    ) -> None:
        self.name = name
        self.label = label
        self.kind = kind
        self.path = path
        self._open_as = open_as
        self._source: Source | None = None
        self._info: SourceInfo | None = None
        self._warnings: list[str] = []

    @property
    def info(self) -> SourceInfo:
        """What the source promises; opens it."""
        if self._info is None:
            try:
                self._info = self.open().info
            except MaskWeaveError:
                return SourceInfo(self.name, self.kind or "image", self.path)
        return self._info

    @property
    def warnings(self) -> list[str]:
        """What was skipped, repaired or missing; kept after closing."""
        return self._warnings if self._source is None else self._source.warnings

    def open(self) -> Source:
        """The source itself, opened if it is not open; raises `SourceError`."""
        if self._source is None:
            self._source = self._open_as(self.name)
        return self._source

    def stop(self) -> None:
        """End a live source after the frame in the making, also while it waits; see `LiveSource.stop`."""
        if isinstance(self._source, LiveSource):
            self._source.stop()

    def close(self) -> None:
        """Close it if it is open."""
        source, self._source = self._source, None
        if source is not None:
            self._warnings = source.warnings
            source.close()

    def __iter__(self) -> Iterator[Frame]:
        return iter(self.open())

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"LazySource({self.name!r}, {self.kind}, {self.label})"

"""A source that is opened when it is needed."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Self, TypeAlias

from maskweave.closable import Closable
from maskweave.errors import ImageTooLarge, MaskWeaveError, UnreadableImage
from maskweave.sources.base import Source, Stoppable, is_incomplete
from maskweave.types.frame import Frame, SourceInfo

AnyKind: TypeAlias = Literal["image", "video", "live"]


class LazySource(Closable):
    """A `Source` that is opened when it is entered, iterated, or asked for its ``info``.

    - ``name``: the stem for its outputs, distinct among the inputs found together.
    - ``label``: what to call it in messages: what the user typed, without passwords.
    - ``kind``: what it is as far as name and first bytes tell, or None when it was not found.
    - ``path``: the file or folder that it reads, or None (address, camera, standard input, not found).
    - ``notes``: what was passed over where it was found; the first of its ``warnings``.
    - ``is_incomplete``: read to its end, it had less than it should; kept after closing.
    - ``info``: never raises; of an input that cannot be opened it holds name, kind and path only.

    ``with`` and iterating raise the `SourceError` of an input that was not found or cannot be opened, so
    that one bad input does not stop the others from being done; also what no reader foresaw is a `SourceError` here.
    It may be entered again after closing.
    """

    def __init__(
        self,
        name: str,
        label: str,
        open_as: Callable[[str], Source],
        kind: AnyKind | None = None,
        *,
        path: Path | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.label = label
        self.kind = kind
        self.path = path
        self.notes = tuple(notes)
        self._open_as = open_as
        self._source: Source | None = None
        self._info: SourceInfo | None = None
        self._warnings: list[str] = []
        self._is_incomplete = False

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
        return [*self.notes, *(self._warnings if self._source is None else self._source.warnings)]

    @property
    def is_incomplete(self) -> bool:
        """Whether it had less than its header says."""
        return self._is_incomplete or is_incomplete(self._source)

    def open(self) -> Source:
        """The source itself, opened if it is not open; raises `SourceError`."""
        if self._source is None:
            with self._as_our_error():
                self._source = self._open_as(self.name)
        return self._source

    def stop(self) -> None:
        """End a live source after the frame in the making, also while it waits; see `Stoppable`."""
        source: object = self._source
        if isinstance(source, Stoppable):
            source.stop()

    def close(self) -> None:
        """Close it if it is open."""
        self._is_incomplete = self.is_incomplete
        source, self._source = self._source, None
        if source is not None:
            self._warnings = source.warnings
            source.close()

    def __iter__(self) -> Iterator[Frame]:
        frames = iter(self.open())
        try:
            while True:
                with self._as_our_error():
                    frame = next(frames, None)
                if frame is None:
                    return
                yield frame
        finally:
            if isinstance(frames, Generator):
                frames.close()

    @contextmanager
    def _as_our_error(self) -> Iterator[None]:
        """Make of an error that no reader foresaw one of this input: it must not end those that follow."""
        try:
            yield
        except MaskWeaveError:
            raise
        except MemoryError as error:
            raise ImageTooLarge(
                f"{self.label}: needs more memory than there is; scale it down, or use --tile 1024"
            ) from error
        except Exception as error:
            reason = " ".join(str(error).split())[:120]
            raise UnreadableImage(
                f"{self.label}: damaged, or of a kind that is not read "
                f"({type(error).__name__}{': ' + reason if reason else ''}); please report it"
            ) from error

    def __enter__(self) -> Self:
        self.open()
        return self

    def __repr__(self) -> str:
        return f"LazySource({self.name!r}, {self.kind}, {self.label})"

"""Report what was broken and what got lost: counted and named, never silent."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypeVar

from maskweave.errors import BadRecord, MaskWeaveError, MissingDependency, OutputError

Loss: TypeAlias = Literal[
    "overlaps", "hidden", "holes", "empty", "scores", "tracks", "crowd", "crowd left out",
    "class map", "ids", "names", "classes", "boxes", "images", "blank", "stuff",
]  # fmt: skip

_SENTENCES: dict[Loss, str] = {
    "overlaps": "{objects} lost {pixels} under others",
    "hidden": "{objects} lie wholly under others and are left out",
    "holes": "{objects} had their holes filled, {pixels} more",
    "empty": "{objects} without pixels are left out",
    "scores": "{objects} lost their scores",
    "tracks": "{objects} lost their track ids",
    "crowd": "{objects} are crowds, written as single objects",
    "crowd left out": "{objects} are crowds and are left out",
    "class map": "{pixels} of classes without objects, or to be ignored, are left out",
    "ids": "{objects} are left out: the format has no more numbers for them",
    "names": "{objects} are left out: the format does not know their classes",
    "classes": "{objects} lost their class names",
    "boxes": "{objects} have boxes that differ from their masks' extents; these boxes are not kept",
    "images": "{objects} lack a color, as their images were not found (see --images)",
    "stuff": "{objects} are of classes without objects there, and become part of the class map",
    "blank": "{images} without objects are left out",
}
"""The message for each kind of loss."""


class Stopped(BadRecord):
    """The first broken record, where a strict reading ends."""


KEPT = 100
"""So many messages are kept; beyond them they are only counted."""
DAMAGE = (MaskWeaveError, KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)
"""What reading a damaged record may raise."""

_Made = TypeVar("_Made")


def reason(error: Exception) -> str:
    """Explain an error of a record to somebody who does not know the program.

    >>> reason(KeyError("label"))
    "need the key 'label', it is missing"
    """
    if isinstance(error, MaskWeaveError):
        return str(error)
    if isinstance(error, KeyError):
        return f"need the key {error}, it is missing"
    if isinstance(error, UnicodeEncodeError):
        return f"need names of whole characters, got half of one (a lone surrogate) in {error.object[:60]!r}"
    text = " ".join(str(error).split())[:200]
    return f"damaged ({type(error).__name__}: {text})"


@dataclass
class Report:
    """What one reading, writing or conversion came across: counts, broken records, losses.

    One rule for everything that reads annotations: a flaw costs the record or the object that has it, is named, and
    the rest goes on.

    Attributes:
        target: Name of the format that is written.
        strict: The first problem raises `Stopped`.
        lossless: Whatever would lose something is a problem.
        show: Called with a line for each problem as it comes.
        records: How many records were written.
        objects: How many objects they had.
        problems: How many records or objects were broken.
        messages: The first `KEPT` lines of the problems.
        losses: Objects and pixels by kind of loss.
        warnings: What else is worth knowing, a line each.
        left_out: What a source says that records have no place for, with how often it does.
    """

    target: str = ""
    strict: bool = False
    lossless: bool = False
    show: Callable[[str], None] = lambda line: None
    records: int = 0
    objects: int = 0
    problems: int = 0
    messages: list[str] = field(default_factory=list)
    losses: dict[Loss, tuple[int, int]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    _pending: dict[Loss, tuple[int, int]] = field(default_factory=dict)

    def problem(self, where: str, why: object) -> None:
        """Note that what is at ``where`` cannot be used; raises `Stopped` when strict."""
        text = reason(why) if isinstance(why, Exception) else str(why)
        self.add(text if text.startswith((f"{where}:", f"{where},")) else f"{where}: {text}")

    def add(self, message: str) -> None:
        """Note a problem by a message that says where it is; raises `Stopped` when strict."""
        self.problems += 1
        if self.strict:
            raise Stopped(message)
        if len(self.messages) < KEPT:
            self.messages.append(message)
        self.show(message)

    @contextmanager
    def record(self, where: str) -> Iterator[None]:
        """Around the reading or writing of one record: what it raises is a `problem` of it.

        Losses that were noted within count when the record is done. `OutputError` and `MissingDependency` go on, as
        the next record would meet them too.
        """
        try:
            yield
        except (Stopped, OutputError, MissingDependency):
            raise
        except DAMAGE as error:
            self.problem(where, error)
        else:
            self.commit()
        finally:
            self._pending = {}

    def commit(self) -> None:
        """Count the losses that were noted since the record before, as it is done."""
        for kind, (objects, pixels) in self._pending.items():
            before = self.losses.get(kind, (0, 0))
            self.losses[kind] = (before[0] + objects, before[1] + pixels)
        self._pending = {}

    def attempt(self, where: str, make: Callable[[], _Made]) -> _Made | None:
        """What ``make`` gives, or None where that is a `problem` of the record at ``where``."""
        return next(iter(self.made(where, make)), None)

    def made(self, where: str, make: Callable[[], _Made]) -> list[_Made]:
        """As `attempt`, in a list, for readers to yield from."""
        made: list[_Made] = []
        with self.record(where):
            made.append(make())
        return made

    def lost(self, kind: Loss, objects: int, pixels: int = 0) -> None:
        """Note a loss, before anything of the record is written; raises `BadRecord` when lossless is asked for."""
        if not objects and not pixels:
            return
        if self.lossless and kind != "images":
            raise BadRecord(f"would lose something: {_sentence(kind, objects, pixels, None)}")
        before = self._pending.get(kind, (0, 0))
        self._pending[kind] = (before[0] + objects, before[1] + pixels)

    def warn(self, text: str) -> None:
        """Note something that cost nothing and is worth knowing; the same once."""
        if text not in self.warnings:
            self.warnings.append(text)

    def leave_out(self, what: str, count: int = 1) -> None:
        """Count what is not read, as it says nothing of an object's pixels or class."""
        if count:
            self.left_out[what] = self.left_out.get(what, 0) + count

    def notes(self) -> list[str]:
        """The warnings, and a line of what was left out.

        >>> report = Report()
        >>> report.leave_out("tags")
        >>> report.leave_out("keypoints", 34)
        >>> report.notes()
        ['left out: tags (1), keypoints (34)']
        """
        counts = ", ".join(f"{what} ({count:,})" for what, count in self.left_out.items())
        return [
            *self.warnings,
            *([f"left out: {counts}"] if counts else []),
        ]

    def lines(self, kinds: Collection[Loss] | None = None) -> list[str]:
        """One sentence for each kind of loss (None: for all), then the notes.

        >>> report = Report("voc", objects=120)
        >>> with report.record("a.png"):
        ...     report.lost("overlaps", 3, 412)
        >>> report.lines()
        ['voc: 3 of 120 objects lost 412 pixels under others']
        """
        return [
            f"{self.target}: {_sentence(kind, objects, pixels, self.objects)}"
            for kind, (objects, pixels) in self.losses.items()
            if kinds is None or kind in kinds
        ] + [f"{self.target}: {text}" for text in self.notes()]


def _sentence(kind: Loss, objects: int, pixels: int, total: int | None) -> str:
    of = "" if total is None else f" of {total:,}"
    return _SENTENCES[kind].format(
        objects=f"{objects:,}{of} object{'' if (total or objects) == 1 else 's'}",
        pixels=f"{pixels:,} pixel{'' if pixels == 1 else 's'}",
        images=f"{objects:,} image{'' if objects == 1 else 's'}",
    )

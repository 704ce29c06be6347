"""What went wrong and what was lost in one conversion: counted, told, never silent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypeVar

from maskweave.errors import BadRecord, InvalidValue, SourceError

Loss: TypeAlias = Literal[
    "overlaps", "hidden", "holes", "empty", "scores", "tracks", "crowd", "crowd left out",
    "class map", "ids", "names", "classes", "boxes", "pictures", "blank", "stuff",
]  # fmt: skip

_TOLD: dict[Loss, str] = {
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
    "boxes": "{objects} have boxes other than round their pixels, which are not kept",
    "pictures": "{objects} lack a colour, as their pictures were not found (see --images)",
    "stuff": "{objects} are of classes without objects there, and become part of the class map",
    "blank": "{pictures} without objects are left out",
}
"""What is told of each kind of loss."""


class ConversionStopped(BadRecord):
    """The first broken record of a strict conversion."""


_Made = TypeVar("_Made")


@dataclass
class Ledger:
    """Counts records, objects, problems and losses of a conversion to ``target``.

    ``strict``: the first problem ends the conversion. ``lossless``: whatever would lose something is a problem.
    ``tell`` is called with a line for each problem as it comes.
    """

    target: str = ""
    strict: bool = False
    lossless: bool = False
    tell: Callable[[str], None] = lambda line: None
    records: int = 0
    objects: int = 0
    problems: int = 0
    losses: dict[Loss, tuple[int, int]] = field(default_factory=dict)
    _pending: dict[Loss, tuple[int, int]] = field(default_factory=dict)

    def problem(self, where: str, why: object) -> None:
        """Note that the record at ``where`` is left out; raises `ConversionStopped` when strict."""
        text = str(why)
        line = text if text.startswith((f"{where}:", f"{where},")) else f"{where}: {text}"
        self.problems += 1
        if self.strict:
            raise ConversionStopped(line)
        self.tell(line)

    @contextmanager
    def record(self, where: str) -> Iterator[None]:
        """Around the reading or writing of one record: what it raises is a `problem` of it.

        Losses that were noted within count when the record is done. `OutputError` goes on, as the next record would
        meet it too.
        """
        try:
            yield
        except ConversionStopped:
            raise
        except (InvalidValue, SourceError) as error:
            self.problem(where, error)
        else:
            for kind, (objects, pixels) in self._pending.items():
                before = self.losses.get(kind, (0, 0))
                self.losses[kind] = (before[0] + objects, before[1] + pixels)
        finally:
            self._pending = {}

    def attempt(self, where: str, make: Callable[[], _Made]) -> _Made | None:
        """What ``make`` gives, or None where that is a `problem` of the record at ``where``."""
        made: list[_Made] = []
        with self.record(where):
            made.append(make())
        return made[0] if made else None

    def lost(self, kind: Loss, objects: int, pixels: int = 0) -> None:
        """Note a loss, before anything of the record is written; raises `BadRecord` when lossless is asked for."""
        if not objects and not pixels:
            return
        if self.lossless and kind != "pictures":
            raise BadRecord(f"would lose something: {_sentence(kind, objects, pixels, None)}")
        before = self._pending.get(kind, (0, 0))
        self._pending[kind] = (before[0] + objects, before[1] + pixels)

    def lines(self) -> list[str]:
        """One sentence for each kind of loss.

        >>> ledger = Ledger("voc", objects=120)
        >>> with ledger.record("a.png"):
        ...     ledger.lost("overlaps", 3, 412)
        >>> ledger.lines()
        ['voc: 3 of 120 objects lost 412 pixels under others']
        """
        return [
            f"{self.target}: {_sentence(kind, objects, pixels, self.objects)}"
            for kind, (objects, pixels) in self.losses.items()
        ]


def _sentence(kind: Loss, objects: int, pixels: int, total: int | None) -> str:
    of = "" if total is None else f" of {total:,}"
    return _TOLD[kind].format(
        objects=f"{objects:,}{of} object{'' if (total or objects) == 1 else 's'}",
        pixels=f"{pixels:,} pixel{'' if pixels == 1 else 's'}",
        pictures=f"{objects:,} picture{'' if objects == 1 else 's'}",
    )

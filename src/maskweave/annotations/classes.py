"""Assign numbers to class names, in the order in which they come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from maskweave.annotations.record import Category, Record
from maskweave.annotations.report import Report


class WholeNames:
    """Class names that no text can hold, as JSON may have them (halves of characters), with "?" in their place."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._checked: object = None

    def of(self, record: Record) -> Record:
        """The record with names that can be written."""
        names = record.instances.class_names
        if names is self._checked:
            return record
        try:
            "".join(names).encode()
        except UnicodeEncodeError:
            self._report.warn("class names hold half a character (a lone surrogate), in whose place stands ?")
            return replace(
                record,
                instances=record.instances.replace(class_names=tuple(map(_whole, names))),
                categories=tuple(replace(each, name=_whole(each.name)) for each in record.categories),
            )
        self._checked = names
        return record


def _whole(name: str) -> str:
    return name.encode(errors="replace").decode()


class ClassNumbers:
    """A number for each class name, the same for a whole data set.

    A name keeps the id that it came with (`Record.categories`) when ``keep`` and nobody has it yet; else it gets
    ``fixed``'s number, else the next free one from ``first`` on. ``last`` is the largest number there is.
    """

    def __init__(
        self, *, keep: bool, first: int, fixed: Mapping[str, int] | None = None, last: int | None = None
    ) -> None:
        self._keep, self._last = keep, last
        self._fixed = dict(fixed or {})
        self._reserved = frozenset(self._fixed.values())
        self._next = first
        self._known: dict[str, Category] = {}
        self._used: set[int] = set()
        self._seen: tuple[object, object] | None = None

    def learn(self, record: Record) -> None:
        """Give all classes of a record their numbers, seen in it or not."""
        names = record.instances.class_names
        if self._seen is not None and self._seen[0] is names and self._seen[1] is record.categories:
            return
        self._seen = (names, record.categories)
        for category in record.categories:
            self._add(category.name, category.id, thing=category.thing)
        for name in names:
            self._add(name, None, thing=True)
        for name in record.semantic.class_names[1:] if record.semantic is not None else ():
            self._add(name, None, thing=False)

    def _add(self, name: str, wanted: int | None, *, thing: bool) -> None:
        if name in self._known:
            return
        if self._keep and wanted is not None and wanted not in self._used:
            number = wanted
        elif name in self._fixed and self._fixed[name] not in self._used:
            number = self._fixed[name]
        else:
            while self._next in self._used or self._next in self._reserved:
                self._next += 1
            number = self._next
        if self._last is not None and number > self._last:
            return
        self._known[name] = Category(number, name, thing)
        self._used.add(number)

    def __getitem__(self, name: str) -> int:
        return self._known[name].id

    def get(self, name: str, default: int) -> int:
        """The number of a class, or ``default`` where it has none."""
        return self._known[name].id if name in self._known else default

    def __contains__(self, name: str) -> bool:
        return name in self._known

    def __iter__(self) -> Iterator[Category]:
        """All classes, by number."""
        return iter(sorted(self._known.values(), key=lambda each: each.id))

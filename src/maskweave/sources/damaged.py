"""Skip members of a series that cannot be read, and name them."""

from __future__ import annotations

from maskweave.errors import SourceError

_NAMED = 5


class DamagedMembers:
    """Pages, slices or images of a series that were left out, in order.

    >>> damaged = DamagedMembers("page", of=20)
    >>> damaged.add("7", SourceError("page 7 is cut short"))
    >>> damaged.sentences()
    ['1 of 20 pages is damaged and was left out: 7']
    """

    def __init__(self, kind: str, *, of: int) -> None:
        self._kind, self._of = kind, of
        self._names: list[str] = []
        self._first: SourceError | None = None

    def __bool__(self) -> bool:
        return bool(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def add(self, name: str, error: SourceError) -> None:
        """Leave one out."""
        self._first = self._first or error
        self._names.append(name)

    def sentences(self) -> list[str]:
        """Name what was left out; nothing where all is well. Raises the first error where no member is left."""
        if self._first is None:
            return []
        count = len(self._names)
        if count >= self._of:
            raise self._first
        listed = ", ".join(self._names[:_NAMED]) + (" …" if count > _NAMED else "")
        were = "is damaged and was" if count == 1 else "are damaged and were"
        return [f"{count} of {self._of} {self._kind}s {were} left out: {listed}"]

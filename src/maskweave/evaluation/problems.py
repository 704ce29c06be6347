"""Records of truth and results that cannot be used: each is named, and the rest is measured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from maskweave.errors import BadRecord, MaskWeaveError, MissingDependency

KEPT = 100
"""So many messages are kept; beyond them they are only counted."""


class Problems:
    """Collects what was wrong with records.

    One rule for all measures: a record of the truth that cannot be used is left out, and so is one of the results,
    where what it should have found counts as not found.

    Args:
        strict: Raise `BadRecord` at the first instead.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict
        self.count = 0
        self.told: list[str] = []

    def add(self, message: str) -> None:
        """Take down one bad record; ``message`` names it, what was needed and what came."""
        if self.strict:
            raise BadRecord(message)
        self.count += 1
        if len(self.told) < KEPT:
            self.told.append(message)

    @contextmanager
    def naming(self, record: str) -> Iterator[None]:
        """Take down whatever the block finds wrong with ``record``, and end the block there."""
        try:
            yield
        except (BadRecord, MissingDependency):
            raise
        except KeyError as error:
            self.add(f"{record}: need the key {error}, it is missing")
        except (MaskWeaveError, ValueError, TypeError, AttributeError, OverflowError) as error:
            self.add(f"{record}: {error}")

"""From one format to another: recognise, read, measure what gets lost, write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from maskweave.errors import BadRecord, InvalidValue, SourceNotFound
from maskweave.formats import FORMATS, format_named
from maskweave.formats.base import Format, Options, Read
from maskweave.formats.ledger import Ledger
from maskweave.formats.record import Record

_BOX_DIFFERENCE = 1.0  # pixels by which a box may differ from the extent of its mask and count as the same


def recognise(source: Path) -> tuple[Format, str]:
    """The format of a file or folder, and the reason.

    Raises `SourceNotFound`, or `InvalidValue` when it looks like none of them.
    """
    if not source.exists():
        raise SourceNotFound(f"{source}: need a file or folder, there is none of that name")
    for each in FORMATS:
        reason = each.recognise(source) if each.recognise is not None else None
        if reason is not None:
            return each, reason
    known = ", ".join(each.name for each in FORMATS if each.read is not None)
    raise InvalidValue(f"{source}: looks like none of {known}; say which it is with --from")


def read_records(
    source: Path,
    format_name: str | None = None,
    *,
    options: Options | None = None,
    ledger: Ledger | None = None,
) -> Iterator[Record]:
    """Yield the records of a file or folder in constant memory; ``format_name`` None recognises the format.

    Records that are broken go to ``ledger``; without one the first of them raises `BadRecord`. Raises
    `SourceError` or `InvalidValue` when nothing can be read at all.
    """
    form = recognise(source)[0] if format_name is None else format_named(format_name)
    return reader_of(form, source)(source, options or Options(), ledger or Ledger(strict=True))


def reader_of(form: Format, source: Path) -> Read:
    """The format's reader; raises `InvalidValue` where it has none, `SourceNotFound` where there is no source."""
    if form.read is None:
        raise InvalidValue(f"{form.name}: is written only, it does not hold the masks")
    if not source.exists():
        raise SourceNotFound(f"{source}: need a file or folder, there is none of that name")
    return form.read


def convert(
    source: Path,
    destination: Path,
    *,
    to: str,
    format_name: str | None = None,
    options: Options | None = None,
    ledger: Ledger | None = None,
    progress: Callable[[int], None] = lambda records: None,
) -> Ledger:
    """Write ``source`` as ``destination`` in the format ``to``; returns the ledger of problems and losses.

    ``progress`` is called with the number of records done. What is written appears when it is whole. Raises
    `OutputError` when it cannot be written or something foreign is in its place, and what `read_records` raises.
    """
    options = options or Options()
    ledger = ledger or Ledger(strict=True)
    target = format_named(to)
    ledger.target = target.name
    check_apart(source, destination)
    with (
        closing(read_records(source, format_name, options=options, ledger=ledger)) as records,  # type: ignore[type-var]
        target.write(destination, options, ledger) as put,
    ):
        for record in records:
            with ledger.record(record.file_name):
                fitted = fit(record, target, options, ledger)
                put(fitted)
                ledger.records += 1
                ledger.objects += len(record.instances)
            progress(ledger.records)
        if not ledger.records:
            raise BadRecord(f"{source}: holds no picture that could be converted, so nothing is written")
    return ledger


def fit(record: Record, target: Format, options: Options, ledger: Ledger) -> Record:
    """The record without what no writer of the format could hold; the ledger is told what that was."""
    instances, crowd = record.instances, record.crowds
    if "crowd" not in target.keeps and options.crowd == "skip":
        ledger.lost("crowd left out", int(crowd.sum()))
        instances, crowd = instances[~crowd], crowd[~crowd]
    if "boxes" not in target.keeps:
        seen = instances.masks.areas > 0
        ledger.lost("empty", int(np.count_nonzero(~seen)))
        instances, crowd = instances[seen], crowd[seen]
        apart = np.abs(instances.boxes - instances.masks.boxes) > _BOX_DIFFERENCE
        ledger.lost("boxes", int(apart.any(axis=1).sum()))
    if "crowd" not in target.keeps:
        ledger.lost("crowd", int(crowd.sum()))
    if "scores" not in target.keeps:
        ledger.lost("scores", int(np.count_nonzero(instances.scores != 1)))
    if "tracks" not in target.keeps and instances.track_ids is not None:
        ledger.lost("tracks", len(instances))
    if "empty pictures" not in target.keeps:
        ledger.lost("blank", int(not len(instances)))
    semantic = record.semantic
    if semantic is not None and "class map" not in target.keeps:
        outside = ~instances.masks.union() & (semantic.class_map != 0)
        ledger.lost("class map", 0, int(np.count_nonzero(outside)))
        semantic = None
    return replace(record, instances=instances, crowd=crowd, semantic=semantic)


def check_apart(source: Path, destination: Path) -> None:
    """Raise `InvalidValue` when writing would replace what is being read."""
    read, written = source.resolve(), destination.resolve()
    if read == written or written in read.parents:
        raise InvalidValue(f"{destination}: would replace the source {source}; choose another place with -o")

"""Convert between annotation formats: detect, read, measure what gets lost, write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from maskweave.annotations.base import Format, Read, drop_unsupported
from maskweave.annotations.classes import WholeNames
from maskweave.annotations.image_size import fit_to_image
from maskweave.annotations.options import Options
from maskweave.annotations.record import Record
from maskweave.annotations.report import Report
from maskweave.annotations.table import format_named, formats
from maskweave.annotations.unknown import hint
from maskweave.errors import BadRecord, InvalidValue, SourceNotFound


def detect(source: Path) -> tuple[Format, str]:
    """The format of a file or folder, and the reason.

    Raises `SourceNotFound`, or `InvalidValue` when it looks like none of them.
    """
    if not source.exists():
        raise SourceNotFound(f"{source}: need a file or folder, but it does not exist")
    for each in formats():
        reason = each.detect(source) if each.detect is not None else None
        if reason is not None:
            return each, reason
    known = ", ".join(each.name for each in formats() if each.read is not None)
    raise InvalidValue(
        f"{source}: need annotations of a known format, {hint(source) or f'it looks like none of {known}'}"
    )


def detect_name(source: Path, *, default: str) -> str:
    """The name of a source's format; ``default`` for an unknown JSON file, whose reader says what it lacks.

    Raises `SourceNotFound`, or `InvalidValue` as `detect` for anything else, with the same words for every command.
    """
    try:
        return detect(source)[0].name
    except InvalidValue:
        if source.suffix.lower() == ".json" and source.is_file() and not hint(source):
            return default
        raise


def read_records(
    source: Path,
    format_name: str | None = None,
    *,
    options: Options | None = None,
    report: Report | None = None,
) -> Iterator[Record]:
    """Yield the records of a file or folder in constant memory; ``format_name`` None detects the format.

    Records that are broken go to ``report``; without one the first of them raises `BadRecord`. Raises
    `SourceError` or `InvalidValue` when nothing can be read at all.
    """
    form = detect(source)[0] if format_name is None else format_named(format_name)
    report = report or Report(strict=True)
    return _checked(reader_of(form, source)(source, options or Options(), report), report)


def _checked(records: Iterator[Record], report: Report) -> Iterator[Record]:
    """The records in the sizes of their images; one whose name another has is reported once."""
    seen: set[int] = set()
    whole = WholeNames(report)
    for record in records:
        fitted = fit_to_image(whole.of(record), report)
        if fitted is None:
            continue
        key = hash((record.video, record.frame, record.file_name))
        if key in seen:
            report.warn(f"several records are of one image, {record.file_name}")
        seen.add(key)
        yield fitted


def reader_of(form: Format, source: Path) -> Read:
    """The format's reader; raises `InvalidValue` where it has none, `SourceNotFound` where there is no source."""
    if form.read is None:
        raise InvalidValue(f"{form.name}: is written only, it does not hold the masks")
    if not source.exists():
        raise SourceNotFound(f"{source}: need a file or folder, but it does not exist")
    return form.read


def convert(
    source: Path,
    destination: Path,
    *,
    to: str,
    format_name: str | None = None,
    options: Options | None = None,
    report: Report | None = None,
    progress: Callable[[int], None] = lambda records: None,
) -> Report:
    """Write ``source`` as ``destination`` in the format ``to``; returns the report of problems and losses.

    ``progress`` is called with the number of records done. What is written appears when it is whole. Raises
    `OutputError` when it cannot be written or something foreign is in its place, and what `read_records` raises.
    """
    options = options or Options()
    report = report or Report(strict=True)
    target = format_named(to)
    report.target = target.name
    check_apart(source, destination)
    with (
        closing(read_records(source, format_name, options=options, report=report)) as records,  # type: ignore[type-var]
        target.write(destination, options, report) as put,
    ):
        for record in records:
            with report.record(record.file_name):
                fitted = drop_unsupported(record, target, options, report)
                put(fitted)
                report.records += 1
                report.objects += len(record.instances)
            progress(report.records)
        if not report.records:
            raise BadRecord(f"{source}: holds no image that could be converted, so nothing is written")
    return report


def check_apart(source: Path, destination: Path) -> None:
    """Raise `InvalidValue` when writing would replace what is being read."""
    read, written = source.resolve(), destination.resolve()
    if read == written or written in read.parents:
        raise InvalidValue(f"{destination}: would replace the source {source}; choose another place with -o")

"""`maskweave convert`: a data set from one format to another, with what that costs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maskweave.annotations.options import Options
from maskweave.annotations.table import TABLE
from maskweave.cli.console import FAILED, counted, emit, inform, progress_bar
from maskweave.cli.options import takes_options
from maskweave.errors import BadRecord, InvalidValue

if TYPE_CHECKING:
    from maskweave.annotations.base import Format
    from maskweave.annotations.report import Report


@takes_options()
def convert_command(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="File or folder of annotations or results.")],
    to: Annotated[str, typer.Option("--to", help=f"Format to write: {', '.join(TABLE)}.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DST", help="File or folder to write.")],
    options: Options,
    from_: Annotated[str | None, typer.Option("--from", help="Format of SRC.  [default: detected]")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first broken record.")] = False,
    lossless: Annotated[
        bool, typer.Option("--lossless", help="Skip records that the format cannot hold without loss.")
    ] = False,
    json_lines: Annotated[bool, typer.Option("--json", help="One JSON line on stdout.")] = False,
) -> None:
    """Convert annotations or results to another format.

    Broken records are listed and skipped, and what is lost is counted.
    """
    from maskweave.annotations.convert import check_apart, convert, reader_of
    from maskweave.annotations.report import Report
    from maskweave.annotations.table import format_named
    from maskweave.cli.signals import interruptible

    report = Report(strict=strict, lossless=lossless, show=lambda line: inform(f"maskweave: {line}"))
    if from_ is None:
        form, reason = _detected(source)
        inform(f"{source}: {form.title} ({form.name}): {reason}")
        from_ = form.name
    # A wrong call, unlike what the source holds, ends with the code of one; so it is checked here.
    format_named(to)
    reader_of(format_named(from_), source)
    check_apart(source, output)
    with interruptible(), _bad_sources(), progress_bar("converting", None) as update:
        convert(
            source,
            output,
            to=to,
            format_name=from_,
            options=options,
            report=report,
            progress=lambda records: update(records, None),
        )
    _show_report(report, output, from_=from_, json_lines=json_lines)
    if report.problems:
        raise typer.Exit(FAILED)


def _detected(source: Path) -> tuple[Format, str]:
    from maskweave.annotations.convert import detect

    try:
        return detect(source)
    except InvalidValue as error:
        raise InvalidValue(f"{error}; say which it is with --from") from error


@contextmanager
def _bad_sources() -> Iterator[None]:
    """What a source holds is no wrong call: its `InvalidValue` ends with the code of a failed input."""
    try:
        yield
    except InvalidValue as error:
        raise BadRecord(str(error)) from error


def _show_report(report: Report, output: Path, *, from_: str, json_lines: bool) -> None:
    for line in report.lines():
        inform(line)
    if json_lines:
        losses = {
            kind: {"objects": objects, "pixels": pixels} for kind, (objects, pixels) in report.losses.items()
        }
        emit(
            {
                "from": from_,
                "to": report.target,
                "output": str(output),
                "records": report.records,
                "objects": report.objects,
                "problems": report.problems,
                "losses": losses,
            }
        )
        return
    broken = f", {counted(report.problems, 'problem')}" if report.problems else ""
    inform(f"{counted(report.records, 'image')} with {counted(report.objects, 'object')}{broken} → {output}")

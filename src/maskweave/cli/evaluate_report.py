"""Report scores for every `maskweave evaluate` command: a table, a JSON file, plots, an exit code."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from maskweave.cli.console import FAILED, counted, emit, inform
from maskweave.errors import MaskWeaveError
from maskweave.option_fields import option

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from maskweave.annotations.report import Report

_MAX_SHOWN = 20
_WIDE = 160  # columns of a table that goes into a file or a pipe


@dataclass(frozen=True)
class Sheet:
    """A table for people: the first column names the row, the others are numbers, NaN where there is none."""

    title: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[float | int]]]
    digits: int = 1


@dataclass(frozen=True)
class ReportOptions:
    """Where the scores go, and whether the first broken record ends the command."""

    output: Path | None = option(None, "Also write the scores as JSON.", flags=("-o", "--output"))
    plots: Path | None = option(None, "Also draw plots into this folder.", flags=("--plots",))
    json_lines: bool = option(False, "The scores as one JSON line on stdout.", flags=("--json",))
    strict: bool = option(False, "Stop at the first broken record instead of skipping it.")


def report(
    record: Mapping[str, Any],
    sheets: Sequence[Sheet],
    figures: Mapping[str, Figure],
    problems: Report,
    to: ReportOptions,
) -> None:
    """Show ``sheets``, write ``record`` and ``figures``; name ``problems`` and raise `typer.Exit` if any."""
    plain = _plain({**record, "problems": {"count": problems.problems, "messages": problems.messages}})
    plain["notes"] = problems.notes()
    _write(plain, figures, to)
    if to.json_lines:
        emit(plain)
    else:
        for sheet in sheets:
            _print(sheet)
    _show_problems(problems, to.output)
    if problems.problems:
        inform(f"maskweave: {counted(problems.problems, 'bad record')}; the scores are those of the rest")
        raise typer.Exit(FAILED)


@contextmanager
def reporting_problems(problems: Report) -> Iterator[None]:
    """Name ``problems`` also when an error ends the block, of which they may be the reason."""
    try:
        yield
    except MaskWeaveError:
        _show_problems(problems, None)
        raise


def _show_problems(problems: Report, output: Path | None) -> None:
    for message in problems.messages[:_MAX_SHOWN]:
        inform(message)
    if problems.problems > _MAX_SHOWN:
        inform(f"… and {problems.problems - _MAX_SHOWN:,} more" + (" (see -o)" if output is None else ""))
    for note in problems.notes():
        inform(note)


def _write(plain: Mapping[str, Any], figures: Mapping[str, Figure], to: ReportOptions) -> None:
    from maskweave.files import atomic_file

    if to.output is not None:
        with atomic_file(to.output) as part:
            part.write_text(json.dumps(plain, indent=2) + "\n", encoding="utf-8")
    for name, figure in figures.items():
        if to.plots is not None:
            with atomic_file(to.plots / f"{name}.png") as part:
                figure.savefig(part, format="png", bbox_inches="tight", pad_inches=0.15)


def _plain(value: Any) -> Any:
    """What JSON knows: NaN, which it does not, becomes null; arrays become lists."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _print(sheet: Sheet) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for number, title in enumerate(sheet.columns):
        table.add_column(title, justify="right" if number else "left", overflow="fold")
    for number, (name, values) in enumerate(sheet.rows):
        cells = (_cell(value, sheet.digits) for value in values)
        table.add_row(Text(name), *cells, style="bold" if number == 0 else "", end_section=number == 0)
    console = Console(width=None if sys.stdout.isatty() else _WIDE)
    console.print(Text(sheet.title), Text(), table, Text(), sep="\n")


def _cell(value: float | int, digits: int) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return "–" if math.isnan(value) else f"{value:.{digits}f}"

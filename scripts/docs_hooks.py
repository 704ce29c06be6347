"""What the documentation site takes from the code: tables of models, and the help of every command.

A line `<!-- from code: NAME -->` in a page is replaced by the text that the function of that name in `TEXTS` returns.
Links that lead out of docs/ become the plain path, since those files are no pages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import click
import typer.main

from maskweave.annotations.table import markdown_table
from maskweave.catalog.entries import all_entries
from maskweave.cli.app import app

_MARK = re.compile(r"<!-- from code: (\w+) -->")
_OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./([^)]+)\)")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill in a page's marks; called by MkDocs for each page before it is rendered."""
    filled = _MARK.sub(lambda mark: TEXTS[mark.group(1)](), markdown)
    return _OUTSIDE.sub(r"\1 (`\2`)", filled)


def models() -> str:
    """The catalog as a table."""
    rows = ["| name | task | license of the weights | MB | measured |", "|---|---|---|---|---|"]
    for entry in all_entries():
        megabytes = "in the package" if entry.packaged else _megabytes(entry.download_size)
        rows.append(f"| `{entry.name}` | {entry.task} | {entry.license} | {megabytes} | {entry.metric} |")
    return "\n".join(rows)


def commands() -> str:
    """The help of every command, sub-commands included."""
    root = typer.main.get_command(app)
    return "\n\n".join(
        f"## {name}\n\n```text\n{command.get_help(context)}\n```"
        for name, command, context in _walk(root, click.Context(root, info_name="maskweave"))
    )


def _walk(
    command: click.Command, context: click.Context
) -> Iterator[tuple[str, click.Command, click.Context]]:
    """Every command that does something, with its whole name."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield context.command_path, command, context
        return
    for name, each in inner.items():
        yield from _walk(each, each.context_class(each, info_name=name, parent=context))


def _megabytes(size: int | None) -> str:
    return "" if size is None else f"{size / 1e6:.0f}"


TEXTS: dict[str, Callable[[], str]] = {"models": models, "commands": commands, "formats": markdown_table}

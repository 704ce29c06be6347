"""The table of formats as people read it."""

from __future__ import annotations

from maskweave.formats import FORMATS
from maskweave.formats.base import FEATURES, Format


def markdown_table() -> str:
    """What the README says of each format, from the table that the program works by."""
    lines = [
        "| format | name | what lies there | read | write | what it cannot hold |",
        "|---|---|---|---|---|---|",
    ]
    lines += [_row(each) for each in sorted(FORMATS, key=lambda each: each.title.casefold())]
    return "\n".join(lines) + "\n"


def _row(each: Format) -> str:
    lacking = [feature for feature in FEATURES if feature not in each.keeps]
    told = "; ".join(part for part in (", ".join(lacking), each.note) if part) or "holds everything"
    return f"| {each.title} | `{each.name}` | {each.layout} | {'yes' if each.read else 'no'} | yes | {told} |"

"""The tables that a run writes row by row into its folder."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path


def append_row(path: Path, row: Mapping[str, object]) -> None:
    """Add a row to a CSV file; the first one makes it, with the row's names as its head."""
    is_new = not path.is_file()
    with path.open("a", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        if is_new:
            writer.writerow(row)
        writer.writerow(row.values())

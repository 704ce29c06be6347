"""The folder of a run: its settings, its tables, and files that are whole or not there."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from maskweave.errors import MaskWeaveError
from maskweave.training.errors import CheckpointError, TrainingDataError, TrainingError

CONFIG, LAST, MODEL, LOG, VAL_LOG = "config.json", "last.pt", "model.onnx", "log.csv", "val.csv"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a name beside ``path`` to write to; the file takes the name ``path`` when the block ends well.

    It is on the disk before it gets its name, and gone where the block raises. The name beside is always the same,
    unlike that of `maskweave.files.atomic_file`: what a killed run leaves is as large as a checkpoint, and the next
    attempt writes over it.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        with partial.open("r+b") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def append_row(path: Path, row: Mapping[str, object]) -> None:
    """Add a row to a CSV file; the first one makes it, with the row's names as its head."""
    is_new = not path.is_file()
    with path.open("a", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        if is_new:
            writer.writerow(row)
        writer.writerow(row.values())


def refuse_existing_run(folder: Path) -> None:
    """Raise `TrainingDataError` where a folder holds a run already."""
    if (folder / LAST).exists():
        raise TrainingDataError(
            f"{folder}: holds a run already. Continue it with --resume, or choose another folder."
        )


def read_settings(folder: Path) -> dict[str, Any]:
    """The settings of the run in a folder, which may have been moved; `CheckpointError` where there is none."""
    if not (folder / CONFIG).is_file() or not (folder / LAST).is_file():
        raise CheckpointError(
            f"{folder}: holds no run to resume; need {CONFIG} and {LAST}, as training writes them."
        )
    return {**json.loads((folder / CONFIG).read_text(encoding="utf-8")), "output": folder}


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write values as JSON for people to read; the file appears when it is whole."""
    with whole_file(path) as partial:
        partial.write_text(json.dumps(values, indent=2), encoding="utf-8")


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Raise what the disk refuses as a `TrainingError`."""
    try:
        yield
    except OSError as error:
        if isinstance(error, MaskWeaveError):
            raise
        raise TrainingError(
            f"{folder}: a file of the run cannot be read or written ({error}). See to that, then start or --resume."
        ) from error

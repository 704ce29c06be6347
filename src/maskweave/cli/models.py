"""`maskweave models`: which there are, and what is on this machine."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from maskweave.api import Segmenter, load
from maskweave.catalogue.cache import checksum_of, folder_of, locate, verify
from maskweave.catalogue.download import pull
from maskweave.catalogue.entries import ENTRIES, Entry, find
from maskweave.cli.console import FAILED, emit, progress_bar, say
from maskweave.errors import InvalidValue, ModelError
from maskweave.models.importing import import_frozen_graph
from maskweave.models.loading import EngineOptions, open_file, recognise
from maskweave.outputs.files import atomic_file
from maskweave.runtimes.base import RuntimeInfo

_CLASSIC = "mask-rcnn-inception-v2"


@contextmanager
def loaded(name: str, **options: Any) -> Iterator[Segmenter]:
    """Load a model, with a progress bar when it has to be fetched, and close it afterwards."""
    with progress_bar(f"fetching {name}", None) as update, _warnings_as_lines():
        segmenter = load(name, progress=update, **options)
    with segmenter:
        yield segmenter


def list_all(*, json_lines: bool) -> None:
    """Print the catalogue."""
    if json_lines:
        for entry in ENTRIES:
            emit(_record(entry))
        return
    table = Table(box=None, pad_edge=False)
    for title in ("name", "task", "licence", "download", "here", "measured"):
        table.add_column(title, overflow="fold", no_wrap=title == "name")
    for entry in ENTRIES:
        name = " = ".join((entry.name, *entry.aliases))
        table.add_row(name, entry.task, entry.licence, _size(entry), model_state(entry), entry.metric)
    _print(table)


def info(name: str) -> None:
    """Print what the catalogue knows of a model, or what a file on this machine shows of itself."""
    if Path(name).is_file():
        _print_rows(_inspected(Path(name)))
        return
    entry = find(name)
    rows = {key: _shown(value) for key, value in _record(entry).items() if value not in (None, "", [])}
    rows["classes"] = _classes(entry)
    _print_rows(rows)


def pull_one(name: str) -> None:
    """Fetch one model and say where it lies."""
    entry = find(name)
    with progress_bar(f"fetching {entry.name}", entry.download_size) as update, _warnings_as_lines():
        paths = pull(entry, progress=update)
    for path in paths:
        typer.echo(str(path))


def import_one(path: Path, output: Path | None) -> None:
    """Write the ONNX model of a frozen graph, say whether the graph is the published one, and print the path."""
    published = find(_CLASSIC).files[0].checksum
    data = import_frozen_graph(path)
    target = output or path.with_suffix(".onnx")
    if target.suffix.lower() != ".onnx":
        raise InvalidValue(f"output: need a name that ends in .onnx, got {target.name}")
    with atomic_file(target, only_ours=True) as temporary:
        temporary.write_bytes(data)
    if published is not None:
        got = checksum_of(path, published.algorithm)
        same = "is" if got == published.value else "is not"
        say(f"{path.name} {same} the published graph of {_CLASSIC}: its {published.algorithm} is {got}")
    typer.echo(str(target))


def verify_all() -> int:
    """Check the hash of every file, print the outcome of each, and return the exit code."""
    reports = verify()
    for report in reports:
        detail = f" ({report.detail})" if report.detail else ""
        typer.echo(f"{report.state:<8} {report.model}: {report.path.name}{detail}")
    return 0 if all(report.state in ("ok", "unknown") for report in reports) else FAILED


def _record(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "aliases": list(entry.aliases),
        "task": entry.task,
        "family": entry.family,
        "licence": entry.licence,
        "download_bytes": None if entry.packaged else entry.download_size,
        "here": model_state(entry),
        "measured": entry.metric,
        "source": entry.source,
        "preprocessing": entry.preprocessing,
        "notes": entry.notes,
        "files": [file.name for file in entry.files],
        "urls": [url for file in entry.files for url in file.urls],
        "folder": None if entry.packaged else str(folder_of(entry)),
    }


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _classes(entry: Entry) -> str:
    if entry.class_names is not None:
        return ", ".join(entry.class_names)
    with load(entry.name, offline=True) as segmenter:
        return ", ".join(segmenter.class_names)


def model_state(entry: Entry) -> str:
    """Whether the entry's files are on this machine: "yes", "no", or "damaged"."""
    try:
        locate(entry)
    except ModelError as error:
        return "no" if type(error).__name__ == "ModelNotHere" else "damaged"
    return "yes"


def _size(entry: Entry) -> str:
    if entry.packaged:
        return "in the package"
    size = entry.download_size
    return "not published" if size is None else f"{size / 1e6:.0f} MB"


def _inspected(path: Path) -> dict[str, str]:
    runtime = open_file(path, EngineOptions())
    try:
        info = runtime.describe()
    finally:
        runtime.close()
    found = recognise(info)
    return {
        "file": str(path),
        "family": f"{found[0]}, because {found[1]}" if found else "none of those known",
        "inputs": _tensors(info, "inputs"),
        "outputs": _tensors(info, "outputs"),
        **{key: value for key, value in sorted(info.metadata.items()) if len(value) < 2000},
    }


def _tensors(info: RuntimeInfo, which: str) -> str:
    tensors = info.inputs if which == "inputs" else info.outputs
    return "; ".join(f"{each.name} {list(each.shape)} {each.dtype}" for each in tensors)


def _print_rows(rows: dict[str, str]) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for key, value in rows.items():
        table.add_row(key, value)
    _print(table)


def _print(table: Table) -> None:
    """Print to stdout; wide when it is no terminal, so that no line is folded in a file or a pipe."""
    Console(width=None if sys.stdout.isatty() else 160, markup=False).print(table)


@contextmanager
def _warnings_as_lines() -> Iterator[None]:
    """Show warnings of the catalogue as lines of ours, not as Python's."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        say(f"warning: {warning.message}")

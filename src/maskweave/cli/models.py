"""`maskweave models`: list, inspect, download and check models."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.table import Table

from maskweave.api import load
from maskweave.catalog.cache import checksum_of, folder_of, locate, verify
from maskweave.catalog.download import is_offline, pull
from maskweave.catalog.entries import all_entries, entry_named, find
from maskweave.catalog.entry import Entry
from maskweave.cli.console import FAILED, emit, inform, progress_bar
from maskweave.cli.loading import warnings_as_lines
from maskweave.errors import InvalidValue, ModelError, ModelNotDownloaded
from maskweave.files import atomic_file
from maskweave.runtimes.base import TensorSpec

if TYPE_CHECKING:
    from maskweave.models.inspection import Inspection

_CLASSIC = "mask-rcnn-inception-v2"


def list_all(*, json_lines: bool) -> None:
    """Print the catalog."""
    if json_lines:
        for entry in all_entries():
            emit(_record(entry))
        return
    table = Table(box=None, pad_edge=False)
    for title in ("name", "task", "license", "download", "here", "measured"):
        table.add_column(title, overflow="fold", no_wrap=title == "name")
    for entry in all_entries():
        name = " = ".join((entry.name, *entry.aliases))
        table.add_row(name, entry.task, entry.license, _size(entry), model_state(entry), entry.metric)
    _print(table)


def info(name: str, *, json_lines: bool) -> None:
    """Print what the catalog knows of a model, or what a file on this machine shows of itself."""
    if Path(name).is_file():
        inspect(name, json_lines=json_lines)
        return
    entry = find(name)
    if json_lines:
        emit(_record(entry))
        return
    rows = {key: _shown(value) for key, value in _record(entry).items() if value not in (None, "", [])}
    rows["classes"] = _classes(entry)
    _print_rows(rows)


def inspect(name: str, *, json_lines: bool) -> None:
    """Print how a model would be used and why; ``name``: a file, or a name of the catalog."""
    from maskweave.models.inspection import inspect_file

    path = Path(name)
    entry = None if path.is_file() else entry_named(name)
    if entry is not None:
        path = locate(entry)[0]
    with warnings_as_lines():
        found = inspect_file(path)
    record = _inspected(found)
    if json_lines:
        emit(record)
        return
    rows = {key.replace("_", " "): _shown_value(value) for key, value in record.items() if key != "metadata"}
    rows["family"] = (
        f"{found.match.family}, because {found.match.reason}" if found.match else "none of those known"
    )
    metadata = {f"metadata {key}": value[:2000] for key, value in sorted(found.info.metadata.items())}
    _print_rows({key: value for key, value in (rows | metadata).items() if value and key != "reason"})


def pull_one(name: str, *, json_lines: bool) -> None:
    """Fetch one model and print its path."""
    entry = find(name)
    if is_offline() and model_state(entry) == "no":
        files = ", ".join(file.name for file in entry.files)
        raise ModelNotDownloaded(
            f"{entry.name}: need the network, got MASKWEAVE_OFFLINE, which forbids it; unset that, or copy {files} "
            f"into {folder_of(entry)}"
        )
    with progress_bar(f"fetching {entry.name}", entry.download_size) as update, warnings_as_lines():
        paths = pull(entry, progress=update)
    _print_paths(paths, json_lines=json_lines)


def _print_paths(paths: Sequence[Path], *, json_lines: bool) -> None:
    if json_lines:
        emit({"outputs": [str(path) for path in paths]})
        return
    for path in paths:
        typer.echo(str(path))


def import_one(path: Path, output: Path | None, *, json_lines: bool) -> None:
    """Write the ONNX model of a frozen graph, say whether the graph is the published one, and print the path."""
    from maskweave.models.importing import import_frozen_graph

    published = find(_CLASSIC).files[0].checksum
    data = import_frozen_graph(path)
    target = output or path.with_suffix(".onnx")
    if target.suffix.lower() != ".onnx":
        raise InvalidValue(f"output: need a name that ends in .onnx, got {target.name}")
    with atomic_file(target, only_own=True) as temporary:
        temporary.write_bytes(data)
    if published is not None:
        got = checksum_of(path, published.algorithm)
        same = "is" if got == published.value else "is not"
        inform(f"{path.name} {same} the published graph of {_CLASSIC}: its {published.algorithm} is {got}")
    _print_paths([target], json_lines=json_lines)


def verify_all(*, json_lines: bool) -> int:
    """Check the hash of every file, print the outcome of each, and return the exit code."""
    reports = verify()
    for report in reports:
        if json_lines:
            emit(
                {
                    "model": report.model,
                    "file": str(report.path),
                    "state": report.state,
                    "detail": report.detail,
                }
            )
            continue
        detail = f" ({report.detail})" if report.detail else ""
        typer.echo(f"{report.state:<8} {report.model}: {report.path.name}{detail}")
    return 0 if all(report.state in ("ok", "unknown") for report in reports) else FAILED


def _record(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "aliases": list(entry.aliases),
        "task": entry.task,
        "family": entry.family,
        "license": entry.license,
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
        return "no" if type(error).__name__ == "ModelNotDownloaded" else "damaged"
    return "yes"


def _size(entry: Entry) -> str:
    if entry.packaged:
        return "in the package"
    size = entry.download_size
    return "size unknown" if size is None else f"{size / 1e6:.0f} MB"


def _inspected(found: Inspection) -> dict[str, Any]:
    return {
        "file": str(found.path),
        "family": None if found.match is None else found.match.family,
        "reason": None if found.match is None else found.match.reason,
        "sidecar": None if found.sidecar is None else str(found.sidecar.path),
        "inputs": [_tensor(each) for each in found.info.inputs],
        "outputs": [_tensor(each) for each in found.info.outputs],
        "class_names": list(found.class_names),
        "preprocessing": found.preprocessing,
        "default_score": found.default_score,
        "problem": found.problem,
        "metadata": dict(found.info.metadata),
    }


def _tensor(tensor: TensorSpec) -> dict[str, Any]:
    return {"name": tensor.name, "shape": list(tensor.shape), "dtype": tensor.dtype}


def _shown_value(value: Any) -> str:
    """One value of an inspection, for people."""
    if value is None:
        return ""
    if not isinstance(value, list):
        return str(value)
    if value and isinstance(value[0], dict):
        return "; ".join(f"{each['name']} {_sides(each['shape'])} {each['dtype']}" for each in value)
    return ", ".join(value)


def _sides(shape: list[int | None]) -> str:
    return f"[{', '.join('?' if side is None else str(side) for side in shape)}]"


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

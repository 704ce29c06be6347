"""Report what a command did with each input."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maskweave.cli.console import bold, counted, dim, emit, inform, on_terminal, warn
from maskweave.errors import MaskWeaveError
from maskweave.run_report import RunReport
from maskweave.sources.lazy import LazySource
from maskweave.types.counts import Counts

_MAX_CLASSES = 5
"""Classes that a line names; ``--json`` has all."""
_MIN_SHARE = 0.005
"""Of an image: classes of less are not named."""


def report_success(source: LazySource, report: RunReport, seconds: float, *, json_lines: bool) -> None:
    """A line for each warning, and one for what was done, for machines or for people."""
    for warning in report.warnings:
        warn(f"{source.name}: warning: {warning}")
    if json_lines:
        emit(_success_record(source, report, seconds) | _counts_record(report.counts))
        return
    report_found(source.name, report, seconds)
    for line in report.counts.lines if report.counts else ():
        inform(f"{source.name}: {line.line.name}: {line.forward} crossed forward, {line.backward} backward")
    for zone in report.counts.zones if report.counts else ():
        inform(f"{source.name}: {zone.zone.name}: {zone.seen} seen in it, {len(zone.inside)} at the end")


def report_found(name: str, report: RunReport, seconds: float) -> None:
    """Report what was found, how long it took and the files; on a terminal these have a line of their own."""
    found, paths = _found(report), [str(path) for path in report.paths]
    if on_terminal():
        inform(f"{bold(name)}  {found}  {dim(f'{seconds:.2f} s')}")
        inform(f"  → {_shortened(report.paths)}{_replaced(report)}")
    else:
        inform(f"{name}: {found}, {seconds:.2f} s → {', '.join(paths)}{_replaced(report)}")
    for line in _lost(report):
        inform(f"{name}: {line}")


def _found(report: RunReport) -> str:
    """How much of what: "2 objects in 1 frame (1 cat, 1 dog)", "1 track (4 masks) in 4 frames (1 cat)"."""
    frames = counted(report.frames, "frame")
    if report.objects is None:
        return frames + _in_brackets(
            f"{name} {100 * share:.0f} %" for name, share in _ordered(report.shares) if share >= _MIN_SHARE
        )
    found = counted(report.objects, "object")
    if report.tracks is not None:
        found = f"{counted(report.tracks, 'track')} ({counted(report.objects, 'mask')})"
    classes = (f"{count:,} {name}" for name, count in _ordered(report.classes))
    return f"{found} in {frames}" + _in_brackets(classes)


def _ordered(amounts: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(amounts.items(), key=lambda each: -each[1])


def _in_brackets(parts: Iterable[str]) -> str:
    """The first few parts in brackets; nothing where there are none."""
    first = list(parts)
    more = ["…"] if len(first) > _MAX_CLASSES else []
    return f" ({', '.join(first[:_MAX_CLASSES] + more)})" if first else ""


def _shortened(paths: Sequence[Path]) -> str:
    """Files of one folder and stem by what differs: "out/photo.overlay.jpg, .masks.png, .json"."""
    if not paths:
        return "nothing was written"
    first = paths[0]
    stem = first.name.partition(".")[0]
    short = [
        path.name.removeprefix(stem)
        if path.parent == first.parent and path.name.startswith(f"{stem}.")
        else str(path)
        for path in paths[1:]
    ]
    return ", ".join([str(first), *short])


def _replaced(report: RunReport) -> str:
    """Which files were those of an earlier run, perhaps of another task: " (replaced photo.overlay.jpg)"."""
    if not report.replaced:
        return ""
    every = len(report.replaced) == len(report.paths)
    return f" (replaced {'all' if every else ', '.join(path.name for path in report.replaced)})"


def _lost(report: RunReport) -> list[str]:
    """A sentence for each marked object that was out of sight."""
    return [
        f"object {number} is not seen in frame{'' if spans == [(spans[0][0],) * 2] else 's'} {_spans(spans)}"
        for number, spans in sorted(report.lost.items())
    ]


def _spans(spans: Sequence[tuple[int, int]]) -> str:
    """Frame numbers: "12, 31-45"."""
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)


@dataclass
class Totals:
    """What all inputs of a command came to; ``inputs``: how many they are."""

    inputs: int
    failed: int = 0
    classes: dict[str, int] = field(default_factory=dict)
    paths: list[Path] = field(default_factory=list)

    def add(self, report: RunReport) -> None:
        """Take in one input that was done."""
        self.paths += report.paths
        self.failed += not report.is_complete
        for name, count in report.classes.items():
            self.classes[name] = self.classes.get(name, 0) + count


def report_totals(totals: Totals, folder: Path) -> None:
    """On a terminal, a last line for several inputs: what was found in all, and where the files are."""
    if totals.inputs < 2 or not on_terminal():
        return
    found = _in_brackets(f"{count:,} {name}" for name, count in _ordered(totals.classes))
    failed = f", {totals.failed:,} failed" if totals.failed else ""
    inform(
        f"{bold(counted(totals.inputs, 'input'))}{failed}: {counted(sum(totals.classes.values()), 'object')}{found}"
    )
    inform(f"  → {folder}{os.sep}  {dim(counted(len(totals.paths), 'file'))}")


def report_failure(source: LazySource, error: MaskWeaveError, *, json_lines: bool) -> None:
    """What was wrong with an input."""
    if json_lines:
        emit({"input": source.label, "ok": False, "error": str(error), "kind": type(error).__name__})
    warn(f"failed: {error}")


def _success_record(source: LazySource, report: RunReport, seconds: float) -> dict[str, Any]:
    return {
        "input": source.label,
        "ok": True,
        "frames": report.frames,
        "objects": report.objects or 0,
        "complete": report.is_complete,
        "start_seconds": round(float(source.info.start), 6),
        "classes": report.classes,
        **(
            {"shares": {name: round(share, 6) for name, share in report.shares.items()}}
            if report.shares
            else {}
        ),
        **({"lost": {str(number): spans for number, spans in report.lost.items()}} if report.lost else {}),
        **({} if report.tracks is None else {"tracks": report.tracks}),
        "seconds": round(seconds, 3),
        "outputs": [str(path) for path in report.paths],
        "replaced": [str(path) for path in report.replaced],
        "warnings": report.warnings,
    }


def _counts_record(counts: Counts | None) -> dict[str, Any]:
    """What lines and zones counted; nothing where there are none."""
    if counts is None:
        return {}
    lines = {each.line.name: {"forward": each.forward, "backward": each.backward} for each in counts.lines}
    zones = {each.zone.name: {"inside": len(each.inside), "seen": each.seen} for each in counts.zones}
    return {"lines": lines, "zones": zones}

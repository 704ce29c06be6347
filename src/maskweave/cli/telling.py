"""What a command tells of one input that it finished."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from maskweave.cli.console import say
from maskweave.pipeline import Report
from maskweave.sources.lazy import LazySource
from maskweave.types.frame import Frame


def advance(update: Callable[[int, int | None], None], total: int | None) -> Callable[[Frame], None]:
    """What moves a progress bar on after each frame."""

    def moved(frame: Frame) -> None:
        update(frame.index + 1, total)

    return moved


def tell_warnings(source: LazySource, report: Report) -> None:
    """A line for each warning."""
    for warning in report.warnings:
        say(f"{source.name}: warning: {warning}")


def success_record(source: LazySource, report: Report, seconds: float) -> dict[str, Any]:
    """The line for machines."""
    return {
        "input": source.label,
        "ok": True,
        "frames": report.frames,
        "objects": report.objects,
        "seconds": round(seconds, 3),
        "outputs": [str(path) for path in report.paths],
        "warnings": report.warnings,
    }


def success_line(source: LazySource, found: str, report: Report, seconds: float) -> str:
    """The line for people; ``found``: how much of what."""
    return f"{source.name}: {found}, {seconds:.2f} s → {', '.join(str(path) for path in report.paths)}"

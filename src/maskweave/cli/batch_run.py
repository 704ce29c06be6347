"""Run `maskweave batch`, and show how far a job is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from maskweave.batch.executor import ExecutorConfig
from maskweave.batch.folder import record_path
from maskweave.batch.items import Item, Outcome
from maskweave.batch.job import BatchJob
from maskweave.batch.manifest import ItemCounts, Manifest
from maskweave.batch.run import Summary, run_batch, stored_job
from maskweave.batch.watch import watch_folders
from maskweave.cli.console import FAILED, counted, emit, inform, progress_bar, warn
from maskweave.cli.loading import loaded
from maskweave.cli.signals import until_signal
from maskweave.errors import InvalidValue

_SHOWN = 20
"""Failures that --status names; --json has all."""


def require_one(inputs: Sequence[str] | None, status: str | None, retry: str | None) -> None:
    """Raise `InvalidValue` unless just one of the three is given."""
    if sum(each is not None for each in (inputs or None, status, retry)) != 1:
        raise InvalidValue(
            "batch: need inputs, or --status FOLDER, or --retry-failed FOLDER; just one of them"
        )


def run(job: BatchJob | None, config: ExecutorConfig, *, retry: str | None, json_lines: bool) -> int:
    """Do the job, or what failed of an earlier one (``retry``: its folder), and return the exit code."""
    job = stored_job(retry, retry=True) if job is None and retry is not None else job
    if job is None:
        raise InvalidValue("batch: need inputs or a folder to retry, got neither")
    started = time.perf_counter()
    reported: set[str] = set()
    with loaded(job.request.model) as model, progress_bar("batch", None) as update:

        def report(outcome: Outcome, counts: ItemCounts) -> None:
            _report(outcome)
            reported.add(outcome.name)
            update(counts.done + counts.failed, counts.total)

        summary = run_batch(job, config, model=model, on_outcome=report)
    if not json_lines:
        _report_failed_before(job.anchored(), reported)
    _report_end(job.anchored(), summary, time.perf_counter() - started, json_lines=json_lines)
    return FAILED if summary.counts.failed or summary.counts.incomplete else 0


def run_watching(job: BatchJob, config: ExecutorConfig, *, json_lines: bool) -> int:
    """Do the files that come into the job's folders until a signal to stop, and return the exit code."""
    job, failed = job.anchored(), False
    folders = ", ".join(job.inputs)
    with loaded(job.request.model) as model, until_signal() as stopped:

        def report(outcome: Outcome, counts: ItemCounts) -> None:
            nonlocal failed
            failed |= outcome.state == "failed"
            _report(outcome)
            if json_lines:
                emit(_record(Item(0, outcome.name, outcome.name), outcome, job.output))
            elif outcome.state == "done":
                inform(f"{outcome.name}: {counted(outcome.objects, 'object')}, {outcome.seconds:.2f} s")

        inform(f"watching {folders}; results go to {job.output}; Ctrl-C ends it")
        watch_folders(job, config, model=model, stopped=stopped, on_outcome=report)
    inform(f"stopped watching {folders}")
    return FAILED if failed else 0


def show_status(output: str, *, json_lines: bool) -> None:
    """Show how far the job in ``output`` is, and what failed; also while it runs."""
    stored_job(output)
    with Manifest(record_path(output), read_only=True) as manifest:
        counts, reasons = manifest.counts(), manifest.reasons()
        failures = [(item, outcome) for item, outcome in manifest.outcomes() if outcome.state == "failed"]
    if json_lines:
        emit(
            {
                "inputs": counts.total,
                **asdict(counts),
                "reasons": dict(reasons),
                "failures": [_record(item, outcome, output) for item, outcome in failures],
            }
        )
        return
    inform(f"{output}: {counted(counts.total, 'input')}: {_states(counts)}")
    for kind, count in reasons:
        inform(f"{kind}: {count:,}")
    _report_failures([outcome for _, outcome in failures])


def _report(outcome: Outcome) -> None:
    for warning in outcome.warnings:
        warn(f"{outcome.name}: warning: {warning}")
    if outcome.state == "failed":
        warn(f"failed: {outcome.error}")


def _report_failures(failures: Sequence[Outcome]) -> None:
    for outcome in failures[:_SHOWN]:
        warn(f"failed: {outcome.error}")
    if len(failures) > _SHOWN:
        inform(f"… and {len(failures) - _SHOWN:,} more; --json names all")


def _report_failed_before(job: BatchJob, reported: set[str]) -> None:
    """Name what failed before there was anything to do: inputs that are not there, and failures of an earlier run."""
    with Manifest(record_path(job.output), read_only=True) as manifest:
        outcomes = [outcome for _, outcome in manifest.outcomes()]
    _report_failures([each for each in outcomes if each.state == "failed" and each.name not in reported])


def _report_end(job: BatchJob, summary: Summary, seconds: float, *, json_lines: bool) -> None:
    if json_lines:
        with Manifest(record_path(job.output), read_only=True) as manifest:
            for item, outcome in manifest.outcomes():
                emit(_record(item, outcome, job.output))
    for note in summary.notes:
        inform(f"warning: {note}")
    counts = summary.counts
    before = f" ({summary.now:,} of them now)" if summary.now < counts.total else ""
    where = summary.coco or job.output
    inform(f"batch: {counted(counts.total, 'input')}{before}: {_states(counts)}, {seconds:.2f} s → {where}")
    if counts.failed:
        inform(f"to retry: maskweave batch --retry-failed {job.output}")


def _states(counts: ItemCounts) -> str:
    todo = f", {counts.todo:,} to do" if counts.todo else ""
    less = f" ({counts.incomplete:,} incomplete)" if counts.incomplete else ""
    return f"{counts.done:,} done{less}, {counts.failed:,} failed{todo}"


def _record(item: Item, outcome: Outcome, output: str) -> dict[str, Any]:
    """The line for machines, as `maskweave segment` writes it."""
    if outcome.state == "failed":
        return {"input": item.path, "ok": False, "error": outcome.error, "kind": outcome.kind}
    return {
        "input": item.path,
        "ok": True,
        "frames": outcome.frames,
        "objects": outcome.objects,
        "complete": outcome.is_complete,
        "seconds": round(outcome.seconds, 3),
        "outputs": [f"{output.rstrip('/')}/{name}" for name in outcome.outputs],
        "warnings": list(outcome.warnings),
    }

"""The work of `maskweave batch`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from maskweave.batch.engine import How
from maskweave.batch.folder import record_path
from maskweave.batch.items import Item, Outcome
from maskweave.batch.job import Job
from maskweave.batch.manifest import Counts, Manifest
from maskweave.batch.run import Summary, run_batch, stored_job
from maskweave.cli.console import FAILED, counted, emit, progress_bar, say
from maskweave.cli.models import loaded
from maskweave.errors import InvalidValue

_SHOWN = 20
"""Failures that --status names; --json has all."""


def one_of(inputs: Sequence[str] | None, status: str | None, retry: str | None) -> None:
    """Raise `InvalidValue` unless just one of the three is given."""
    if sum(each is not None for each in (inputs or None, status, retry)) != 1:
        raise InvalidValue(
            "batch: need inputs, or --status FOLDER, or --retry-failed FOLDER; just one of them"
        )


def run(job: Job, how: How, *, retry: str | None, json_lines: bool) -> int:
    """Do the job, or what failed of an earlier one, and return the exit code."""
    if retry is not None:
        job = stored_job(retry, retry=True)
    job.check()
    started = time.perf_counter()
    with loaded(job.model, **_options(job)) as segmenter, progress_bar("batch", None) as update:

        def tell(outcome: Outcome, counts: Counts) -> None:
            _tell(outcome)
            update(counts.done + counts.failed, counts.total)

        summary = run_batch(job, how, model=segmenter.model, tell=tell)
    _tell_end(job.anchored(), summary, time.perf_counter() - started, json_lines=json_lines)
    return FAILED if summary.counts.failed else 0


def show_status(output: str, *, json_lines: bool) -> None:
    """Tell how far the job in ``output`` is, and what failed; also while it runs."""
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
    say(f"{output}: {counted(counts.total, 'input')}: {_states(counts)}")
    for kind, count in reasons:
        say(f"{kind}: {count:,}")
    for _, outcome in failures[:_SHOWN]:
        say(f"failed: {outcome.error}")
    if len(failures) > _SHOWN:
        say(f"… and {len(failures) - _SHOWN:,} more; --json names all")


def _options(job: Job) -> dict[str, Any]:
    return {
        "device": job.device,
        "engine": job.runtime,
        "threads": 1,
        "size": job.size,
        "offline": job.offline,
    }


def _tell(outcome: Outcome) -> None:
    for warning in outcome.warnings:
        say(f"{outcome.name}: warning: {warning}")
    if outcome.state == "failed":
        say(f"failed: {outcome.error}")


def _tell_end(job: Job, summary: Summary, seconds: float, *, json_lines: bool) -> None:
    if json_lines:
        with Manifest(record_path(job.output), read_only=True) as manifest:
            for item, outcome in manifest.outcomes():
                emit(_record(item, outcome, job.output))
    counts = summary.counts
    before = f" ({summary.now:,} of them now)" if summary.now < counts.total else ""
    where = summary.coco or job.output
    say(f"batch: {counted(counts.total, 'input')}{before}: {_states(counts)}, {seconds:.2f} s → {where}")
    if counts.failed:
        say(f"again what failed: maskweave batch --retry-failed {job.output}")


def _states(counts: Counts) -> str:
    todo = f", {counts.todo:,} to do" if counts.todo else ""
    return f"{counts.done:,} done, {counts.failed:,} failed{todo}"


def _record(item: Item, outcome: Outcome, output: str) -> dict[str, Any]:
    """The line for machines, as `maskweave segment` writes it."""
    if outcome.state == "failed":
        return {"input": item.path, "ok": False, "error": outcome.error, "kind": outcome.kind}
    return {
        "input": item.path,
        "ok": True,
        "frames": outcome.frames,
        "objects": outcome.objects,
        "seconds": round(outcome.seconds, 3),
        "outputs": [f"{output.rstrip('/')}/{name}" for name in outcome.outputs],
        "warnings": list(outcome.warnings),
    }

"""Run a whole job: plan, work, write one COCO file at the end; the same command resumes it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from maskweave.batch.annotations import COCO_FILE, write_coco
from maskweave.batch.executor import ExecutorConfig
from maskweave.batch.folder import STATE, at_work, fetch_record, record_path, remove_half_done
from maskweave.batch.items import Item, Outcome
from maskweave.batch.job import BatchJob
from maskweave.batch.local import run_local
from maskweave.batch.manifest import ItemCounts, Manifest
from maskweave.batch.parts import merged_parts
from maskweave.batch.plan import Ready, plan
from maskweave.batch.prefetch import check_split, stretches
from maskweave.batch.storage import output_folder
from maskweave.errors import InvalidValue
from maskweave.files import written_by_maskweave
from maskweave.models.base import Model
from maskweave.run import check


@dataclass(frozen=True)
class Summary:
    """The end of a job: items by state, how many of them were done just now, and the COCO file if any.

    ``notes``: what was passed over where the inputs were looked for.
    """

    counts: ItemCounts
    now: int
    coco: str | None
    notes: tuple[str, ...] = ()


def run_batch(
    job: BatchJob,
    config: ExecutorConfig | None = None,
    *,
    model: Model,
    on_outcome: Callable[[Outcome, ItemCounts], None] | None = None,
    ready: Ready | None = None,
) -> Summary:
    """Do the job, or what is left of it.

    ``model``: the job's, loaded to see that it can do what is asked; it is not run. ``on_outcome`` is called with
    what came of each item and how far the job is. ``ready`` leaves files for later that are not whole.
    Raises `InvalidValue`, `ModelError` and `OutputError` for what keeps the whole job from being done; what is wrong
    with an input is a row of the manifest.
    """
    config, job = config or ExecutorConfig(), job.anchored()
    check(job.request, model)
    check_split(job, model, config.split)
    _ = job.key  # of the model as it is now
    with at_work(job.output), Manifest(record_path(job.output)) as manifest:
        remove_half_done(job.output)
        for outcome in merged_parts(job.output):
            manifest.record(outcome)
        notes = plan(job, manifest, ready)
        before = manifest.counts()
        _work(job, config, manifest, before, on_outcome)
        return Summary(manifest.counts(), before.todo, _assemble(job, manifest, model), tuple(notes))


def stored_job(output: str, *, retry: bool = False) -> BatchJob:
    """The job that was last run into ``output``; with ``retry`` its failed items are to be done again.

    Raises `InvalidValue` when there is none.
    """
    fetch_record(output)
    path = record_path(output)
    if not path.is_file():
        raise InvalidValue(f"{output}: need the output folder of a batch, found no {STATE}/{path.name} in it")
    if not retry:
        with Manifest(path, read_only=True) as manifest:
            return _job_of(manifest, output)
    with at_work(output), Manifest(path) as manifest:
        job = _job_of(manifest, output)
        manifest.retry_failed()
    return job


def _job_of(manifest: Manifest, output: str) -> BatchJob:
    if manifest.description is None:
        raise InvalidValue(f"{output}: its job was interrupted before it was planned; give its command again")
    return BatchJob.from_json(manifest.description)


def _work(
    job: BatchJob,
    config: ExecutorConfig,
    manifest: Manifest,
    before: ItemCounts,
    on_outcome: Callable[[Outcome, ItemCounts], None] | None,
) -> None:
    """Have the executor do what is to do, and write down each outcome as it comes."""
    if not before.todo:
        return
    if config.split is not None:
        with closing(_executed(job, stretches(job, manifest.todo(), config.split), config)) as looked:
            for _ in looked:  # a stretch that fails is reported by the whole video, which comes after it
                pass
    done, failed, todo = before.done, before.failed, before.todo
    with closing(_executed(job, manifest.todo(), config)) as outcomes:
        for outcome in outcomes:
            manifest.record(outcome)
            todo -= 1
            done += outcome.state == "done"
            failed += outcome.state == "failed"
            if on_outcome is not None:
                on_outcome(outcome, ItemCounts(done, failed, todo))


def _executed(job: BatchJob, items: Iterable[Item], config: ExecutorConfig) -> Generator[Outcome]:
    if config.executor == "local":
        return run_local(job, items, config)
    from maskweave.batch.cluster import run_ray

    return run_ray(job, items, config)


def _assemble(job: BatchJob, manifest: Manifest, model: Model) -> str | None:
    """Write the COCO file where one was asked for and there is an image to be in it."""
    parts = (outcome.coco for _, outcome in manifest.outcomes() if outcome.coco is not None)
    first = next(parts, None)
    if first is None:
        place = Path(job.output) / COCO_FILE
        if written_by_maskweave(place):
            place.unlink()  # of an earlier job: it would be taken for this one's
        return None
    with output_folder(job.output) as folder:
        every = chain([first], parts)
        write_coco(folder / COCO_FILE, every, class_names=model.class_names, model=model.name)
    return f"{job.output.rstrip('/')}/{COCO_FILE}"

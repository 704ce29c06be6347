"""The whole job: plan, work, one COCO file at the end; the same command goes on where it stopped."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from maskweave.batch.ahead import check_split, stretches
from maskweave.batch.annotations import COCO_FILE, write_coco
from maskweave.batch.engine import How
from maskweave.batch.folder import STATE, at_work, fetch_record, record_path, remove_half_done
from maskweave.batch.items import Item, Outcome
from maskweave.batch.job import Job
from maskweave.batch.local import run_local
from maskweave.batch.manifest import Counts, Manifest
from maskweave.batch.parts import merged_parts
from maskweave.batch.plan import plan
from maskweave.batch.storage import output_folder
from maskweave.errors import InvalidValue
from maskweave.models.base import Model
from maskweave.outputs.files import is_ours


@dataclass(frozen=True)
class Summary:
    """How a job ended: items by state, how many of them were done just now, and the COCO file if there is one."""

    counts: Counts
    now: int
    coco: str | None


def run_batch(
    job: Job,
    how: How | None = None,
    *,
    model: Model,
    tell: Callable[[Outcome, Counts], None] | None = None,
) -> Summary:
    """Do the job, or what is left of it.

    ``model``: the job's, loaded to see that it can do what is asked; it is not run. ``tell`` is called with what came
    of each item and how far the job is. Raises `InvalidValue`, `ModelError` and `OutputError` for what keeps the
    whole job from being done; what is wrong with an input is a row of the manifest.
    """
    how, job = how or How(), job.anchored()
    job.check()
    check_split(job, how.split)
    job.wish.check(model)
    _ = job.key  # of the model as it is now
    with at_work(job.output), Manifest(record_path(job.output)) as manifest:
        remove_half_done(job.output)
        for outcome in merged_parts(job.output):
            manifest.record(outcome)
        plan(job, manifest)
        before = manifest.counts()
        _work(job, how, manifest, before, tell)
        return Summary(manifest.counts(), before.todo, _assemble(job, manifest, model))


def stored_job(output: str, *, retry: bool = False) -> Job:
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


def _job_of(manifest: Manifest, output: str) -> Job:
    if manifest.description is None:
        raise InvalidValue(f"{output}: its job was interrupted before it was planned; give its command again")
    return Job.from_json(manifest.description)


def _work(
    job: Job, how: How, manifest: Manifest, before: Counts, tell: Callable[[Outcome, Counts], None] | None
) -> None:
    """Have an engine do what is to do, and write down each outcome as it comes."""
    if not before.todo:
        return
    if how.split is not None:
        with closing(_engine(job, stretches(job, manifest.todo(), how.split), how)) as looked:
            for _ in looked:  # a stretch that fails is told by the whole video, which comes after it
                pass
    done, failed, todo = before.done, before.failed, before.todo
    with closing(_engine(job, manifest.todo(), how)) as outcomes:
        for outcome in outcomes:
            manifest.record(outcome)
            todo -= 1
            done += outcome.state == "done"
            failed += outcome.state == "failed"
            if tell is not None:
                tell(outcome, Counts(done, failed, todo))


def _engine(job: Job, items: Iterable[Item], how: How) -> Generator[Outcome]:
    if how.engine == "local":
        return run_local(job, items, how)
    from maskweave.batch.cluster import run_ray

    return run_ray(job, items, how)


def _assemble(job: Job, manifest: Manifest, model: Model) -> str | None:
    """Write the COCO file where one was asked for and there is a picture to be in it."""
    parts = (outcome.coco for _, outcome in manifest.outcomes() if outcome.coco is not None)
    first = next(parts, None)
    if first is None:
        place = Path(job.output) / COCO_FILE
        if is_ours(place):
            place.unlink()  # of an earlier job: it would be taken for this one's
        return None
    with output_folder(job.output) as folder:
        every = chain([first], parts)
        write_coco(folder / COCO_FILE, every, class_names=model.class_names, model=model.name)
    return f"{job.output.rstrip('/')}/{COCO_FILE}"

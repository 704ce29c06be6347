"""The whole job: plan, work, one COCO file at the end; the same command goes on where it stopped."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from maskweave.batch.annotations import COCO_FILE, write_coco
from maskweave.batch.engine import How
from maskweave.batch.folder import at_work, record_path, remove_half_done
from maskweave.batch.items import Item, Outcome
from maskweave.batch.job import Job
from maskweave.batch.local import run_local
from maskweave.batch.manifest import Counts, Manifest
from maskweave.batch.plan import plan
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
    job.wish.check(model)
    folder = Path(job.output)
    with at_work(folder), Manifest(record_path(folder)) as manifest:
        remove_half_done(folder)
        plan(job, manifest)
        before = manifest.counts()
        _work(job, how, manifest, before, tell)
        return Summary(manifest.counts(), before.todo, _assemble(job, manifest, model))


def stored_job(folder: Path, *, retry: bool = False) -> Job:
    """The job that was last run into ``folder``; with ``retry`` its failed items are to be done again.

    Raises `InvalidValue` when there is none.
    """
    path = record_path(folder)
    if not path.is_file():
        raise InvalidValue(
            f"{folder}: need the output folder of a batch, found no {path.relative_to(folder)} in it"
        )
    if not retry:
        with Manifest(path, read_only=True) as manifest:
            return _job_of(manifest, folder)
    with at_work(folder), Manifest(path) as manifest:
        job = _job_of(manifest, folder)
        manifest.retry_failed()
    return job


def _job_of(manifest: Manifest, folder: Path) -> Job:
    if manifest.description is None:
        raise InvalidValue(f"{folder}: its job was interrupted before it was planned; give its command again")
    return Job.from_json(manifest.description)


def _work(
    job: Job, how: How, manifest: Manifest, before: Counts, tell: Callable[[Outcome, Counts], None] | None
) -> None:
    """Have an engine do what is to do, and write down each outcome as it comes."""
    if not before.todo:
        return
    paths = {}

    def items() -> Iterator[Item]:
        for item in manifest.todo():
            paths[item.name] = item.path
            yield item

    done, failed, todo = before.done, before.failed, before.todo
    with closing(_engine(job, items(), how)) as outcomes:
        for outcome in outcomes:
            path = paths.pop(outcome.name)
            manifest.record(outcome, job.item_key(outcome.name, path, outcome.content))
            done, failed, todo = (
                done + (outcome.state == "done"),
                failed + (outcome.state == "failed"),
                todo - 1,
            )
            if tell is not None:
                tell(outcome, Counts(done, failed, todo))


def _engine(job: Job, items: Iterable[Item], how: How) -> Generator[Outcome]:
    return run_local(job, items, how)


def _assemble(job: Job, manifest: Manifest, model: Model) -> str | None:
    """Write the COCO file where one was asked for and there is a picture to be in it."""
    path = Path(job.output) / COCO_FILE
    parts = (outcome.coco for _, outcome in manifest.outcomes() if outcome.coco is not None)
    first = next(parts, None)
    if first is None:
        if is_ours(path):
            path.unlink()  # of an earlier job: it would be taken for this one's
        return None
    write_coco(path, chain([first], parts), class_names=model.class_names, model=model.name)
    return str(path)

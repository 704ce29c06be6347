"""Run a job on one machine: a worker process for each core, each with its own model."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from functools import partial

from maskweave.batch.executor import ExecutorConfig
from maskweave.batch.items import Item, Outcome
from maskweave.batch.job import BatchJob
from maskweave.batch.work import fail_with, make_worker
from maskweave.errors import IsolationError, MaskWeaveError
from maskweave.isolation import ChildPool


def run_local(job: BatchJob, items: Iterable[Item], config: ExecutorConfig) -> Generator[Outcome]:
    """Yield what comes of each item, as they are done.

    An item that takes its process down, hangs, or takes too much memory fails alone. Raises what no item can be
    done without: a model that cannot be loaded, a full disk.
    """
    # drivers of other devices map far more than they use
    memory = config.memory if job.request.model.device == "cpu" else None
    pool = ChildPool(
        partial(make_worker, job), workers=config.workers_here, memory=memory, deadline=config.deadline
    )
    with pool:
        for item, came in pool.results(items):
            yield outcome_of(job, item, came)


def outcome_of(job: BatchJob, item: Item, came: Outcome | Exception) -> Outcome:
    """What a child gave for an item as its outcome; raises an error that is not the item's."""
    if isinstance(came, Outcome):
        return came
    if isinstance(came, MaskWeaveError) and not isinstance(came, IsolationError):
        raise came
    return fail_with(job, item, came)

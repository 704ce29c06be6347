"""The engine for one machine: a worker process a core, each with its own model."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from functools import partial

from maskweave.batch.engine import How
from maskweave.batch.items import Item, Outcome
from maskweave.batch.job import Job
from maskweave.batch.work import fail_with, make_worker
from maskweave.errors import IsolationError, MaskWeaveError
from maskweave.isolation import ChildPool


def run_local(job: Job, items: Iterable[Item], how: How) -> Generator[Outcome]:
    """Yield what comes of each item, as they are done.

    An item that takes its process down, hangs, or takes too much memory fails alone. Raises what no item can be
    done without: a model that cannot be loaded, a full disk.
    """
    memory = (
        how.memory if job.device == "cpu" else None
    )  # drivers of other devices map far more than they use
    pool = ChildPool(
        partial(make_worker, job), workers=how.workers_here, memory=memory, deadline=how.deadline
    )
    with pool:
        for item, came in pool.results(items):
            yield outcome_of(job, item, came)


def outcome_of(job: Job, item: Item, came: Outcome | Exception) -> Outcome:
    """What a child gave for an item as its outcome; raises an error that is not the item's."""
    if isinstance(came, Outcome):
        return came
    if isinstance(came, MaskWeaveError) and not isinstance(came, IsolationError):
        raise came
    return fail_with(job, item, came)

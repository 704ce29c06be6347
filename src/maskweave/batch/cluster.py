"""The engine for a cluster: Ray Data hands paths to actors, and gets back where their outcomes lie.

No pixels, masks or run lengths go through Ray's object store: workers read inputs and write files themselves. Each
actor holds a child process with the model, the same as a worker of one machine has, so that a decoder's crash is an
item's failure and not the actor's.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import pickle
import secrets
import signal
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

from maskweave.batch.engine import How
from maskweave.batch.items import Item, Outcome
from maskweave.batch.job import Job
from maskweave.batch.local import outcome_of
from maskweave.batch.parts import is_written, part_address, read_part, write_part
from maskweave.batch.storage import remove
from maskweave.batch.work import make_worker
from maskweave.errors import EngineError, MaskWeaveError, MissingDependency
from maskweave.isolation import Child
from maskweave.sources.kinds import kind_by_suffix

_CHUNK = 16
"""Pictures whose outcomes are written together: what a lost worker has to do again at most."""
_MOST_BLOCKS = 4000
"""Of chunks; Ray Data schedules blocks, and slows down over many more."""
_STORE_BYTES = 200_000_000
"""Ray's least object store is enough: only names go through it."""


def run_ray(job: Job, items: Iterable[Item], how: How) -> Generator[Outcome]:
    """Yield what comes of each item, as chunks of them are done.

    A worker or a node that is lost has its chunk done again by another. Raises `MissingDependency` without ray,
    `EngineError` when the cluster cannot be reached or gives up, and what `run_local` raises.
    """
    ray = _ray()
    _ = job.key  # hashed here once, not by each worker
    with _cluster(ray, how) as workers:
        chunks = [
            {"chunk": number, "items": json.dumps([asdict(item) for item in chunk])}
            for number, chunk in enumerate(_chunked(items, workers))
        ]
        results = (
            ray.data.from_items(chunks, override_num_blocks=max(1, min(len(chunks), _MOST_BLOCKS)))
            .map_batches(
                _Actor,
                fn_constructor_kwargs={"job": job, "how": how, "run": secrets.token_hex(4)},
                batch_size=1,
                compute=ray.data.ActorPoolStrategy(size=min(workers, max(1, len(chunks)))),
                num_cpus=1,
                num_gpus=0 if job.device == "cpu" else 1,
            )
            .iter_batches(batch_size=None, batch_format="numpy")
        )
        yield from _outcomes(ray, results)


class _Actor:
    """What a worker of the cluster does: chunks of items, by a child process that has the model."""

    def __init__(self, job: Job, how: How, run: str) -> None:
        self._output, self._run = job.output, run
        memory = how.memory if job.device == "cpu" else None
        self._job = job
        self._child = Child(partial(make_worker, job), memory=memory, deadline=how.deadline)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        """Do the chunks of a batch; returns where their outcomes lie, or what stops the job."""
        parts, stops = [], []
        for number, text in zip(batch["chunk"], batch["items"], strict=True):
            address = part_address(self._output, self._run, int(number))
            stop = ""
            try:
                if not is_written(address):
                    write_part(address, [self._do(Item(**values)) for values in json.loads(str(text))])
            except MaskWeaveError as error:
                stop = base64.b64encode(pickle.dumps(error)).decode()
            parts.append(address)
            stops.append(stop)
        return {"part": parts, "stop": stops}

    def _do(self, item: Item) -> Outcome:
        self._child.start()
        try:
            return outcome_of(self._job, item, self._child.call(item))
        except Exception as error:
            return outcome_of(self._job, item, error)


def _outcomes(ray: Any, results: Iterable[dict[str, Any]]) -> Iterator[Outcome]:
    """The outcomes that the parts hold; each part is removed when its outcomes were taken."""
    try:
        for batch in results:
            for part, stop in zip(batch["part"], batch["stop"], strict=True):
                if stop:
                    raise pickle.loads(base64.b64decode(str(stop)))
                yield from read_part(str(part))
                remove(str(part))
    except (ray.exceptions.RayError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise EngineError(
            f"--engine ray: the cluster gave up ({reason}); give the same command again"
        ) from error


def _chunked(items: Iterable[Item], workers: int) -> Iterator[list[Item]]:
    """Items in chunks: a video alone, pictures by `_CHUNK`, or fewer where all workers would not have some."""
    waiting = iter(items)
    few = list(islice(waiting, _CHUNK * workers * 4))
    size = max(1, min(_CHUNK, len(few) // (workers * 4)))
    chunk: list[Item] = []
    for item in chain(few, waiting):
        if kind_by_suffix(Path(item.path)) == "video":
            yield [item]
            continue
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


@contextmanager
def _cluster(ray: Any, how: How) -> Iterator[int]:
    """Be connected to the cluster, or have one on this machine; yields the number of workers to use."""
    own = not ray.is_initialized()
    if own:
        _connect(ray, how)
    try:
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        yield how.workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
    finally:
        if own:
            ray.shutdown()


def _connect(ray: Any, how: How) -> None:
    options: dict[str, Any] = {
        "include_dashboard": False,
        "log_to_driver": False,
        "logging_level": logging.ERROR,
    }
    if how.address is None:
        options |= {"num_cpus": how.workers_here, "object_store_memory": _STORE_BYTES}
    else:
        options = {"address": how.address, "log_to_driver": False, "logging_level": logging.ERROR}
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(**options)
    except Exception as error:  # a bare one where its processes are slow to start
        reason = " ".join(str(error).split())[:300]
        raise EngineError(
            f"--engine ray: cannot reach {how.address or 'a cluster on this machine'} ({reason}); check --address "
            "and the token (RAY_AUTH_TOKEN or ~/.ray/auth_token)"
        ) from error
    finally:
        signal.signal(signal.SIGTERM, before)  # ray has put its own in its place


def _ray() -> Any:
    """The package, with what must be set before it is loaded: who connects needs the cluster's token."""
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # a lost worker is made good: no news
    os.environ.setdefault("RAY_gcs_server_port_wait_time_s", "120")  # 30 are few on a busy machine
    os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's own 15 starves beside any other work
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingDependency(
            "batch: --engine ray needs the packages ray and pyarrow: pip install 'maskweave[ray]'"
        ) from error
    return ray

"""Run a job on a cluster: Ray Data hands paths to actors, and gets back where their outcomes lie.

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

from maskweave.batch.executor import ExecutorConfig
from maskweave.batch.items import Item, Outcome
from maskweave.batch.job import BatchJob
from maskweave.batch.local import outcome_of
from maskweave.batch.parts import is_written, part_address, read_part, write_part
from maskweave.batch.storage import remove
from maskweave.batch.work import make_worker
from maskweave.errors import EngineError, MaskWeaveError
from maskweave.isolation import Child
from maskweave.optional import optional
from maskweave.sources.kinds import kind_by_suffix

_CHUNK = 16
"""Images whose outcomes are written together: what a lost worker has to do again at most."""
_MAX_BLOCKS = 4000
"""Of chunks; Ray Data schedules blocks, and slows down over many more."""
_STORE_BYTES = 200_000_000
"""Ray's minimum object store is enough: only names go through it."""


def run_ray(job: BatchJob, items: Iterable[Item], config: ExecutorConfig) -> Generator[Outcome]:
    """Yield what comes of each item, as chunks of them are done.

    A worker or a node that is lost has its chunk done again by another. Raises `MissingDependency` without ray,
    `EngineError` when the cluster cannot be reached or gives up, and what `run_local` raises.
    """
    ray = _ray()
    _ = job.key  # hashed here once, not by each worker
    with _cluster(ray, config) as workers:
        chunks = [
            {"chunk": number, "items": json.dumps([asdict(item) for item in chunk])}
            for number, chunk in enumerate(chunked(items, workers))
        ]
        results = (
            ray.data.from_items(chunks, override_num_blocks=max(1, min(len(chunks), _MAX_BLOCKS)))
            .map_batches(
                _Actor,
                fn_constructor_kwargs={"job": job, "config": config, "run": secrets.token_hex(4)},
                batch_size=1,
                compute=ray.data.ActorPoolStrategy(size=min(workers, max(1, len(chunks)))),
                num_cpus=1,
                num_gpus=0 if job.request.model.device == "cpu" else 1,
            )
            .iter_batches(batch_size=None, batch_format="numpy")
        )
        yield from _outcomes(ray, results)


class _Actor:
    """What a worker of the cluster does: chunks of items, by a child process that has the model."""

    def __init__(self, job: BatchJob, config: ExecutorConfig, run: str) -> None:
        self._output, self._run = job.output, run
        memory = config.memory if job.request.model.device == "cpu" else None
        self._job = job
        self._child = Child(partial(make_worker, job), memory=memory, deadline=config.deadline)

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
            f"--executor ray: the cluster gave up ({reason}); give the same command again"
        ) from error


def chunked(items: Iterable[Item], workers: int) -> Iterator[list[Item]]:
    """Items in chunks: a video alone, images by `_CHUNK`, or fewer where all workers would not have some."""
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
def _cluster(ray: Any, config: ExecutorConfig) -> Iterator[int]:
    """Be connected to the cluster, or have one on this machine; yields the number of workers to use."""
    own = not ray.is_initialized()
    if own:
        connect(ray, config)
    try:
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        yield config.workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
    finally:
        if own:
            ray.shutdown()


def connect(ray: Any, config: ExecutorConfig) -> None:
    """Start Ray on this machine, or connect to the cluster at the address of ``config``."""
    options: dict[str, Any] = {
        "include_dashboard": False,
        "log_to_driver": False,
        "logging_level": logging.ERROR,
    }
    if config.address is None:
        options |= {"num_cpus": config.workers_here, "object_store_memory": _STORE_BYTES}
    else:
        options = {"address": config.address, "log_to_driver": False, "logging_level": logging.ERROR}
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(**options)
    except Exception as error:  # a bare one where its processes are slow to start
        reason = " ".join(str(error).split())[:300]
        raise EngineError(
            f"--executor ray: cannot reach {config.address or 'a cluster on this machine'} ({reason}); check "
            "--address and the token (RAY_AUTH_TOKEN or ~/.ray/auth_token)"
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
    with optional("batch: --executor ray", extra="ray"):
        import ray
        import ray.data
    return ray

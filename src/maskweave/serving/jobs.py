"""Video jobs: a table of them, each of which can be asked, watched and cancelled."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from maskweave.serving.problems import Problem
from maskweave.serving.workers import Message, Pool

Status: TypeAlias = Literal["queued", "running", "done", "failed", "cancelled"]

_MAX_FINISHED = 64
"""Finished jobs whose results are kept; the oldest go first."""


@dataclass(eq=False)
class VideoJob:
    """One video: what is known of it so far. ``folder`` holds its file and its results."""

    folder: Path
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    status: Status = "queued"
    frames: int = 0
    frames_total: int | None = None
    error: str | None = None
    warnings: list[str] = field(default_factory=list)
    results: dict[str, Message] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None
    _began: float | None = None
    _ended: float | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in ("done", "failed", "cancelled")

    @property
    def seconds(self) -> float:
        """Time in work."""
        if self._began is None:
            return 0.0
        return (self._ended or time.monotonic()) - self._began

    def change(self, status: Status | None = None) -> None:
        """Wake those who watch; ``status``: the new one."""
        if status is not None:
            self.status = status
            if status == "running":
                self._began = time.monotonic()
            elif self.is_over:
                self._ended = time.monotonic()
        self._changed.set()
        self._changed = asyncio.Event()

    def update(self, message: Message) -> None:
        """Take a report of its progress."""
        self.frames = message["frames"]
        self.frames_total = message["frames_total"]
        self.change()

    async def watch(self, every: float) -> AsyncIterator[bool]:
        """Yield True at each change, and False where nothing has changed for ``every`` seconds, until it is over."""
        yield True
        while not self.is_over:
            changed = self._changed
            try:
                async with asyncio.timeout(every):
                    await changed.wait()
                yield True
            except TimeoutError:
                yield False


class Jobs:
    """All jobs by their ids; finished ones are forgotten, with their files, after ``keep_seconds``.

    ``count`` is called with the number of frames that were segmented since it was called last.
    """

    def __init__(self, pool: Pool, *, keep_seconds: float, count: Callable[[int], None]) -> None:
        self._pool = pool
        self._keep_seconds = keep_seconds
        self._count = count
        self._jobs: dict[str, VideoJob] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def find(self, job_id: str) -> VideoJob:
        """The job of that id; raises a `Problem` when there is none."""
        job = self._jobs.get(job_id)
        if job is None:
            raise Problem(404, "NotFound", "job: there is none of that id; results are kept for a while only")
        return job

    def begin(self, folder: Path, work: Message) -> VideoJob:
        """Queue a video; the folder is the job's from here on. Raises a `Problem` when the queue is full."""
        with ExitStack() as stack:
            stack.enter_context(self._pool.place())
            job = VideoJob(folder)
            self._jobs[job.id] = job
            job.task = asyncio.create_task(self._run(job, work))
            place = stack.pop_all()
        job.task.add_done_callback(
            lambda task: self._end(job, task, place)
        )  # also of a task that never began
        return job

    async def remove(self, job: VideoJob) -> None:
        """Cancel a job that is not over, and forget it with its files."""
        await self._cancel(job)
        self._jobs.pop(job.id, None)
        await asyncio.to_thread(shutil.rmtree, job.folder, ignore_errors=True)

    def stop(self) -> None:
        """Cancel all jobs that are not over."""
        for job in self._jobs.values():
            if job.task is not None and not job.is_over:
                job.task.cancel()

    async def close(self) -> None:
        """Cancel all jobs and wait until their processes are gone."""
        await asyncio.gather(*(self._cancel(job) for job in list(self._jobs.values())))

    async def _cancel(self, job: VideoJob) -> None:
        if job.task is None or job.is_over:
            return
        job.task.cancel()
        await asyncio.wait([job.task])

    async def _run(self, job: VideoJob, work: Message) -> None:
        def on_message(message: Message) -> None:
            self._count(message["frames"] - job.frames)
            job.update(message)

        try:
            result = await self._pool.do(work, begun=lambda: job.change("running"), on_message=on_message)
            self._count(result["frames"] - job.frames)
            job.frames = result["frames"]
            job.warnings = result["warnings"]
            job.results = {each["name"]: each for each in result["results"]}
            job.change("done")
        except Problem as problem:
            job.error = problem.detail
            job.change("failed")
        finally:
            Path(work["file"]).unlink(missing_ok=True)

    def _end(self, job: VideoJob, task: asyncio.Task[None], place: ExitStack) -> None:
        place.close()
        if task.cancelled():
            job.change("cancelled")
        elif task.exception() is not None:
            job.error = "an unexpected error; the server's log has the details"
            job.change("failed")
        if job.status != "done":
            shutil.rmtree(job.folder, ignore_errors=True)
        finished = [each for each in self._jobs.values() if each.is_over]
        for old in finished[:-_MAX_FINISHED]:
            self._forget(old)
        asyncio.get_running_loop().call_later(self._keep_seconds, self._forget, job)

    def _forget(self, job: VideoJob) -> None:
        if self._jobs.pop(job.id, None) is not None:
            shutil.rmtree(job.folder, ignore_errors=True)

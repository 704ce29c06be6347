"""The parts of a running server: its workers, its folder, its jobs, its metrics."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from maskweave.serving.addresses import Fetcher
from maskweave.serving.jobs import Jobs
from maskweave.serving.metrics import Metrics
from maskweave.serving.model_store import ModelStore
from maskweave.serving.problems import queue_full
from maskweave.serving.sessions import Sessions
from maskweave.serving.settings import Settings
from maskweave.serving.workers import Message, Pool


@dataclass
class Service:
    """The parts that requests share.

    ``folder`` holds what requests bring and get, and is removed at the end. ``images``, ``videos`` and ``live`` are
    the processes; a video never makes an image wait. ``default`` is what `handler.RequestHandler.introduction`
    reports of the model that answers by default.
    """

    settings: Settings
    folder: Path
    images: Pool
    videos: Pool
    live: Pool
    jobs: Jobs
    sessions: Sessions
    metrics: Metrics
    default: Message = field(default_factory=dict)
    is_stopping: bool = False
    fetcher: Fetcher = field(init=False)
    models: ModelStore = field(init=False)
    _uploads: int = 0

    def __post_init__(self) -> None:
        """Make what follows from the settings."""
        self.fetcher = Fetcher(self.settings.max_upload)
        self.models = ModelStore(may_change=self.settings.change_models)

    @property
    def model(self) -> str:
        """The name of the default model."""
        return str(self.default["model"])

    @contextmanager
    def upload(self) -> Iterator[None]:
        """A place for a body on its way; raises a `Problem` when too many are."""
        if self._uploads >= self.settings.uploads:
            raise queue_full(1)
        self._uploads += 1
        try:
            yield
        finally:
            self._uploads -= 1

    def new_folder(self) -> Path:
        """An empty folder for one request, under a name of ours."""
        folder = self.folder / secrets.token_hex(16)
        folder.mkdir()
        return folder

    def stop(self) -> None:
        """Take no more work and cancel all videos; called from the signal's handler in the loop's own thread."""
        self.is_stopping = True
        self.images.close()
        self.videos.close()
        self.live.close()
        self.jobs.stop()


def remove(folder: Path) -> None:
    """Remove a folder and what is in it; one that is gone already is fine."""
    shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Service]:
    """Start the processes, and at the end stop them and remove all files; raises what `Pool.start` raises."""
    limits = asdict(settings)
    options: Message = {
        name: limits[name] for name in ("model", "memory", "max_pixels", "max_frames", "max_seconds")
    }
    async with AsyncExitStack() as stack:
        root = Path(tempfile.mkdtemp(prefix="maskweave-"))
        stack.callback(remove, root)
        folder, scratch = root / "requests", root / "scratch"
        folder.mkdir()
        scratch.mkdir()
        images = Pool(
            {**options, "threads": settings.threads, "is_patient": False},
            scratch=scratch,
            size=settings.workers,
            waiting=settings.waiting,
            seconds=settings.image_seconds,
        )
        stack.push_async_callback(images.stop)
        videos = Pool(  # as many threads as the command line has: it steps back where an image comes
            {**options, "threads": None, "is_patient": True},
            scratch=scratch,
            size=1,
            waiting=settings.waiting_videos,
            seconds=settings.video_seconds,
        )
        stack.push_async_callback(videos.stop)
        live = Pool(  # its processes begin with the first live video
            {**options, "threads": None, "is_patient": False},
            scratch=scratch,
            size=settings.live_sessions,
            waiting=0,
            seconds=settings.image_seconds,
        )
        stack.push_async_callback(live.stop)
        metrics = Metrics()
        jobs = Jobs(videos, keep_seconds=settings.keep_seconds, count=metrics.frames.inc)
        stack.push_async_callback(jobs.close)
        service = Service(settings, folder, images, videos, live, jobs, Sessions(), metrics)
        service.default = (await images.start())[0]
        yield service


async def soon(folder: Path) -> None:
    """Remove a folder without holding up the loop."""
    await asyncio.to_thread(remove, folder)

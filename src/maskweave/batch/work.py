"""A worker's part in a job, the same with every executor: read an item, segment it, write its files, report."""

from __future__ import annotations

import errno
import time
from contextlib import suppress
from pathlib import Path

from maskweave.batch.annotations import coco_part
from maskweave.batch.items import Item, Outcome, failure
from maskweave.batch.job import BatchJob
from maskweave.batch.prefetch import PrefetchedModel, prefetch_stretch, prefetched_files, remove_prefetched
from maskweave.batch.storage import content_of, is_remote, local_copy, output_folder, stamp_of
from maskweave.errors import MaskWeaveError, OutputError, SourceError
from maskweave.isolation import Heartbeat, Work, is_memory
from maskweave.models.base import Model
from maskweave.networks import open_model
from maskweave.run import formats_for, run
from maskweave.run_report import RunReport
from maskweave.sources.files import open_file
from maskweave.types.result import FrameResult

_STOPS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""Why a file cannot be written that would meet all items alike."""


def make_worker(job: BatchJob) -> Work:
    """Load the model once; for `maskweave.isolation.Child`."""
    import cv2

    cv2.setNumThreads(1)  # there is a worker for each core
    return Worker(job, open_model(job.request.model)).work


class Worker:
    """A loaded model that does one item after the other."""

    def __init__(self, job: BatchJob, model: Model) -> None:
        self._job, self._model = job, model

    def work(self, item: Item, heartbeat: Heartbeat) -> Outcome:
        """Do one item; ``heartbeat`` is called after each frame.

        An input that is at fault gives a failed outcome. Raises `OutputError` where no item could be written: the
        disk is full.
        """
        begun, stamp, content = time.perf_counter(), stamp_of(item.path), ""
        try:
            with local_copy(item.path) as path:
                content = content_of(path)
                if item.span is not None:
                    frames = prefetch_stretch(self._job, item, path, self._model, heartbeat)
                    return Outcome(item.name, "done", content, stamp, frames=frames)
                report, coco = self._segment(item, path, heartbeat)
            if stamp_of(item.path) != stamp:
                raise SourceError(f"{item.path}: changed while it was read; give the same command again")
        except MaskWeaveError as error:
            if _meets_all(error, self._job) or is_memory(error):
                raise
            key = self._job.item_key(item, content)
            return failure(item, error, key=key, content=content, stamp=stamp)
        return Outcome(
            item.name,
            "done",
            content,
            stamp,
            self._job.item_key(item, content),
            frames=report.frames,
            objects=report.objects or 0,
            seconds=time.perf_counter() - begun,
            outputs=tuple(path.as_posix() for path in report.paths),
            warnings=tuple(report.warnings),
            coco=coco,
            is_complete=report.is_complete,
        )

    def _segment(self, item: Item, path: Path, heartbeat: Heartbeat) -> tuple[RunReport, bytes | None]:
        """Write the item's files; returns its part of the COCO file as well, where it is an image."""
        job, source_options = self._job, self._job.request.source
        parts: list[bytes] = []
        with (
            open_file(
                path,
                item.name,
                max_pixels=source_options.max_pixels,
                raster_options=job.request.raster_options,
            ) as source,
            output_folder(job.output) as folder,
        ):
            info, request = source.info, job.request.changed(output=str(folder))
            prefetched = prefetched_files(job, item) if info.kind == "video" else []
            model = PrefetchedModel(self._model, prefetched) if prefetched else self._model
            formats = formats_for(request, info, model)
            is_part = info.kind == "image" and "coco" in formats

            def progress(result: FrameResult) -> None:
                heartbeat()
                if is_part:
                    parts.append(coco_part(result.frame, result.instances, item.file_name))

            report = run(
                source,
                model,
                request,
                inputs=frozenset({path.resolve()}),
                formats=[name for name in formats if not (is_part and name == "coco")],
                progress=progress,
            )
            report.paths = [path.relative_to(folder) for path in report.paths]
        if prefetched:
            remove_prefetched(job, item)
        return report, parts[0] if parts else None


def fail_with(job: BatchJob, item: Item, error: Exception) -> Outcome:
    """The outcome of an item whose worker was lost: what it would have reported of its input is reported here."""
    content = ""
    with suppress(MaskWeaveError), local_copy(item.path) as path:
        content = content_of(path)
    return failure(item, error, key=job.item_key(item, content), content=content, stamp=stamp_of(item.path))


def _meets_all(error: MaskWeaveError, job: BatchJob) -> bool:
    """Whether an output cannot be written for a reason that every other has as well."""
    cause = error.__cause__
    full = isinstance(cause, OSError) and cause.errno in _STOPS
    return isinstance(error, OutputError) and (full or is_remote(job.output))

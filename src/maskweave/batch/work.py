"""What a worker does with an item, the same on every engine: read, segment, write its files, report."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from maskweave.batch.ahead import FoundAhead, forget, found_in, look_at
from maskweave.batch.annotations import coco_part
from maskweave.batch.items import Item, Outcome, failure
from maskweave.batch.job import Job
from maskweave.batch.storage import content_of, is_remote, local_copy, output_folder, stamp_of
from maskweave.errors import MaskWeaveError, OutputError, SourceError
from maskweave.isolation import Beat, Work, is_memory
from maskweave.models.base import Model
from maskweave.outputs import choose_formats, make_writers
from maskweave.outputs.base import Target
from maskweave.pipeline import Report, segment_frames, write_results
from maskweave.sources.base import Source
from maskweave.sources.files import open_file
from maskweave.types.frame import Frame
from maskweave.types.instances import Instances
from maskweave.types.prediction import Prediction
from maskweave.video import follow_frames

_STOPS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""Why a file cannot be written that would meet all items alike."""


def make_worker(job: Job) -> Work:
    """Load the model once; for `maskweave.isolation.Child`."""
    import cv2

    cv2.setNumThreads(1)  # there is a worker for each core
    return Worker(job, job.load()).work


class Worker:
    """A loaded model that does one item after the other."""

    def __init__(self, job: Job, model: Model) -> None:
        self._job, self._model = job, model

    def work(self, item: Item, beat: Beat) -> Outcome:
        """Do one item; ``beat`` is called after each frame.

        An input that is at fault gives a failed outcome. Raises `OutputError` where no item could be written: the
        disk is full.
        """
        begun, stamp, content = time.perf_counter(), stamp_of(item.path), ""
        try:
            with local_copy(item.path) as path:
                content = content_of(path)
                if item.span is not None:
                    frames = look_at(self._job, item, path, self._model, beat)
                    return Outcome(item.name, "done", content, stamp, frames=frames)
                report, coco = self._segment(item, path, beat)
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
            objects=report.objects,
            seconds=time.perf_counter() - begun,
            outputs=tuple(path.as_posix() for path in report.paths),
            warnings=tuple(report.warnings),
            coco=coco,
        )

    def _segment(self, item: Item, path: Path, beat: Beat) -> tuple[Report, bytes | None]:
        """Write the item's files; returns its part of the COCO file as well, where it is a picture."""
        job = self._job
        with (
            open_file(path, item.name, max_pixels=job.max_pixels) as source,
            output_folder(job.output) as folder,
        ):
            info = source.info
            formats = choose_formats(job.save, kind=info.kind, task=job.task)
            target = Target(
                folder,
                info,
                job.task,
                self._model.class_names,
                model=self._model.name,
                style=job.style,
                inputs=frozenset({path.resolve()}),
                background=job.behind,
            )
            part: list[bytes] = []
            ahead = found_in(job, item) if info.kind == "video" else []
            results = self._results(source, FoundAhead(self._model, ahead) if ahead else self._model)
            if info.kind == "image" and "coco" in formats:
                results = _noted(results, part, item.file_name)
                formats = tuple(name for name in formats if name != "coco")
            report = write_results(results, writers=make_writers(formats, target), progress=lambda _: beat())
            report.warnings = source.warnings + report.warnings
            report.paths = [path.relative_to(folder) for path in report.paths]
        if ahead:
            forget(job, item)
        return report, part[0] if part else None

    def _results(self, source: Source, model: Model) -> Iterator[tuple[Frame, Prediction]]:
        job, is_video = self._job, source.info.kind != "image"
        if is_video and job.track:
            return follow_frames(source, model, job.wish, tracker=job.tracker, every=job.every)
        return segment_frames(source, model, job.wish, every=job.every if is_video else 1, overlap=is_video)


def _noted(
    results: Iterable[tuple[Frame, Prediction]], part: list[bytes], file_name: str
) -> Iterator[tuple[Frame, Prediction]]:
    """Put the picture's part of the COCO file into ``part`` as it passes."""
    for frame, prediction in results:
        if isinstance(prediction, Instances):
            part.append(coco_part(frame, prediction, file_name))
        yield frame, prediction


def fail_with(job: Job, item: Item, error: Exception) -> Outcome:
    """The outcome of an item whose worker was lost: what it would have said of its input is said here."""
    content = ""
    with suppress(MaskWeaveError), local_copy(item.path) as path:
        content = content_of(path)
    return failure(item, error, key=job.item_key(item, content), content=content, stamp=stamp_of(item.path))


def _meets_all(error: MaskWeaveError, job: Job) -> bool:
    """Whether an output cannot be written for a reason that every other has as well."""
    cause = error.__cause__
    full = isinstance(cause, OSError) and cause.errno in _STOPS
    return isinstance(error, OutputError) and (full or is_remote(job.output))

"""`maskweave segment`: every input in turn; one that fails does not stop the others."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from maskweave.cli.console import FAILED, counted, emit, progress_bar, say
from maskweave.cli.models import loaded
from maskweave.errors import InvalidValue, MaskWeaveError
from maskweave.models.base import Model
from maskweave.outputs import choose_formats, open_writers
from maskweave.outputs.base import Target, Task
from maskweave.outputs.overlay import OverlayStyle, draw_overlay
from maskweave.outputs.pictures import encode_picture
from maskweave.pipeline import Report, Wish, run, segment_frames
from maskweave.sources.find import LazySource, find_sources
from maskweave.tracking import OverlapTracker
from maskweave.types.frame import Frame


@dataclass(frozen=True)
class Job:
    """The options of one call of the command; see its help."""

    inputs: list[str]
    output: Path
    task: Task
    save: tuple[str, ...] | None
    score: float | None
    classes: tuple[str, ...]
    recursive: bool
    as_video: bool
    track: bool
    frames: int | None
    max_pixels: int
    opacity: float
    colour_by: Literal["instance", "class"]
    json_lines: bool
    debug: bool

    @property
    def wish(self) -> Wish:
        """What is asked of the model."""
        return Wish(self.task, self.score, self.classes)

    @property
    def style(self) -> OverlayStyle:
        """How overlays look."""
        return OverlayStyle(opacity=self.opacity, colour_by=self.colour_by)


def segment_inputs(job: Job, model_name: str, model_options: dict[str, Any]) -> int:
    """Do the whole job and return the exit code."""
    choose_formats(job.save, kind="image", task=job.task)  # a wrong call is told before anything is loaded
    style = job.style
    with loaded(model_name, **model_options) as segmenter:
        job.wish.check(segmenter.model)
        if job.inputs == ["-"] and not sys.stdout.isatty() and not job.json_lines:
            return _from_stdin_to_stdout(job, segmenter.model, style)
        failed = 0
        sources = find_sources(
            _joined_camera(job.inputs),
            recursive=job.recursive,
            max_pixels=job.max_pixels,
            as_video=job.as_video,
        )
        for source in sources:
            failed += not _segment_one(job, source, segmenter.model, style)
    return FAILED if failed else 0


def _joined_camera(inputs: list[str]) -> list[str]:
    """Read the two words ``camera 0`` as ``camera:0``."""
    joined: list[str] = []
    for text in inputs:
        if joined and joined[-1] == "camera" and text.isdigit():
            joined[-1] = f"camera:{text}"
        else:
            joined.append(text)
    return joined


def _segment_one(job: Job, source: LazySource, model: Model, style: OverlayStyle) -> bool:
    """Segment one source and tell what came of it; False when it failed."""
    started = time.perf_counter()
    try:
        with source:
            report = _write_results(job, source, model, style)
    except InvalidValue:
        raise
    except MaskWeaveError as error:
        if job.debug:
            raise
        _tell_failure(job, source, error)
        return False
    _tell_success(job, source, report, time.perf_counter() - started)
    return True


def _write_results(job: Job, source: LazySource, model: Model, style: OverlayStyle) -> Report:
    info = source.info
    names = choose_formats(job.save, kind=info.kind, task=job.task)
    target = Target(job.output, info, job.task, model.class_names, model=model.name, style=style)
    tracker = OverlapTracker() if job.track and info.kind != "image" else None
    total = info.frame_count or (1 if info.kind == "image" else None)
    with progress_bar(info.name, total) as update:

        def progress(frame: Frame) -> None:
            update(frame.index + 1, total)

        report = run(
            islice(source, job.frames),
            model,
            job.wish,
            tracker=tracker,
            writers=open_writers(names, target),
            progress=progress,
        )
    report.warnings = list(source.warnings) + report.warnings
    return report


def _from_stdin_to_stdout(job: Job, model: Model, style: OverlayStyle) -> int:
    """The image on stdin, its overlay as PNG on stdout: for pipes."""
    (source,) = find_sources(["-"], max_pixels=job.max_pixels)
    with source:
        for frame, prediction in segment_frames(source, model, job.wish):
            sys.stdout.buffer.write(encode_picture(draw_overlay(frame.image, prediction, style), ".png"))
            sys.stdout.buffer.flush()
    return 0


def _tell_success(job: Job, source: LazySource, report: Report, seconds: float) -> None:
    for warning in report.warnings:
        say(f"{source.info.name}: warning: {warning}")
    paths = [str(path) for path in report.paths]
    if job.json_lines:
        emit(
            {
                "input": source.label,
                "ok": True,
                "frames": report.frames,
                "objects": report.objects,
                "seconds": round(seconds, 3),
                "outputs": paths,
                "warnings": report.warnings,
            }
        )
        return
    found = counted(report.frames, "frame")
    if job.task == "instances":
        found = f"{counted(report.objects, 'object')} in {found}"
    say(f"{source.info.name}: {found}, {seconds:.2f} s → {', '.join(paths)}")


def _tell_failure(job: Job, source: LazySource, error: MaskWeaveError) -> None:
    if job.json_lines:
        emit({"input": source.label, "ok": False, "error": str(error), "kind": type(error).__name__})
    say(f"failed: {error}")

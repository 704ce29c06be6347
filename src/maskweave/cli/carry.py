"""The work of `maskweave propagate`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from maskweave.cli.console import counted, emit, progress_bar, say
from maskweave.cli.marks import parse_boxes, parse_points
from maskweave.cli.stopping import until_stopped
from maskweave.cli.telling import advance, success_line, success_record, tell_warnings
from maskweave.errors import InvalidValue
from maskweave.evaluation.davis_folders import read_id_map
from maskweave.features import feature_network
from maskweave.models.base import Model
from maskweave.models.loading import EngineOptions
from maskweave.ops.prompts import OBJECT_NAMES
from maskweave.outputs import choose_formats, make_writers, one_picture_a_frame
from maskweave.outputs.base import Target
from maskweave.pipeline import Report, write_results
from maskweave.propagation import propagate_frames
from maskweave.sources.find import find_sources
from maskweave.sources.lazy import LazySource
from maskweave.types.prompt import Prompt


@dataclass(frozen=True)
class Job:
    """The options of one call of the command; see its help."""

    source: str
    mask: Path | None
    boxes: tuple[str, ...]
    points: tuple[str, ...]
    frame: int
    output: Path
    save: tuple[str, ...]
    as_video: bool
    fps: float
    threads: int | None
    json_lines: bool

    @property
    def prompt(self) -> Prompt:
        """What is marked; raises `InvalidValue` for a malformed box or point, `SourceError` for the mask."""
        return Prompt(
            self.frame,
            None if self.mask is None else read_id_map(self.mask),
            parse_boxes(self.boxes),
            parse_points(self.points),
        )


def propagate_input(job: Job) -> None:
    """Do the whole job."""
    choose_formats(job.save, kind="video", task="instances")  # wrong calls are told before anything is loaded
    prompt = job.prompt
    source = _only_video(job)
    started = time.perf_counter()
    network = feature_network(options=EngineOptions(threads=job.threads))
    try:
        with source:
            report = _write(job, source, prompt, network)
    finally:
        network.close()
    _tell(job, source, report, time.perf_counter() - started)


def _only_video(job: Job) -> LazySource:
    sources = find_sources([job.source], as_video=job.as_video, rate=job.fps)
    if len(sources) != 1 or sources[0].info.kind == "image":
        raise InvalidValue(f"{job.source}: need one video, or a folder of frames with --as-video")
    return sources[0]


def _write(job: Job, source: LazySource, prompt: Prompt, network: Model) -> Report:
    info = source.info
    inputs = [path for path in (source.path, job.mask) if path is not None]
    target = Target(
        job.output,
        info,
        "instances",
        OBJECT_NAMES,
        model=network.name,
        inputs=frozenset(path.resolve() for path in inputs),
        flat=one_picture_a_frame(job.save),
    )
    writers = make_writers(job.save, target)
    with progress_bar(info.name, info.frame_count) as update, until_stopped(source):
        results = propagate_frames(source, prompt, network)
        report = write_results(results, writers=writers, progress=advance(update, info.frame_count))
    report.warnings = list(source.warnings) + report.warnings
    return report


def _tell(job: Job, source: LazySource, report: Report, seconds: float) -> None:
    tell_warnings(source, report)
    if job.json_lines:
        emit(success_record(source, report, seconds))
        return
    say(success_line(source, counted(report.frames, "frame"), report, seconds))

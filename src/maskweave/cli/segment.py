"""`maskweave segment`: every input in turn; one that fails does not stop the others."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Literal

from maskweave.cli.console import FAILED, counted, emit, progress_bar, say
from maskweave.cli.marks import parse_boxes, parse_points
from maskweave.cli.models import loaded
from maskweave.cli.stopping import until_stopped
from maskweave.cli.telling import advance, success_line, success_record, tell_warnings
from maskweave.cores import cores
from maskweave.errors import InvalidValue, MaskWeaveError
from maskweave.models.base import Model
from maskweave.models.tiling import OVERLAP
from maskweave.ops.matting import check_matting
from maskweave.ops.prompts import OBJECT_NAMES
from maskweave.ops.tile_grid import check_tiling
from maskweave.outputs import check_formats, choose_formats, is_output, make_writers, one_picture_a_frame
from maskweave.outputs.background import TRANSPARENT, Background, parse_background
from maskweave.outputs.base import Target
from maskweave.outputs.overlay import OverlayStyle, draw_overlay
from maskweave.outputs.pictures import encode_picture
from maskweave.pipeline import Report, Wish, prompted_frames, segment_frames, write_results
from maskweave.sources.ahead import done_ahead
from maskweave.sources.base import RECONNECT
from maskweave.sources.files import real_path
from maskweave.sources.find import find_sources
from maskweave.sources.lazy import LazySource
from maskweave.sources.reading import Reading
from maskweave.tracking.counting import Counter, parse_line, parse_zone
from maskweave.types.counts import Counts
from maskweave.types.frame import Frame, SourceInfo
from maskweave.types.prediction import Prediction, Task
from maskweave.types.prompt import Prompt
from maskweave.video import check_tracker, follow_frames

_OUTPUT = Path("maskweave-out")


@dataclass(frozen=True)
class Job:
    """The options of one call of the command; see its help."""

    inputs: list[str]
    output: Path | None
    task: Task
    save: tuple[str, ...] | None
    score: float | None
    classes: tuple[str, ...]
    recursive: bool
    as_video: bool
    fps: float
    track: bool
    every: int
    tracker: str
    frames: int | None
    seconds: float | None
    max_pixels: int
    opacity: float
    colour_by: Literal["instance", "class"]
    json_lines: bool
    debug: bool
    reconnect: float = RECONNECT
    trail: float = 0.0
    background: str | None = None
    refine_edges: bool = False
    boxes: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    tile: int | None = None
    overlap: float = OVERLAP
    bands: str | None = None
    stretch: str | None = None
    window: str | None = None
    geojson_crs: Literal["wgs84", "source"] = "wgs84"

    @property
    def wish(self) -> Wish:
        """What is asked of the model."""
        return Wish(self.task, self.score, self.classes)

    @property
    def style(self) -> OverlayStyle:
        """How overlays look."""
        return OverlayStyle(opacity=self.opacity, colour_by=self.colour_by, trail=self.trail)

    @property
    def reading(self) -> Reading:
        """How rasters and DICOM are read."""
        return Reading.parse(
            bands=self.bands, stretch=self.stretch, window=self.window, tiles=self.tile is not None
        )

    @property
    def behind(self) -> Background:
        """What lies behind cut-outs."""
        return TRANSPARENT if self.background is None else parse_background(self.background)

    @property
    def prompt(self) -> Prompt | None:
        """What is pointed at in the pictures, or None where nothing is; raises `InvalidValue` for malformed marks."""
        if not self.boxes and not self.points:
            return None
        return Prompt(boxes=parse_boxes(self.boxes), points=parse_points(self.points))

    def counter(self, kind: str) -> Counter | None:
        """A new counter for one source, or None where nothing is to be counted."""
        if not self.lines and not self.zones:
            return None
        if kind == "image":
            raise InvalidValue(
                "--line and --zone: need a video, got a picture; a folder is one with --as-video"
            )
        return Counter(
            [parse_line(text, number=number) for number, text in enumerate(self.lines, start=1)],
            [parse_zone(text, number=number) for number, text in enumerate(self.zones, start=1)],
        )

    def check(self) -> None:
        """Raise `InvalidValue` for a wrong call, before anything is loaded."""
        check_formats(self.save, task=self.task)
        _ = self.wish, self.style, self.behind, self.reading
        if self.tile is not None:
            check_tiling(self.tile, self.overlap)
        check_tracker(self.tracker, self.task, track=self.track)
        if self.background is not None and "cutout" not in (self.save or ()):
            raise InvalidValue("--background: is for cut-outs; add --save cutout")
        if self.refine_edges:
            if "cutout" not in (self.save or ()):
                raise InvalidValue("--refine-edges: is for cut-outs; add --save cutout")
            check_matting()
        if self.prompt is not None and (self.classes or self.score is not None):
            raise InvalidValue("--box and --point: say what is meant; leave --classes and --score out")
        if self.counter("video") is None:
            return
        if self.task != "instances":
            raise InvalidValue(
                f"--line and --zone: need --task instances, got {self.task}: they count objects"
            )
        if not self.track:
            raise InvalidValue("--line and --zone: need tracking, got --no-track: they count ids")

    @property
    def folder(self) -> Path:
        """Where results go."""
        return self.output or _OUTPUT

    @property
    def is_pipe(self) -> bool:
        """Whether a picture on stdin is to become an overlay on stdout."""
        chosen = self.output is not None or self.save is not None or self.json_lines
        return self.inputs == ["-"] and not chosen and not sys.stdout.isatty()


def segment_inputs(job: Job, model_name: str, model_options: dict[str, Any]) -> int:
    """Do the whole job and return the exit code."""
    job.check()
    with loaded(model_name, **model_options) as segmenter:
        if job.prompt is None:
            job.wish.check(segmenter.model)
        if job.is_pipe:
            return _from_stdin_to_stdout(job, segmenter.model)
        sources = _sources(job, job.inputs)
        inputs = frozenset(real_path(source.path) for source in sources if source.path is not None)
        one = partial(_segment_one, job, model=segmenter.model, inputs=inputs)
        failed = sum(not _tell(job, outcome) for outcome in _outcomes(sources, one, several=job.tile is None))
    return FAILED if failed else 0


def _sources(job: Job, inputs: Sequence[str]) -> list[LazySource]:
    """The inputs, less what earlier runs wrote."""
    results = job.folder.resolve()
    roots = [real_path(Path(text)) for text in inputs]
    apart = not any(results == root or results in root.parents for root in roots)

    def ignore(path: Path) -> bool:
        return is_output(path) or (apart and results in real_path(path).parents)

    return find_sources(
        _joined_camera(inputs),
        recursive=job.recursive,
        max_pixels=job.max_pixels,
        as_video=job.as_video,
        rate=job.fps,
        reconnect=job.reconnect,
        ignore=ignore,
        reading=job.reading,
    )


def _joined_camera(inputs: Sequence[str]) -> list[str]:
    """Read the two words ``camera 0`` as ``camera:0``."""
    joined: list[str] = []
    for text in inputs:
        if joined and joined[-1] == "camera" and text.isdigit():
            joined[-1] = f"camera:{text}"
        else:
            joined.append(text)
    return joined


def _outcomes(
    sources: Iterable[LazySource], one: Callable[[LazySource], _Outcome], *, several: bool
) -> Iterator[_Outcome]:
    """What comes of each source, in order; of pictures ``several`` are at work where they are small.

    A video keeps all cores busy itself, and signals to stop are heard in the main thread only.
    """
    for kind, group in groupby(sources, key=lambda source: source.kind):
        alike = list(group)
        yield from (
            done_ahead(alike, one, workers=_at_work()) if several and kind == "image" else map(one, alike)
        )


def _at_work() -> int:
    """Pictures at work: one is read while the network looks at others; each is held whole."""
    return min(max(2, cores()), 4)


@dataclass(frozen=True)
class _Outcome:
    """What came of one source."""

    source: LazySource
    came: Report | MaskWeaveError
    seconds: float


def _segment_one(job: Job, source: LazySource, *, model: Model, inputs: frozenset[Path]) -> _Outcome:
    """Segment one source; an input that is at fault does not stop the others."""
    started = time.perf_counter()
    came: Report | MaskWeaveError
    try:
        with source:
            came = _write_results(job, source, model, inputs)
    except MaskWeaveError as error:
        if job.debug:
            raise
        came = error
    return _Outcome(source, came, time.perf_counter() - started)


def _tell(job: Job, outcome: _Outcome) -> bool:
    """Tell what came of one source; False when it failed."""
    if isinstance(outcome.came, MaskWeaveError):
        _tell_failure(job, outcome.source, outcome.came)
        return False
    _tell_success(job, outcome.source, outcome.came, outcome.seconds)
    return True


def _write_results(job: Job, source: LazySource, model: Model, inputs: frozenset[Path]) -> Report:
    info = source.info
    formats = choose_formats(job.save, kind=info.kind, task=job.task)
    target = Target(
        job.folder,
        info,
        job.task,
        model.class_names if job.prompt is None else OBJECT_NAMES,
        model=model.name,
        style=job.style,
        inputs=inputs,
        background=job.behind,
        geojson_crs=job.geojson_crs,
        refine_edges=job.refine_edges,
        flat=len(job.inputs) == 1 and one_picture_a_frame(formats),
    )
    counter = job.counter(info.kind)
    total = info.frame_count
    bar = nullcontext(_no_bar) if info.kind == "image" else progress_bar(info.name, total)
    with bar as update, until_stopped(source):
        chosen = _limited(source, job)
        report = Report()
        results: Iterable[tuple[Frame, Prediction]]
        if job.prompt is not None:
            results = prompted_frames(
                chosen, model, _only_for_pictures(job.prompt, info), job.task, clock=report.clock
            )
        elif job.track and info.kind != "image":
            results = follow_frames(
                chosen,
                model,
                job.wish,
                tracker=job.tracker,
                counter=counter,
                every=job.every,
                clock=report.clock,
            )
        else:
            results = segment_frames(
                chosen,
                model,
                job.wish,
                clock=report.clock,
                every=1 if info.kind == "image" else job.every,
                overlap=info.kind != "image",
            )
        write_results(
            results,
            report=report,
            writers=make_writers(formats, target),
            progress=advance(update, total),
        )
    report.warnings = list(source.warnings) + report.warnings
    return report


def _only_for_pictures(prompt: Prompt, info: SourceInfo) -> Prompt:
    if info.kind != "image":
        raise InvalidValue(
            f"{info.name}: --box and --point are for pictures; for a video use maskweave propagate"
        )
    return prompt


def _no_bar(done: int, total: int | None) -> None:
    """A picture is done before a bar could move, and several are at work at a time."""


def _limited(frames: Iterable[Frame], job: Job) -> Iterator[Frame]:
    """The first ``--frames`` frames, or those of the first ``--seconds`` seconds."""
    limit = None if job.seconds is None else Fraction(str(job.seconds))
    begin = None
    for frame in islice(frames, job.frames):
        begin = frame.time if begin is None else begin
        if limit is not None and frame.time - begin >= limit:
            return
        yield frame


def _from_stdin_to_stdout(job: Job, model: Model) -> int:
    """The image on stdin, its overlay as PNG on stdout: for pipes."""
    job.counter("image")
    (source,) = _sources(job, ["-"])
    with source:
        results: Iterable[tuple[Frame, Prediction]] = (
            segment_frames(source, model, job.wish)
            if job.prompt is None
            else prompted_frames(source, model, job.prompt, job.task)
        )
        for frame, prediction in results:
            sys.stdout.buffer.write(encode_picture(draw_overlay(frame.image, prediction, job.style), ".png"))
            sys.stdout.buffer.flush()
    return 0


def _tell_success(job: Job, source: LazySource, report: Report, seconds: float) -> None:
    tell_warnings(source, report)
    if job.json_lines:
        emit(success_record(source, report, seconds) | _counts_record(report.counts))
        return
    found = counted(report.frames, "frame")
    if job.task == "instances":
        found = f"{counted(report.objects, 'object')} in {found}"
    say(success_line(source, found, report, seconds))
    for line in report.counts.lines if report.counts else ():
        say(f"{source.name}: {line.line.name}: {line.forward} crossed forward, {line.backward} backward")
    for zone in report.counts.zones if report.counts else ():
        say(f"{source.name}: {zone.zone.name}: {zone.seen} seen in it, {len(zone.inside)} at the end")


def _counts_record(counts: Counts | None) -> dict[str, Any]:
    """What lines and zones counted, for machines; nothing where there are none."""
    if counts is None:
        return {}
    lines = {each.line.name: {"forward": each.forward, "backward": each.backward} for each in counts.lines}
    zones = {each.zone.name: {"inside": len(each.inside), "seen": each.seen} for each in counts.zones}
    return {"lines": lines, "zones": zones}


def _tell_failure(job: Job, source: LazySource, error: MaskWeaveError) -> None:
    if job.json_lines:
        emit({"input": source.label, "ok": False, "error": str(error), "kind": type(error).__name__})
    say(f"failed: {error}")

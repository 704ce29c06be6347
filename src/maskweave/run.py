"""The run: a source, a model and a request give results, and results give files.

The one place that tells an image, a video, a prompt and a propagation apart. Python, the command line, HTTP and
batches all come through here with the same `Request`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from maskweave.errors import InvalidValue
from maskweave.models.base import Model
from maskweave.networks import features_for
from maskweave.options import DEFAULT_TRACKER, ModelOptions, Request, VideoOptions
from maskweave.run_report import RunReport
from maskweave.sources.base import Source, is_incomplete
from maskweave.stages import StageClock, as_task, check_model, segment_frames, task_of
from maskweave.types.arrays import Size
from maskweave.types.frame import SourceInfo
from maskweave.types.prediction import Task
from maskweave.types.result import FrameResult

if TYPE_CHECKING:
    from maskweave.outputs.base import Target, Writer
    from maskweave.sources.lazy import LazySource
    from maskweave.types.frame import Frame
    from maskweave.types.prompt import Prompt
    from maskweave.video.counting import Counter
    from maskweave.video.tracking.base import Tracker

OnResult: TypeAlias = Callable[[FrameResult], None]
"""Called after each frame, with its result."""


def find_inputs(inputs: Sequence[str | Path], request: Request) -> list[LazySource]:
    """Find the inputs, without what earlier runs wrote."""
    from maskweave.outputs import is_output
    from maskweave.sources.files import real_path
    from maskweave.sources.find import find_sources

    output = request.output.folder.resolve()
    roots = [real_path(Path(text)) for text in inputs]
    is_apart = not any(output == root or output in root.parents for root in roots)

    def ignore(path: Path) -> bool:
        return is_output(path) or (is_apart and output in real_path(path).parents)

    options = request.source
    return find_sources(
        inputs,
        recursive=options.recursive,
        max_pixels=options.max_pixels,
        as_video=options.as_video,
        rate=options.fps,
        reconnect=options.reconnect,
        ignore=ignore,
        raster_options=request.raster_options,
    )


def check(request: Request, model: Model) -> None:
    """Raise `InvalidValue` when ``model`` cannot do what is asked, before anything is read."""
    if request.prompt.prompt is None:
        check_model(request.segment, model, every=request.video.every)
    task = task_for(request, model)
    if request.video.counts and task != "instances":
        raise InvalidValue(
            f"--line and --zone: need a model of instances, got {model.name}, which gives {task} maps"
        )


def stream(
    source: Source, model: Model, request: Request, *, clock: StageClock | None = None
) -> Generator[FrameResult]:
    """Yield the result of each frame of an opened source, in order; one is held at a time.

    Close the generator before the source. Raises `InvalidValue` at once for what model or source cannot do.
    """
    check(request, model)
    info = source.info
    if info.kind == "image" and request.video.counts:
        raise InvalidValue("--line and --zone: need a video, got an image; a folder is one with --as-video")
    frames, limits = source, (request.source.frames, request.source.seconds)
    if limits != (None, None):
        from maskweave.sources.filtered import limited

        frames = limited(source, *limits)
    clock = clock or StageClock()
    prompt = request.prompt.prompt
    if prompt is not None:
        results = _prompted(frames, model, request, prompt, clock)
    elif info.kind == "image":
        results = segment_frames(frames, model, request.segment, clock=clock)
    else:
        results = _video(frames, model, request, clock)
    return _counted(results, request) if request.video.counts else results


def _video(frames: Source, model: Model, request: Request, clock: StageClock) -> Generator[FrameResult]:
    """A video without a prompt. Motion is seen from each frame to the next, so ``every`` leaves it out."""
    options, video = request.segment, request.video
    moving = task_of(options, model) == "foreground" and model.task == "instances" and video.track
    if moving and video.every == 1 and not options.classes and options.score is None:
        return _foreground(frames, model, request)
    tracker = _tracker(video)
    results = segment_frames(
        frames, model, options, tracker=tracker, every=video.every, clock=clock, overlap=True
    )
    if tracker is None or video.min_track_frames == 1:
        return results
    from maskweave.video.short_tracks import drop_short_tracks

    return drop_short_tracks(results, video.min_track_frames)


def live(frames: Iterable[Frame], model: Model, request: Request) -> Generator[FrameResult]:
    """Yield the result of each frame before the next one is read, so that none waits.

    Objects are tracked where that is asked for; none is held back until it has lived for some frames. Raises
    `InvalidValue` at once for what the model cannot do.
    """
    check(request, model)
    return segment_frames(
        frames, model, request.segment, tracker=_tracker(request.video), every=request.video.every
    )


def _tracker(options: VideoOptions) -> Tracker | None:
    if not options.track:
        return None
    from maskweave.video.tracking import make_tracker

    return make_tracker(options.tracker)


def _foreground(frames: Source, model: Model, request: Request) -> Generator[FrameResult]:
    """What moves and what the model knows; with classes or a score it is every pixel of those instances instead."""
    from maskweave.video.foreground import foreground_frames

    with features_for(model, request.model) as network:
        yield from foreground_frames(frames, model, network)


def _prompted(
    frames: Source, model: Model, request: Request, prompt: Prompt, clock: StageClock
) -> Generator[FrameResult]:
    """Find what a prompt means in an image, or follow it through a video."""
    task = request.segment.task or "instances"
    score = request.segment.score or 0.0
    results = (
        _pointed_at(frames, model, prompt, clock)
        if frames.info.kind == "image"
        else _propagated(frames, model, request.model, prompt)
    )
    with closing(results):
        for result in results:
            instances = result.instances
            if score:
                instances = instances[instances.scores >= score]
            yield replace(result, prediction=as_task(instances, task))


def _pointed_at(frames: Source, model: Model, prompt: Prompt, clock: StageClock) -> Generator[FrameResult]:
    for frame in frames:
        with clock.stage("network"):
            instances = model.prompt(frame.image, prompt, label=frame.source or "image")
        yield FrameResult(frame, instances)


def _propagated(
    frames: Source, model: Model, options: ModelOptions, prompt: Prompt
) -> Generator[FrameResult]:
    from maskweave.video.propagation import propagate_frames

    with features_for(model, options) as network:
        yield from propagate_frames(frames, prompt, network, finder=model)


def _counted(results: Generator[FrameResult], request: Request) -> Generator[FrameResult]:
    """The results, with what their objects do at the request's lines and in its zones."""
    counter: Counter | None = None
    with closing(results):
        for result in results:
            counter = counter or counter_of(request.video, result.frame.size)
            yield replace(result, counts=counter.update(result.instances))


def counter_of(video: VideoOptions, size: Size) -> Counter:
    """A counter for frames of ``size``, of lines and zones that may be given in an image of another size."""
    from maskweave.video.counting import Counter

    across = down = 1.0
    if video.drawn_on is not None:
        across, down = size[1] / video.drawn_on[0], size[0] / video.drawn_on[1]
    return Counter(
        [line.scaled(across, down) for line in video.lines],
        [zone.scaled(across, down) for zone in video.zones],
    )


def formats_for(request: Request, info: SourceInfo, model: Model) -> tuple[str, ...]:
    """The formats to write for a source; raises `InvalidValue` for one that its kind or the task does not have."""
    from maskweave.outputs import choose_formats

    label = str(info.path or info.name)
    return choose_formats(request.output.save, kind=info.kind, task=task_for(request, model), source=label)


def _class_names(request: Request, model: Model) -> tuple[str, ...]:
    if request.prompt.prompt is None:
        return model.class_names
    from maskweave.types.prompt import OBJECT_NAMES

    return OBJECT_NAMES


def target_for(
    request: Request, info: SourceInfo, model: Model, *, inputs: frozenset[Path] = frozenset()
) -> Target:
    """The target of a source's writers; ``inputs``: paths that no output may replace."""
    from maskweave.outputs.base import Target

    output = request.output
    return Target(
        output.folder,
        info,
        task_for(request, model),
        _class_names(request, model),
        model=model.name,
        style=output.style,
        inputs=inputs,
        background=output.cutout_background,
        geojson_crs=output.geojson_crs,
        refine_edges=output.refine_edges,
    )


def task_for(request: Request, model: Model) -> Task:
    """The task of the results: the one that is asked for, else that of a prompt or the model."""
    if request.prompt.prompt is not None:
        return request.segment.task or "instances"
    return task_of(request.segment, model)


def run(
    source: Source,
    model: Model,
    request: Request,
    *,
    inputs: frozenset[Path] = frozenset(),
    flat: bool = False,
    formats: Sequence[str] | None = None,
    progress: OnResult | None = None,
) -> RunReport:
    """Segment an opened source and write what is asked for; files appear only when all of it worked.

    ``inputs``: paths that no output may replace. ``flat``: the only format that is one image a frame goes into the
    output folder itself. ``formats``: to be written instead of the request's. ``progress``: called after each frame.
    """
    from maskweave.outputs import make_writers, one_image_per_frame

    info = source.info
    report = RunReport(propagates=request.prompt.prompt is not None and info.kind != "image")
    formats = formats_for(request, info, model) if formats is None else formats
    target = target_for(request, info, model, inputs=inputs)
    if flat and one_image_per_frame(formats):
        target = replace(target, flat=True)
    results = stream(source, model, request, clock=report.clock)
    write(results, make_writers(formats, target), report=report, progress=progress)
    report.warnings = [*source.warnings, *_ignored_options(request, info), *report.warnings]
    report.is_complete = not is_incomplete(source)
    return report


def write(
    results: Iterable[FrameResult],
    writers: Sequence[Writer],
    *,
    report: RunReport | None = None,
    progress: OnResult | None = None,
) -> RunReport:
    """Write results as they come; the writers' files appear only when all of it worked.

    ``writers`` are entered and left here. ``report`` is added to and returned; None begins a new one.
    """
    report = report or RunReport()
    replaced = [
        writer.path for writer in writers if writer.path.exists() and writer.path != writer.target.folder
    ]
    with ExitStack() as stack:
        if isinstance(results, Generator):
            stack.callback(results.close)  # its threads end before what they read from is closed
        for writer in writers:
            stack.enter_context(writer)
        for result in results:
            with report.clock.stage("draw and encode"):
                for writer in writers:
                    writer.write(result)
            report.add(result)
            if progress is not None:
                progress(result)
        with report.clock.stage("draw and encode"):
            stack.close()
    report.paths, report.replaced = [writer.path for writer in writers], replaced
    every = (warning for writer in writers for warning in writer.warnings)
    report.warnings = list(dict.fromkeys(every))  # of two videos with the same audio, once
    return report


def _ignored_options(request: Request, info: SourceInfo) -> list[str]:
    """A warning where options for videos were given for an image."""
    if info.kind != "image":
        return []
    video = request.video
    given = {
        "--every": video.every != 1,
        "--tracker": video.tracker != DEFAULT_TRACKER,
        "--trail": request.output.trail > 0,
    }
    names = [name for name, is_given in given.items() if is_given]
    return [f"{', '.join(names)}: for videos only, ignored"] if names else []

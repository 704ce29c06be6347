"""Source → model → tracker → writers, one frame at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from maskweave.errors import InvalidValue
from maskweave.models.base import Model
from maskweave.ops.semantic import (
    foreground_from_instances,
    foreground_from_semantic,
    semantic_from_instances,
)
from maskweave.outputs.base import Writer
from maskweave.tracking.base import Tracker
from maskweave.tracking.counting import Counter
from maskweave.types.counts import Counts
from maskweave.types.frame import Frame
from maskweave.types.instances import Instances
from maskweave.types.prediction import TASKS, Prediction, Task
from maskweave.types.semantic import IGNORE, SemanticMap

STAGES = ("decode", "prepare", "network", "decode of results", "track", "draw and encode")


@dataclass
class StageClock:
    """Seconds spent in each stage of the pipeline, summed over the frames."""

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the ``with`` block to stage ``name``."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - start


@dataclass(frozen=True)
class Wish:
    """What is asked of a model: the task, the least score (None: the model's own) and classes (empty: all).

    Raises `InvalidValue` for an unknown task or classes that are no list of names.
    """

    task: Task = "instances"
    score: float | None = None
    classes: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Check what can be checked without a model."""
        if self.task not in TASKS:
            raise InvalidValue(f"task: need one of {', '.join(TASKS)}, got {self.task!r}")
        if isinstance(self.classes, str):
            raise InvalidValue(f"classes: need a list of names, got the text {self.classes!r}")
        object.__setattr__(self, "classes", tuple(self.classes))

    def check(self, model: Model) -> None:
        """Raise `InvalidValue` when ``model`` cannot fulfil it, before anything is read."""
        model.check_score(self.score)
        unknown = [name for name in self.classes if name not in model.class_names]
        if unknown:
            raise InvalidValue(
                f"classes: need names out of {', '.join(model.class_names)}; got {', '.join(unknown)}"
            )
        if self.task == "instances" and model.task != "instances":
            raise InvalidValue(
                f"task: {model.name} gives {model.task} maps, not instances; ask for --task {model.task}"
            )


@dataclass
class Report:
    """What one run did: frames, objects (summed over frames), seconds per stage, files, warnings, last counts."""

    frames: int = 0
    objects: int = 0
    clock: StageClock = field(default_factory=StageClock)
    paths: list[Path] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    counts: Counts | None = None


def segment_frames(
    frames: Iterable[Frame],
    model: Model,
    wish: Wish,
    *,
    tracker: Tracker | None = None,
    counter: Counter | None = None,
    clock: StageClock | None = None,
) -> Iterator[tuple[Frame, Prediction]]:
    """Yield each frame with its result, reading the next frame only when asked for it."""
    wish.check(model)
    if counter is not None and wish.task != "instances":
        raise InvalidValue(f"lines and zones: need --task instances, got {wish.task}: they count objects")
    clock = clock or StageClock()
    score = model.check_score(wish.score)
    if wish.task != "instances":
        tracker = None
    least = score if tracker is None else tracker.start(score)
    stream = iter(frames)
    while True:
        with clock.stage("decode"):
            frame = next(stream, None)
        if frame is None:
            return
        with clock.stage("prepare"):
            prepared = model.prepare(frame.image)
        with clock.stage("network"):
            outputs = model.infer(prepared.inputs)
        with clock.stage("decode of results"):
            prediction = model.decode(outputs, prepared.placement, score=least)
            prediction = keep_classes(prediction, wish.classes)
        with clock.stage("track"):
            if tracker is not None and isinstance(prediction, Instances):
                prediction = tracker.update(prediction, frame)
            if counter is not None and isinstance(prediction, Instances):
                prediction = counter.update(prediction)
        with clock.stage("decode of results"):
            prediction = as_task(prediction, wish.task)
        yield frame, prediction


def run(
    frames: Iterable[Frame],
    model: Model,
    wish: Wish,
    *,
    tracker: Tracker | None = None,
    counter: Counter | None = None,
    writers: Sequence[Writer] = (),
    progress: Callable[[Frame], None] | None = None,
) -> Report:
    """Segment all frames and write the results; the writers' files appear only when all of it worked.

    ``counter`` counts the tracked objects at lines and in zones. ``writers`` are entered and left here. ``progress``
    is called after each frame.
    """
    report = Report()
    results = segment_frames(frames, model, wish, tracker=tracker, counter=counter, clock=report.clock)
    return write_results(results, writers=writers, progress=progress, report=report)


def write_results(
    results: Iterable[tuple[Frame, Prediction]],
    *,
    writers: Sequence[Writer] = (),
    progress: Callable[[Frame], None] | None = None,
    report: Report | None = None,
) -> Report:
    """Write results as they come; the writers' files appear only when all of it worked.

    ``writers`` are entered and left here. ``progress`` is called after each frame. ``report`` is added to and
    returned; None begins a new one.
    """
    report = report or Report()
    with ExitStack() as stack:
        if isinstance(results, Generator):
            stack.callback(results.close)  # its threads end before what they read from is closed
        for writer in writers:
            stack.enter_context(writer)
        for frame, prediction in results:
            with report.clock.stage("draw and encode"):
                for writer in writers:
                    writer.write(frame, prediction)
            report.frames += 1
            if isinstance(prediction, Instances):
                report.objects += len(prediction)
                report.counts = prediction.counts
            if progress is not None:
                progress(frame)
        with report.clock.stage("draw and encode"):
            stack.close()
    report.paths = [writer.path for writer in writers]
    report.warnings = [warning for writer in writers for warning in writer.warnings]
    return report


def keep_classes(prediction: Prediction, classes: Sequence[str]) -> Prediction:
    """Drop instances of other classes; in a semantic map their pixels become `IGNORE`. An empty list keeps all."""
    if not classes:
        return prediction
    wanted = [index for index, name in enumerate(prediction.class_names) if name in (*classes, "background")]
    if isinstance(prediction, Instances):
        return prediction[np.isin(prediction.class_ids, wanted)]
    kept = np.isin(prediction.class_map, wanted)
    return SemanticMap(
        np.where(kept, prediction.class_map, IGNORE), prediction.class_names, prediction.mask_probs
    )


def as_task(prediction: Prediction, task: Task) -> Prediction:
    """Turn a model's result into what the task asks for; raises `InvalidValue` when that is impossible."""
    if isinstance(prediction, Instances):
        if task == "semantic":
            return semantic_from_instances(prediction)
        return foreground_from_instances(prediction) if task == "foreground" else prediction
    if task == "instances":
        raise InvalidValue("task: need a model of instances, got a semantic map; use --task semantic")
    return foreground_from_semantic(prediction) if task == "foreground" else prediction

"""Source → model → tracker → writers, one frame at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TypeAlias, TypeVar

import numpy as np

from maskweave.errors import InvalidValue
from maskweave.models.base import Model, Prepared
from maskweave.ops.blas import single_threaded_blas
from maskweave.ops.placement import Placement
from maskweave.ops.semantic import (
    foreground_from_instances,
    foreground_from_semantic,
    semantic_from_instances,
)
from maskweave.ops.valid import cut_to_valid
from maskweave.outputs.base import Writer
from maskweave.runtimes.base import Tensors
from maskweave.sources.ahead import done_ahead, work_ahead
from maskweave.tracking.base import Tracker
from maskweave.tracking.carrying import MaskCarrier
from maskweave.tracking.counting import Counter
from maskweave.tracking.key_frames import KeyFrames
from maskweave.types.counts import Counts
from maskweave.types.frame import Frame
from maskweave.types.instances import Instances
from maskweave.types.prediction import TASKS, Prediction, Task
from maskweave.types.prompt import Prompt
from maskweave.types.semantic import IGNORE, SemanticMap

_T = TypeVar("_T")
_Done = TypeVar("_Done")

STAGES = ("decode", "prepare", "network", "decode of results", "track", "draw and encode")


@dataclass
class StageClock:
    """Seconds spent in each stage of the pipeline, summed over the frames; in threads at once each counts."""

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    _adding: Lock = field(default_factory=Lock, repr=False, compare=False)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the ``with`` block to stage ``name``."""
        start = time.perf_counter()
        try:
            yield
        finally:
            with self._adding:
                self.seconds[name] += time.perf_counter() - start


@dataclass(frozen=True)
class Wish:
    """What is asked of a model: the task, the least score (None: the model's own) and classes (empty: all).

    ``every_class``: give an object under every class that it may be of, not only under the likeliest. None: where
    objects are not followed and scores under the model's own threshold are asked for, as average precision needs.

    Raises `InvalidValue` for an unknown task or classes that are no list of names.
    """

    task: Task = "instances"
    score: float | None = None
    classes: Sequence[str] = ()
    every_class: bool | None = None

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
        model.check_unprompted()
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
    every: int = 1,
    overlap: bool = False,
) -> Generator[tuple[Frame, Prediction]]:
    """Yield each frame with its result, in order.

    With ``every`` N the network looks at each N-th frame, and at the first of each scene; in between, its objects are
    carried along by optical flow.

    Plainly, the next frame is read only when asked for. With ``overlap`` reading, the network, and what is made of
    its outputs run in threads of their own, each a frame or two ahead of the next, and the network looks at as many
    frames at a time as its engine likes (`RuntimeInfo.lanes`): the same results, sooner. Close the generator before
    what ``frames`` are read from.
    """
    wish.check(model)
    if counter is not None and wish.task != "instances":
        raise InvalidValue(f"lines and zones: need --task instances, got {wish.task}: they count objects")
    if every < 1 or (every > 1 and model.task != "instances"):
        raise InvalidValue(
            f"every: need 1 or more, and over 1 a model of instances; got {every}, {model.name}"
        )
    clock = clock or StageClock()
    prepared = _prepared(frames, model, clock, every=every)
    ask = partial(_ask, model, clock)
    finisher = _Finisher(model, wish, tracker=tracker, counter=counter, clock=clock, carries=every > 1)
    if overlap:
        ahead = work_ahead(prepared, source=frames)
        answered = done_ahead(ahead, ask, workers=model.lanes, source=frames)
        results = work_ahead(_each(finisher.finish, answered), source=frames)
    else:
        results = _each(finisher.finish, _each(ask, prepared))
    with closing(results):
        yield from results


def prompted_frames(
    frames: Iterable[Frame],
    model: Model,
    prompt: Prompt,
    task: Task = "instances",
    *,
    clock: StageClock | None = None,
) -> Generator[tuple[Frame, Prediction]]:
    """Yield each picture with what the prompt's boxes or points mean in it.

    Raises `InvalidValue` where they do not fit it, or nothing stands out.
    """
    clock = clock or StageClock()
    for frame in frames:
        with clock.stage("network"):
            found = model.prompt(frame.image, prompt, label=frame.source or "image")
        yield frame, as_task(found, task)


def check_every(every: int, model: Model) -> None:
    """Raise `InvalidValue` where the network cannot look at each ``every``-th frame only."""
    if every < 1 or (every > 1 and model.task != "instances"):
        raise InvalidValue(
            f"every: need 1 or more, and over 1 a model of instances; got {every}, {model.name}"
        )


_Answered: TypeAlias = tuple[Frame, tuple[Tensors, Placement] | None]
"""A frame; the network's outputs, and where the picture lay in its input, if it looked at the frame."""


def _each(do: Callable[[_T], _Done], items: Generator[_T]) -> Generator[_Done]:
    with closing(items):
        yield from map(do, items)


def _prepared(
    frames: Iterable[Frame], model: Model, clock: StageClock, *, every: int
) -> Generator[tuple[Frame, Prepared | None]]:
    """Each frame, prepared for the network where that is to look at it."""
    stream, choice = iter(frames), KeyFrames(every)
    while True:
        with clock.stage("decode"):
            frame = next(stream, None)
        if frame is None:
            return
        with clock.stage("prepare"):
            prepared = model.prepare_frame(frame) if choice.looks_at(frame) else None
        yield frame, prepared


def _ask(model: Model, clock: StageClock, prepared: tuple[Frame, Prepared | None]) -> _Answered:
    frame, fed = prepared
    if fed is None:
        return frame, None
    with clock.stage("network"):
        outputs = model.infer(fed.inputs)
    return frame, (outputs, fed.placement)


class _Finisher:
    """From the network's outputs to the result that was wished for; frames come in order."""

    def __init__(
        self,
        model: Model,
        wish: Wish,
        *,
        tracker: Tracker | None,
        counter: Counter | None,
        clock: StageClock,
        carries: bool,
    ) -> None:
        self._model, self._wish, self._clock = model, wish, clock
        self._tracker = tracker if wish.task == "instances" else None
        self._counter = counter
        self._carrier = MaskCarrier() if carries else None
        score = model.check_score(wish.score)
        weak = self._tracker is None and score < model.default_score
        self._every_class = weak if wish.every_class is None else wish.every_class
        self._least = score if self._tracker is None else self._tracker.start(score)

    def finish(self, answered: _Answered) -> tuple[Frame, Prediction]:
        """A frame and its result; without an answer of the network, what it found before, carried along."""
        frame, answer = answered
        if answer is not None:
            prediction = self._decoded(frame, *answer)
        elif self._carrier is not None:
            with self._clock.stage("track"):
                prediction = self._carrier.carry(frame.image)
        if self._counter is not None and isinstance(prediction, Instances):
            prediction = self._counter.update(prediction)
        with self._clock.stage("decode of results"):
            return frame, as_task(prediction, self._wish.task)

    def _decoded(self, frame: Frame, outputs: Tensors, placement: Placement) -> Prediction:
        with self._clock.stage("decode of results"), single_threaded_blas():
            prediction = self._model.result(
                outputs, placement, score=self._least, every_class=self._every_class
            )
            prediction = keep_classes(prediction, self._wish.classes)
            if frame.valid is not None:
                prediction = cut_to_valid(prediction, frame.valid)
        if not isinstance(prediction, Instances):
            return prediction
        with self._clock.stage("track"):
            if self._tracker is not None:
                prediction = self._tracker.update(prediction, frame)
            return prediction if self._carrier is None else self._carrier.note(frame.image, prediction)


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
        np.where(kept, prediction.class_map, IGNORE),
        prediction.class_names,
        prediction.mask_probs,
        prediction.alpha,
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

"""Turn frames into results by stages: read, prepare, network, decode, track; in turn, or overlapped in threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np

from maskweave.errors import InvalidValue, did_you_mean
from maskweave.models.base import Model, Prepared
from maskweave.ops.blas import single_threaded_blas
from maskweave.ops.letterbox import Letterbox
from maskweave.options import SegmentOptions
from maskweave.runtimes.base import Tensors
from maskweave.types.frame import Frame
from maskweave.types.instances import Instances
from maskweave.types.prediction import Prediction, Task
from maskweave.types.result import FrameResult
from maskweave.types.semantic import IGNORE, SemanticMap
from maskweave.video.stream import FrameFacts, VideoStream

if TYPE_CHECKING:
    from maskweave.video.tracking.base import Tracker

_T = TypeVar("_T")
_Done = TypeVar("_Done")

STAGES = ("decode", "prepare", "network", "decode of results", "track", "draw and encode")


@dataclass
class StageClock:
    """Seconds spent in each stage of a run, summed over the frames; of threads at once each counts."""

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


def task_of(options: SegmentOptions, model: Model) -> Task:
    """The task that is asked for, or what the model gives."""
    return options.task or model.task


def check_model(options: SegmentOptions, model: Model, *, every: int = 1) -> None:
    """Raise `InvalidValue` when ``model`` cannot do what is asked, before anything is read."""
    model.check_score(options.score)
    model.check_unprompted()
    unknown = [name for name in options.classes if name not in model.class_names]
    if unknown:
        hint = did_you_mean(unknown[0], model.class_names)
        raise InvalidValue(
            f"classes: need names out of {', '.join(model.class_names)}; got {', '.join(unknown)}{hint}"
        )
    task = task_of(options, model)
    if task == "foreground" and model.task == "semantic" and not options.classes:
        _check_background(model)
    if task == "instances" and model.task != "instances":
        raise InvalidValue(
            f"task: {model.name} gives {model.task} maps, not instances; ask for --task {model.task}"
        )
    if options.refine:
        model.check_guided()
        if model.task != "instances":
            raise InvalidValue(f"--refine: need a model of instances, got {model.name}, which gives maps")
    if every < 1 or (every > 1 and model.task != "instances"):
        raise InvalidValue(
            f"every: need 1 or more, and over 1 a model of instances; got {every}, {model.name}"
        )


def _check_background(model: Model) -> None:
    from maskweave.ops.semantic import is_background

    if not any(map(is_background, model.class_names)):
        raise InvalidValue(
            f"task: none of the {len(model.class_names)} classes of {model.name} is called background, so that "
            f"everything would be foreground; name it in {model.name}.toml (class_names), or give --classes"
        )


def segment_frames(
    frames: Iterable[Frame],
    model: Model,
    options: SegmentOptions,
    *,
    tracker: Tracker | None = None,
    clock: StageClock | None = None,
    every: int = 1,
    overlap: bool = False,
) -> Generator[FrameResult]:
    """Yield the result of each frame, in order.

    With ``every`` N the network looks at each N-th frame, and at the first of each scene; in between, its objects are
    moved along by optical flow.

    Plainly, the next frame is read only when asked for. With ``overlap`` reading, the network, and what is made of
    its outputs run in threads of their own, each a frame or two ahead of the next, and as many frames are in the
    network at a time as pays off on its runtime (`RuntimeInfo.concurrency`): the same results, sooner. Close the
    generator before what ``frames`` are read from.
    """
    check_model(options, model, every=every)
    clock = clock or StageClock()
    prepared = _prepared(frames, model, clock, every=every)
    infer = partial(_infer, model, clock)
    decoder = _Decoder(model, options, tracker=tracker, clock=clock, interpolates=every > 1)
    if overlap:
        from maskweave.sources.prefetch import prefetch, prefetch_map

        prefetched = prefetch(prepared, source=frames)
        inferred = prefetch_map(prefetched, infer, workers=model.concurrency, source=frames)
        results = prefetch(_map(decoder.decode, inferred), source=frames)
    else:
        results = _map(decoder.decode, _map(infer, prepared))
    with closing(results):
        yield from results


_Inferred: TypeAlias = tuple[FrameFacts, tuple[Tensors, Letterbox] | None]
"""A frame; the network's outputs, and where the image lay in its input, if it looked at the frame."""


def _map(function: Callable[[_T], _Done], items: Generator[_T]) -> Generator[_Done]:
    with closing(items):
        yield from map(function, items)


def _prepared(
    frames: Iterable[Frame], model: Model, clock: StageClock, *, every: int
) -> Generator[tuple[FrameFacts, Prepared | None]]:
    """Each frame, prepared for the network where that is to look at it."""
    rest, stream, is_key = iter(frames), VideoStream(), _key_frames(every)
    while True:
        with clock.stage("decode"):
            frame = next(rest, None)
        if frame is None:
            return
        facts = stream.facts(frame)
        with clock.stage("prepare"):
            prepared = model.prepare_frame(frame) if is_key(facts) else None
        yield facts, prepared


def _key_frames(every: int) -> Callable[[FrameFacts], bool]:
    if every == 1:
        return lambda facts: True
    from maskweave.video.key_frames import KeyFrames

    return KeyFrames(every).update


def _infer(model: Model, clock: StageClock, prepared: tuple[FrameFacts, Prepared | None]) -> _Inferred:
    facts, network_input = prepared
    if network_input is None:
        return facts, None
    with clock.stage("network"):
        outputs = model.infer(network_input.inputs)
    return facts, (outputs, network_input.letterbox)


def decode_settings(options: SegmentOptions, model: Model, tracker: Tracker | None) -> tuple[float, bool]:
    """The minimum score for decoding, and whether objects are given under every class.

    A tracker wants weaker ones as well than are asked for; it starts with this call.
    """
    score = model.check_score(options.score)
    weak = tracker is None and score < model.default_score
    multi_label = weak if options.multi_label is None else options.multi_label
    return (score if tracker is None else tracker.start(score)), multi_label


class _Decoder:
    """Turns the network's outputs into the results that are asked for; frames come in order."""

    def __init__(
        self,
        model: Model,
        options: SegmentOptions,
        *,
        tracker: Tracker | None,
        clock: StageClock,
        interpolates: bool,
    ) -> None:
        self._model, self._options, self._clock = model, options, clock
        self._task = task_of(options, model)
        self._tracker = tracker if self._task == "instances" else None
        self._interpolator = None
        if interpolates:
            from maskweave.video.interpolation import MaskInterpolator

            self._interpolator = MaskInterpolator()
        self._min_score, self._multi_label = decode_settings(options, model, self._tracker)

    def decode(self, inferred: _Inferred) -> FrameResult:
        """The result of a frame; without outputs of the network, what it found before, moved along."""
        facts, outputs = inferred
        prediction = None if outputs is None else self._decode_outputs(facts.frame, *outputs)
        if not isinstance(prediction, SemanticMap):
            with self._clock.stage("track"):
                prediction = self._track(facts, prediction)
        with self._clock.stage("decode of results"):
            return FrameResult(facts.frame, as_task(prediction, self._task))

    def _track(self, facts: FrameFacts, found: Instances | None) -> Instances:
        """Give the frame's objects their ids; None stands for a frame that the network did not look at."""
        if found is not None and self._tracker is not None:
            found = self._tracker.update(facts, found)
        if found is not None and self._options.refine:
            found = self._model.refine(facts.frame, found)
        if self._interpolator is not None:
            return self._interpolator.update(facts, found)
        if found is None:
            raise InvalidValue(
                "every: need the network's objects of each frame where nothing moves them along"
            )
        return found

    def _decode_outputs(self, frame: Frame, outputs: Tensors, letterbox: Letterbox) -> Prediction:
        with self._clock.stage("decode of results"), single_threaded_blas():
            prediction = self._model.result(
                outputs, letterbox, score=self._min_score, multi_label=self._multi_label
            )
            prediction = keep_classes(prediction, self._options.classes)
            if frame.valid is not None:
                from maskweave.ops.masks import cut_to_valid

                prediction = cut_to_valid(prediction, frame.valid)
        return prediction


def keep_classes(prediction: Prediction, classes: Sequence[str]) -> Prediction:
    """Drop instances of other classes; in a semantic map their pixels become `IGNORE`. An empty list keeps all."""
    if not classes:
        return prediction
    from maskweave.ops.semantic import is_background

    wanted = [
        index for index, name in enumerate(prediction.class_names) if name in classes or is_background(name)
    ]
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
    if task == "instances" and isinstance(prediction, Instances):
        return prediction
    from maskweave.ops import semantic

    if isinstance(prediction, Instances):
        to_task = (
            semantic.semantic_from_instances if task == "semantic" else semantic.foreground_from_instances
        )
        return to_task(prediction)
    if task == "instances":
        raise InvalidValue("task: need a model of instances, got a semantic map; use --task semantic")
    return semantic.foreground_from_semantic(prediction) if task == "foreground" else prediction

"""What a video is given that a picture is not: objects that keep their identity, foreground found by its motion."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing

from maskweave.errors import InvalidValue
from maskweave.features import feature_network
from maskweave.foreground import foreground_frames
from maskweave.models.base import Model
from maskweave.pipeline import StageClock, Wish, segment_frames
from maskweave.tracking import OURS, make_tracker
from maskweave.tracking.counting import Counter
from maskweave.types.frame import Frame
from maskweave.types.prediction import Prediction, Task


def follow_frames(
    frames: Iterable[Frame],
    model: Model,
    wish: Wish,
    *,
    tracker: str = OURS,
    counter: Counter | None = None,
    every: int = 1,
    clock: StageClock | None = None,
) -> Generator[tuple[Frame, Prediction]]:
    """Yield each frame of one video with its result.

    Instances are tracked by the ``tracker`` of that name (see `tracking.TRACKERS`). Foreground is what moves and what
    the model knows, unless the wish names classes or a score: then it is every pixel of those instances. With
    ``every`` N the network looks at each N-th frame only, see `pipeline.segment_frames`; motion is told from each
    frame to the next, so then foreground is instances too.
    """
    wish.check(model)
    moves = every == 1 and not wish.classes and wish.score is None
    if wish.task == "foreground" and model.task == "instances" and moves:
        with closing(feature_network()) as network:
            yield from foreground_frames(frames, model, network)
        return
    results = segment_frames(
        frames,
        model,
        wish,
        tracker=make_tracker(tracker),
        counter=counter,
        every=every,
        clock=clock,
        overlap=True,
    )
    with closing(results):
        yield from results


def check_tracker(name: str, task: Task, *, track: bool = True) -> None:
    """Raise what `tracking.make_tracker` raises, and `InvalidValue` for a chosen tracker with nothing to follow."""
    if name != OURS and task != "instances":
        raise InvalidValue(f"tracker {name}: needs --task instances, got {task}: it follows objects")
    if name != OURS and not track:
        raise InvalidValue(f"tracker {name}: needs tracking, which is turned off")
    make_tracker(name)

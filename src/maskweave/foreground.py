"""The foreground of a whole video, found without being told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice, takewhile

import numpy as np

from maskweave.errors import InvalidValue
from maskweave.features import look_and_find
from maskweave.models.base import Model
from maskweave.sources.ahead import done_ahead
from maskweave.tracking.cuts import CutDetector
from maskweave.tracking.foreground import ForegroundFinder
from maskweave.tracking.recognition import LEAST_SCORE
from maskweave.tracking.views import View
from maskweave.types.frame import Frame
from maskweave.types.instances import Instances
from maskweave.types.semantic import SemanticMap

CLASS_NAMES = ("background", "foreground")
WARM_UP = 8
"""Frames that are looked at before the first result: what an object looks like is learned on them, backwards."""


def foreground_frames(
    frames: Iterable[Frame], model: Model, network: Model, *, warm_up: int = WARM_UP
) -> Iterator[tuple[Frame, SemanticMap]]:
    """Yield every frame with its foreground, in order.

    ``model`` finds instances, ``network`` gives features (`features.feature_network`). Of the stream only the
    first ``warm_up`` frames, then only the last few, are held; the networks work a frame or two ahead. After a cut to
    another scene all is found anew.

    Raises `InvalidValue` when ``model`` gives no instances or ``network`` no features.
    """
    if model.task != "instances":
        raise InvalidValue(f"{model.name}: need a model of instances, got one of {model.task} maps")
    cuts = CutDetector()
    seen = ((frame, cuts.update(frame.image, float(frame.time))) for frame in frames)
    both = partial(_look, model, network)
    with closing(done_ahead(seen, both, workers=model.lanes, source=frames)) as looks:
        begun = list(islice(looks, max(1, warm_up)))
        finder = ForegroundFinder()
        for look in reversed(list(takewhile(lambda look: not look.cut, begun[1:]))):
            look.find(finder)
        size = None
        for look in chain(begun, looks):
            if look.cut or size not in (None, look.view.size):
                finder = ForegroundFinder()
            size = look.view.size
            yield look.frame, SemanticMap(look.find(finder).astype(np.uint8), CLASS_NAMES)


@dataclass(frozen=True)
class _Look:
    """A frame and what the networks say about it; ``cut``: a new scene begins with it."""

    frame: Frame
    view: View
    instances: Instances
    fine: Instances
    cut: bool

    def find(self, finder: ForegroundFinder) -> np.ndarray:
        return finder.update(self.view, self.frame.image, self.instances, self.fine) > 0.5


def _look(model: Model, network: Model, seen: tuple[Frame, bool]) -> _Look:
    frame, cut = seen
    view, fine = look_and_find(frame.image, network)
    found = model.predict(frame.image, score=LEAST_SCORE)
    if not isinstance(found, Instances):
        raise InvalidValue(f"{model.name}: need instances, got a map of classes")
    return _Look(frame, view, found, fine, cut)

"""Objects marked in one frame, followed through the whole video, forwards and backwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue
from maskweave.features import look_and_find, look_at
from maskweave.models.base import Model
from maskweave.ops.prompts import OBJECT_NAMES
from maskweave.sources.ahead import done_ahead
from maskweave.sources.base import Source
from maskweave.tracking.cuts import CutDetector
from maskweave.tracking.propagation import MaskPropagator
from maskweave.tracking.views import View
from maskweave.types.arrays import FloatArray, Image
from maskweave.types.frame import Frame
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks
from maskweave.types.prompt import Prompt

_CHUNK_BYTES = 256_000_000
"""Frames that are held to be gone through backwards."""


def propagate_frames(source: Source, prompt: Prompt, network: Model) -> Iterator[tuple[Frame, Instances]]:
    """Yield every frame of a source with the prompt's objects, in order; ``track_ids`` are the objects' numbers.

    Forwards nothing is held but the last frame. Frames before the prompt's are gone through first, backwards, in
    chunks that are read from the start of the source; only their compact masks are kept. An object that cannot be
    seen is not in a frame's result.

    Raises `InvalidValue` when the prompt fits no frame of the source, or ``network`` gives no features.
    """
    if prompt.frame and source.info.kind == "live":
        raise InvalidValue(f"{source.info.name}: a live stream cannot be gone through backwards; use frame 0")
    before = _before(source, prompt, network)
    follower: _Follower | None = None

    def seen(frame: Frame) -> tuple[Frame, tuple[View, Instances] | None]:
        return frame, look_and_find(frame.image, network) if frame.index >= prompt.frame else None

    with closing(done_ahead(source, seen, workers=network.lanes, source=source)) as looks:
        for frame, look in looks:
            if look is None:
                yield frame, before.pop()
            elif follower is None:
                follower = _Follower(network, prompt, frame, look[0], label=source.info.name)
                yield frame, follower.first
            else:
                yield frame, follower.follow(frame, *look)


def _before(source: Source, prompt: Prompt, network: Model) -> list[Instances]:
    """Results of the frames before the prompt's, the first frame's last."""
    if prompt.frame == 0:
        return []
    start = next(islice(source, prompt.frame, None), None)
    if start is None:
        raise InvalidValue(
            f"{source.info.name}: the prompt is for frame {prompt.frame}, there are fewer frames"
        )
    first = look_at(start.image, network)
    follower = _Follower(network, prompt, start, first, label=source.info.name)
    chunk = max(8, _CHUNK_BYTES // start.image.nbytes)
    results: list[Instances] = []
    for end in range(prompt.frame, 0, -chunk):
        frames = list(islice(source, max(0, end - chunk), end))
        results.extend(
            follower.follow(frame, *look_and_find(frame.image, network)) for frame in reversed(frames)
        )
    return results


class _Follower:
    """One direction of propagation."""

    def __init__(self, network: Model, prompt: Prompt, frame: Frame, view: View, *, label: str) -> None:
        prompt.check(frame.size, label=label)
        self._ids = np.array(prompt.object_ids)
        self._cuts = CutDetector()
        self._cuts.update(frame.image, float(frame.time))
        masks = _prompted(prompt, frame.image, network)
        self.first = self._result(masks.astype(np.float32))
        self._propagator = MaskPropagator(view, np.stack([view.from_source(mask) for mask in masks]))

    def follow(self, frame: Frame, view: View, found: Instances) -> Instances:
        """The objects in the next frame, in which the network found some."""
        cut = self._cuts.update(frame.image, float(frame.time))
        return self._result(self._propagator.update(view, frame.image, found, cut=cut))

    def _result(self, probs: FloatArray) -> Instances:
        """(K, H, W) soft masks to instances: every pixel belongs to the likeliest, an object or none."""
        background = 1 - probs.sum(axis=0)
        mine = (probs >= probs.max(axis=0)) & (probs > background)
        seen = np.flatnonzero(mine.any(axis=(1, 2)))
        masks = Masks.from_dense(mine[seen]) if len(seen) else Masks.empty(probs.shape[1:])
        return Instances(
            masks=masks,
            boxes=masks.boxes,
            scores=np.array([float(probs[k][mine[k]].mean()) for k in seen]),
            class_ids=np.zeros(len(seen), dtype=np.int64),
            class_names=OBJECT_NAMES,
            track_ids=self._ids[seen],
        )


def _prompted(prompt: Prompt, image: Image, network: Model) -> NDArray[np.bool_]:
    """(K, H, W) masks of the prompt's objects."""
    if prompt.ids is not None:
        return np.stack([prompt.ids == number for number in prompt.object_ids])
    return network.prompt(image, prompt).masks.dense()

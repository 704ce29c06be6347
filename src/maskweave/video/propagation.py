"""Follow marked objects through a whole video, forwards and backwards."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import closing
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue
from maskweave.models.base import Model
from maskweave.sources.base import Source, is_incomplete
from maskweave.sources.prefetch import prefetch_map
from maskweave.types.arrays import FloatArray, Image, IntArray
from maskweave.types.frame import Frame
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks
from maskweave.types.prompt import OBJECT_NAMES, Prompt
from maskweave.types.result import FrameResult
from maskweave.video.mask_propagator import MaskPropagator
from maskweave.video.stream import FrameFacts, VideoStream

_CHUNK_BYTES = 256_000_000
"""Frames that are held to be gone through backwards."""


def propagate_frames(
    source: Source, prompt: Prompt, network: Model, *, finder: Model | None = None
) -> Iterator[FrameResult]:
    """Yield every frame of a source with the prompt's objects, in order; ``track_ids`` are the objects' numbers.

    ``network`` gives features of every frame; ``finder`` finds what boxes and points mean (None: ``network`` does).

    An object that is first marked in a later frame begins there. Forwards nothing is held but the last frame. Frames
    before the prompt's are gone through first, backwards, in
    chunks that are read from the start of the source; only their compact masks are kept. An object that cannot be
    seen is not in a frame's result.

    Raises `InvalidValue` when the prompt fits no frame of the source, or ``network`` gives no features.
    """
    if prompt.frame and source.info.kind == "live":
        raise InvalidValue(f"{source.info.name}: a live stream cannot be gone through backwards; use frame 0")
    finder = finder or network
    before = _before(source, prompt, network, finder)
    follower, stream = _Follower(prompt, finder, label=source.info.name), VideoStream(network)

    def seen(frame: Frame) -> FrameFacts:
        facts = stream.facts(frame)
        if frame.index >= prompt.frame:
            _ = facts.features  # here several frames are at work at a time
        return facts

    last = -1
    with closing(prefetch_map(source, seen, workers=network.concurrency, source=source)) as frames:
        for facts in frames:
            last = facts.frame.index
            found = before.pop() if facts.frame.index < prompt.frame else follower.update(facts)
            yield FrameResult(facts.frame, found)
    if prompt.later and max(prompt.later) > last:
        raise InvalidValue(
            f"{source.info.name}: need masks of its {last + 1} frames, got one of frame {max(prompt.later)}"
            f"{_shortness(source)}"
        )


def _before(source: Source, prompt: Prompt, network: Model, finder: Model) -> list[Instances]:
    """Results of the frames before the prompt's, the first frame's last."""
    if prompt.frame == 0:
        return []
    last = deque(enumerate(islice(source, prompt.frame + 1), start=1), maxlen=1)
    count, start = last.pop() if last else (0, None)
    if start is None or count <= prompt.frame:
        raise InvalidValue(
            f"{source.info.name}: need a prompt for one of its {count} frames, got frame {prompt.frame}"
            f"{_shortness(source)}"
        )
    follower, stream = _Follower(prompt, finder, label=source.info.name), VideoStream(network)
    follower.update(stream.facts(start))
    chunk = max(8, _CHUNK_BYTES // start.image.nbytes)
    results: list[Instances] = []
    for end in range(prompt.frame, 0, -chunk):
        frames = list(islice(source, max(0, end - chunk), end))
        results.extend(follower.update(stream.facts(frame)) for frame in reversed(frames))
    return results


def _shortness(source: Source) -> str:
    """Why a source that was read to its end has no more frames, where it should have some."""
    return f" ({'; '.join(source.warnings)})" if is_incomplete(source) else ""


class _Follower:
    """One direction of propagation; its first frame is the prompt's."""

    def __init__(self, prompt: Prompt, finder: Model, *, label: str) -> None:
        self._prompt, self._finder, self._label = prompt, finder, label
        self._ids = np.array(prompt.object_ids)
        self._propagator: MaskPropagator | None = None

    def update(self, facts: FrameFacts) -> Instances:
        """The objects in the next frame."""
        if self._propagator is None:
            self._propagator, masks = self._begun(facts)
            return self._result(masks)
        probs = self._propagator.update(facts, facts.network_instances)
        ids = self._prompt.later.get(facts.frame.index)
        return self._result(probs if ids is None else self._marked(facts, probs, ids, self._propagator))

    def _begun(self, facts: FrameFacts) -> tuple[MaskPropagator, FloatArray]:
        """What follows the prompt's objects from here on, and their (K, H, W) masks in its frame."""
        self._prompt.check(facts.frame.size, label=self._label)
        masks = _prompted(self._prompt, facts.frame.image, self._finder)
        small = np.stack([facts.features.from_source(mask) for mask in masks])
        return MaskPropagator(facts, small, guide=self._finder.guide), masks.astype(np.float32)

    def _marked(
        self, facts: FrameFacts, probs: FloatArray, ids: IntArray, propagator: MaskPropagator
    ) -> FloatArray:
        """(K, H, W) soft masks of a frame that is marked again: as the id map has them, and the others beside."""
        named = np.unique(ids[ids != 0])
        self._ids = np.append(self._ids, named[~np.isin(named, self._ids)])
        rows = [int(np.flatnonzero(self._ids == number)[0]) for number in named]
        masks = np.zeros((len(self._ids), *ids.shape), np.float32)
        masks[: len(probs)] = probs * (ids == 0)
        for row, number in zip(rows, named, strict=True):
            masks[row] = ids == number
        if rows:
            propagator.mark(
                facts, np.stack([facts.features.from_source(masks[row] > 0) for row in rows]), rows
            )
        return masks

    def _result(self, probs: FloatArray) -> Instances:
        """(K, H, W) soft masks to instances: every pixel belongs to the likeliest, an object or none."""
        background = 1 - probs.sum(axis=0)
        assigned = (probs >= probs.max(axis=0)) & (probs > background)
        seen = np.flatnonzero(assigned.any(axis=(1, 2)))
        masks = Masks.from_dense(assigned[seen]) if len(seen) else Masks.empty(probs.shape[1:])
        return Instances(
            masks=masks,
            boxes=masks.boxes,
            scores=np.array([float(probs[k][assigned[k]].mean()) for k in seen]),
            class_ids=np.zeros(len(seen), dtype=np.int64),
            class_names=OBJECT_NAMES,
            track_ids=self._ids[seen],
        )


def _prompted(prompt: Prompt, image: Image, finder: Model) -> NDArray[np.bool_]:
    """(K, H, W) masks of the prompt's objects."""
    if prompt.ids is not None:
        return np.stack([prompt.ids == number for number in prompt.object_ids])
    return finder.prompt(image, prompt).masks.dense()

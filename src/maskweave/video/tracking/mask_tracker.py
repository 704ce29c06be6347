"""The built-in tracker: masks, motion and colors decide together which object is which.

Two stages in the manner of ByteTrack, https://arxiv.org/abs/2110.06864: good detections go to all tracks, the rest to
tracks that were seen a moment ago. Distances in time are seconds of the stream, never frames.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue
from maskweave.ops.masks import shift_masks
from maskweave.types.arrays import IntArray
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks, concatenate
from maskweave.video.stream import FrameFacts
from maskweave.video.tracking import appearance
from maskweave.video.tracking.association import Side, assign, similarity
from maskweave.video.tracking.box_motion import BoxMotion
from maskweave.video.tracking.smoothing import SteadyMask, steady

_CONTINUE = 0.5  # of the asked score: what may still continue a track
_MIN_LIKE, _MIN_LIKE_LOW = 0.3, 0.45
_MOMENT = 0.2  # seconds: a track not seen for longer is hidden
_YOUNG = 3  # sightings before a track is worth waiting for
_SCORE_GAIN, _AREA_GAIN, _SHRINK_GAIN, _DESCRIPTOR_GAIN = 0.3, 0.3, 0.04, 0.15
_SLACK = 1.5  # usual steps between frames: what is called "the frame before" in a slow stream


@dataclass
class _Tracks:
    """T tracks, column by column; ``motion`` has their boxes in the same rows."""

    masks: Masks  # as shown at the last sighting, and where they were then
    votes: NDArray[np.float64]  # (T, classes)
    ids: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    seen: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))  # seconds of the stream
    last_confident: NDArray[np.float64] = field(
        default_factory=lambda: np.zeros(0)
    )  # seen with a score that begins a track
    scores: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    areas: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    appearances: NDArray[np.float32] = field(
        default_factory=lambda: np.zeros((0, appearance.BINS), np.float32)
    )
    places: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 4)))  # of ``motion`` then
    steady: list[SteadyMask] = field(default_factory=list)
    motion: BoxMotion = field(default_factory=BoxMotion)

    def keep(self, rows: IntArray) -> None:
        """Keep these rows only."""
        for column in fields(self):
            if column.name not in ("steady", "motion"):
                setattr(self, column.name, getattr(self, column.name)[rows])
        self.steady = [self.steady[row] for row in rows.tolist()]
        self.motion.keep(rows)

    def begin(
        self, found: Instances, appearances: NDArray[np.float32], *, time: float, first_id: int
    ) -> None:
        """Append a track for each object."""
        classes = self.votes.shape[1]
        self.motion.begin(found.boxes)
        self.masks = concatenate([self.masks, found.masks])
        votes = found.scores[:, None] * (found.class_ids[:, None] == np.arange(classes))
        self.votes = np.concatenate([self.votes, votes])
        self.ids = np.concatenate([self.ids, np.arange(first_id, first_id + len(found))])
        self.seen = np.concatenate([self.seen, np.full(len(found), time)])
        self.last_confident = np.concatenate([self.last_confident, np.full(len(found), time)])
        self.scores = np.concatenate([self.scores, found.scores])
        self.areas = np.concatenate([self.areas, found.masks.areas])
        self.appearances = np.concatenate([self.appearances, appearances])
        self.places = np.concatenate([self.places, self.motion.places[len(self.places) :]])
        self.steady += [SteadyMask.of(crop, (x, y)) for crop, x, y in found.masks.placed()]

    def sight(
        self,
        rows: IntArray,
        found: Instances,
        appearances: NDArray[np.float32],
        *,
        time: float,
        min_score: float,
    ) -> None:
        """Take in the objects that continue the tracks ``rows``; their masks stay as they were.

        From the score ``min_score`` on an object is surely there.
        """
        areas = found.masks.areas.astype(np.float64)
        similarities = np.minimum(areas, self.areas[rows]) / np.maximum(
            np.maximum(areas, self.areas[rows]), 1
        )
        trust = np.clip(2.5 * similarities - 1.25, 0, 1)  # 1 from 90 % of the area on, 0 under half of it
        self.motion.correct(rows, found.boxes, seconds=time - self.seen[rows], trust=trust)
        self.appearances[rows] = appearance.blend(
            self.appearances[rows], appearances, _DESCRIPTOR_GAIN * trust
        )
        gain = np.where(
            areas < self.areas[rows], _SHRINK_GAIN, _AREA_GAIN
        )  # going into hiding is not shrinking
        self.areas[rows] += gain * (areas - self.areas[rows])
        self.scores[rows] += _SCORE_GAIN * (found.scores - self.scores[rows])
        self.votes[rows, found.class_ids] += found.scores
        self.seen[rows] = time
        self.last_confident[rows[found.scores >= min_score]] = time
        self.places[rows] = self.motion.places[rows]

    def current_masks(self) -> Masks:
        """The masks where the motion says they are now."""
        moved = self.motion.places[:, :2] - self.places[:, :2]
        return shift_masks(self.masks, np.rint(moved).astype(np.int64))

    def __len__(self) -> int:
        return len(self.ids)


class MaskTracker:
    """Follows objects by the overlap of motion-compensated masks, the motion of boxes, and colors.

    A hidden object is waited for ``patience`` seconds and keeps its number; low scores carry a track for as long
    after its last good one. Then, after the start of another scene, and when the image's size changes or time runs
    backwards, tracks end. Numbers are never used again. The class is what most sightings say, weighted by score; the
    score is averaged over time; with ``steady_masks`` outlines are averaged too (see `smoothing.steady`).

    Raises `InvalidValue` for a patience that is negative.
    """

    def __init__(self, *, patience: float = 1.0, steady_masks: bool = True) -> None:
        if not patience >= 0:
            raise InvalidValue(f"tracker: need a patience of 0 seconds or more, got {patience}")
        self._patience = patience
        self._steady_masks = steady_masks
        self._tracks: _Tracks | None = None
        self._clock = _Clock()
        self._min_score = 0.0
        self._next_id = 1

    def start(self, score: float) -> float:
        """Objects begin a track from ``score`` on and continue one from half of it; see `Tracker`."""
        self._min_score = score
        return _CONTINUE * score

    def update(self, facts: FrameFacts, instances: Instances) -> Instances:
        """Return the objects of a frame that belong to a track, in the order they came; see `Tracker`.

        Raises `InvalidValue` when the masks are of another size than the frame.
        """
        frame = facts.frame
        if instances.size != frame.size:
            raise InvalidValue(
                f"frame {frame.index}: need masks of the frame's size {frame.size}, got {instances.size}"
            )
        tracks = self._tracks_now(facts, instances)
        reduced, factor = facts.reduced
        appearances = appearance.describe(reduced, instances.masks, factor=factor)
        rows, objects = self._match(tracks, instances, appearances)
        self._continue(tracks, rows, instances[objects], appearances[objects])
        fresh = np.setdiff1d(np.flatnonzero(instances.scores >= self._min_score), objects)
        if len(fresh):
            tracks.begin(instances[fresh], appearances[fresh], time=self._clock.time, first_id=self._next_id)
            self._next_id += len(fresh)
        rows = np.concatenate([rows, np.arange(len(tracks) - len(fresh), len(tracks))])
        objects = np.concatenate([objects, fresh])
        order = np.argsort(objects)
        return _shown(tracks, rows[order], instances[objects[order]])

    def _tracks_now(self, facts: FrameFacts, instances: Instances) -> _Tracks:
        """The tracks that may still go on, moved to the time of the frame."""
        frame = facts.frame
        seconds = self._clock.tick(float(frame.time))
        camera, scene_start = facts.camera_motion, facts.scene_start  # both are asked of every frame
        tracks = self._tracks
        if scene_start or seconds is None or tracks is None or tracks.masks.size != frame.size:
            self._tracks = _Tracks(Masks.empty(frame.size), np.zeros((0, len(instances.class_names))))
            return self._tracks
        hidden = self._clock.time - tracks.seen
        young = tracks.motion.sightings < _YOUNG
        patience = np.where(young, self._clock.moment, self._wait)
        gone = hidden > patience
        if gone.any():
            tracks.keep(np.flatnonzero(~gone))
        tracks.motion.move_camera(camera)
        tracks.motion.predict(seconds)
        return tracks

    def _match(
        self, tracks: _Tracks, instances: Instances, appearances: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows of tracks and rows of the objects that continue them."""
        if not len(tracks) or not len(instances):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        hidden = self._clock.time - tracks.seen > self._clock.moment
        expected = Side(
            tracks.current_masks(), tracks.motion.boxes, tracks.appearances, tracks.votes.argmax(axis=1)
        )
        found = Side(instances.masks, instances.boxes, appearances, instances.class_ids)
        similarities = similarity(expected, found, unsure=hidden | (tracks.motion.sightings < 2))
        good = instances.scores >= self._min_score
        first = assign(similarities * good, min_similarity=_MIN_LIKE)
        free = ~hidden & (self._clock.time - tracks.last_confident <= self._wait)
        free[first[:, 0]] = False
        second = assign(similarities * (free[:, None] & ~good), min_similarity=_MIN_LIKE_LOW)
        pairs = np.concatenate([first, second])
        return pairs[:, 0], pairs[:, 1]

    @property
    def _wait(self) -> float:
        """Seconds for which a track is kept without a confident detection."""
        return max(self._patience, self._clock.step)

    def _continue(
        self, tracks: _Tracks, rows: NDArray[np.int64], found: Instances, appearances: NDArray[np.float32]
    ) -> None:
        """Take in the objects ``found`` that continue the tracks ``rows``."""
        if not len(rows):
            return
        seconds = self._clock.time - tracks.seen[rows]
        before = tracks.places[rows, 2:]
        tracks.sight(rows, found, appearances, time=self._clock.time, min_score=self._min_score)
        scales = np.sqrt((tracks.places[rows, 2:] / np.maximum(before, 1)).prod(axis=1).clip(0.64, 1.5625))
        crops, corners = list(tracks.masks.crops), tracks.masks.corners.copy()
        for row, (crop, x, y), scale, passed in zip(
            rows.tolist(), found.masks.placed(), scales.tolist(), seconds.tolist(), strict=True
        ):
            if self._steady_masks:
                tracks.steady[row], crops[row], corners[row] = steady(
                    tracks.steady[row], crop, (x, y), size=found.size, scale=scale, seconds=passed
                )
            else:
                crops[row], corners[row] = crop, (x, y)
        tracks.masks = Masks.of_tight(crops, corners, found.size)


@dataclass
class _Clock:
    """The stream's time, and how far its frames usually lie apart."""

    time: float = 0.0
    usual: float | None = None
    started: bool = False

    def tick(self, time: float) -> float | None:
        """Go to ``time``; return the seconds passed, None at the start or when time ran backwards."""
        passed = time - self.time
        begun, self.started, self.time = self.started, True, time
        if not begun or passed < 0:
            self.usual = None
            return None
        share = 0.1 if self.usual is not None else 1.0
        usual = passed if self.usual is None else self.usual
        self.usual = usual + share * (min(passed, 4 * usual) - usual)
        return passed

    @property
    def step(self) -> float:
        """Seconds after which something was surely seen in the frame before."""
        return _SLACK * (self.usual or 0.0)

    @property
    def moment(self) -> float:
        """Seconds for which an object that is not found counts as overlooked rather than hidden."""
        return max(_MOMENT, self.step)


def _shown(tracks: _Tracks, rows: NDArray[np.int64], found: Instances) -> Instances:
    return found.replace(
        masks=tracks.masks[rows],
        scores=np.clip(tracks.scores[rows], 0, 1),
        class_ids=tracks.votes[rows].argmax(axis=1),
        track_ids=tracks.ids[rows],
    )

"""Add up, frame by frame, what one run did."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from maskweave.stages import StageClock
from maskweave.types.counts import Counts
from maskweave.types.instances import Instances
from maskweave.types.result import FrameResult
from maskweave.types.semantic import SemanticMap


@dataclass
class RunReport:
    """What one run did, on one source.

    Attributes:
        frames: How many were segmented.
        objects: Summed over the frames; None where the results are maps of classes.
        tracks: How many different ones they are, where they have ids.
        classes: How many objects of each class, every track once.
        shares: Of maps of classes, the mean share of the pixels that each has.
        lost: Of a propagation, the frames in which an object that was seen before has no pixels, as (first, last).
        clock: Seconds per stage.
        paths: Files and folders that were written.
        replaced: Those of them that an earlier run had written.
        warnings: One sentence each; they also say what is missing where the run is not complete.
        counts: What lines and zones had counted in the end.
        propagates: Whether ``lost`` is noted.
        is_complete: Whether the source had all that it promised.
    """

    frames: int = 0
    objects: int | None = None
    tracks: int | None = None
    classes: dict[str, int] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)
    lost: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    clock: StageClock = field(default_factory=StageClock)
    paths: list[Path] = field(default_factory=list)
    replaced: list[Path] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    counts: Counts | None = None
    propagates: bool = False
    is_complete: bool = True
    _known_ids: set[int] = field(default_factory=set, repr=False, compare=False)

    def add(self, result: FrameResult) -> None:
        """Take in one frame's result."""
        self.frames += 1
        self.counts = result.counts
        prediction = result.prediction
        if not isinstance(prediction, Instances):
            self._add_shares(prediction)
            return
        self.objects = (self.objects or 0) + len(prediction)
        names = prediction.names
        if prediction.track_ids is not None:
            ids = prediction.track_ids.tolist()
            names = tuple(
                name for name, track in zip(names, ids, strict=True) if track not in self._known_ids
            )
            if self.propagates:
                self._note_lost(self._known_ids.difference(ids))
            self._known_ids.update(ids)
            self.tracks = len(self._known_ids)
        for name in names:
            self.classes[name] = self.classes.get(name, 0) + 1

    def _add_shares(self, prediction: SemanticMap) -> None:
        """Move the mean shares of classes on by one map; pixels that are ignored belong to none."""
        names = prediction.class_names
        pixels = prediction.class_map
        counts = np.bincount(pixels.ravel(), minlength=len(names))[: len(names)]
        self.shares = {name: share * (1 - 1 / self.frames) for name, share in self.shares.items()}
        for row in np.flatnonzero(counts).tolist():
            share = float(counts[row]) / pixels.size / self.frames
            self.shares[names[row]] = self.shares.get(names[row], 0.0) + share

    def _note_lost(self, ids: Iterable[int]) -> None:
        """Note that objects have no pixels in the newest frame."""
        frame = self.frames - 1
        for track in ids:
            spans = self.lost.setdefault(track, [])
            if spans and spans[-1][1] == frame - 1:
                spans[-1] = (spans[-1][0], frame)
            else:
                spans.append((frame, frame))

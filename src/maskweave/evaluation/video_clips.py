"""The tracks of one clip, whose masks stay run lengths until a frame is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from maskweave.errors import InvalidValue
from maskweave.ops.iou import mask_intersections
from maskweave.ops.rle import Rle, decode_masks
from maskweave.types.arrays import IntArray, Size
from maskweave.types.masks import Masks


@dataclass(frozen=True)
class Track:
    """One object through a clip.

    Attributes:
        track_id: Its number in the clip.
        class_id: Index into the clip's class names.
        rles: Its mask in each frame where it is seen.
        score: How sure it is; 1 in a truth.
        crowd: A group of uncounted objects: finding something there costs nothing.
    """

    track_id: int
    class_id: int
    rles: Mapping[int, Rle]
    score: float = 1.0
    crowd: bool = False


@dataclass(frozen=True)
class VideoClip:
    """All tracks of a clip.

    Attributes:
        name: Of the clip.
        size: (height, width); None where no object tells it.
        length: Number of frames; where a file does not say, up to the last object.
        tracks: In file order.
        class_names: What class ids index.
        ignored: By frame, regions in which nothing of any class counts.
    """

    name: str
    size: Size | None
    length: int
    tracks: tuple[Track, ...]
    class_names: tuple[str, ...]
    ignored: Mapping[int, tuple[Rle, ...]] = field(default_factory=dict)

    def by_frame(self) -> dict[int, list[int]]:
        """The tracks (as indices) that are seen in each frame where any is."""
        seen: dict[int, list[int]] = {}
        for index, track in enumerate(self.tracks):
            for frame in track.rles:
                seen.setdefault(frame, []).append(index)
        return seen

    def masks(self, frame: int, indices: list[int]) -> Masks:
        """Of some tracks in a frame where they are all seen."""
        return decode_masks([self.tracks[index].rles[frame] for index in indices], self.size or (1, 1))


@dataclass(frozen=True, eq=False)
class FrameOverlap:
    """The objects of one frame on both sides: indices of tracks, pixels of each mask, (N, M) shared pixels."""

    true: list[int]
    found: list[int]
    true_areas: IntArray
    found_areas: IntArray
    shared: IntArray
    ignored: IntArray
    """(M,) pixels of each found mask in regions that are ignored."""


def overlaps(truth: VideoClip, predicted: VideoClip) -> list[FrameOverlap]:
    """Each frame of either clip in which an object is, in order; one frame's masks are in memory at a time.

    Raises `InvalidValue` where class names or sizes differ.
    """
    if truth.class_names != predicted.class_names:
        raise InvalidValue(f"{truth.name}: need classes {truth.class_names}, got {predicted.class_names}")
    if truth.size is not None and predicted.size is not None and truth.size != predicted.size:
        raise InvalidValue(f"{truth.name}: need (height, width) {truth.size}, got {predicted.size}")
    true, found = truth.by_frame(), predicted.by_frame()
    return [_overlap(truth, predicted, frame, true.get(frame, []), found.get(frame, []))
            for frame in sorted(true.keys() | found.keys())]  # fmt: skip


def _overlap(
    truth: VideoClip, predicted: VideoClip, frame: int, true: list[int], found: list[int]
) -> FrameOverlap:
    size = truth.size or predicted.size or (1, 1)
    true_masks = truth.masks(frame, true) if true else Masks.empty(size)
    found_masks = predicted.masks(frame, found) if found else Masks.empty(size)
    regions = decode_masks(list(truth.ignored.get(frame, ())), size)
    ignored = np.zeros(len(found), dtype=np.int64)
    if len(regions) and len(found):
        ignored = mask_intersections(found_masks, Masks.from_dense(regions.union()[None]))[:, 0]
    shared = mask_intersections(true_masks, found_masks)
    return FrameOverlap(true, found, true_masks.areas, found_masks.areas, shared, ignored)

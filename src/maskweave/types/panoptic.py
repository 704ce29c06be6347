"""The result of panoptic segmentation: every pixel is of one object, of one class without objects, or of nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maskweave.errors import InvalidValue
from maskweave.types.arrays import IntArray, Mask, Size
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks

VOID = 0
"""The segment id of pixels that belong to nothing."""
LARGEST_ID = 2**24 - 1
"""What the three bytes of a colour hold."""


@dataclass(frozen=True)
class Segment:
    """One object of a class of things, or all pixels of a class that has no objects, of stuff.

    ``id``: its number in the map. ``class_id``: index into the class names. ``area`` in pixels. ``score``: how sure
    the model is of the object; None for stuff.
    """

    id: int
    class_id: int
    area: int
    score: float | None = None


@dataclass(frozen=True, eq=False)
class Panoptic:
    """Segments that do not overlap.

    - ``id_map``: (H, W) integers, the segment's id at each pixel, or `VOID`.
    - ``segments``: one for each id in the map.
    - ``class_names``: of things and stuff.
    - ``is_thing``: for each of these, whether it is a class of things.

    Raises `InvalidValue` when shapes or values do not fit, or map and segments do not tell of the same ids and areas.
    """

    id_map: IntArray
    segments: tuple[Segment, ...]
    class_names: tuple[str, ...]
    is_thing: tuple[bool, ...]

    def __post_init__(self) -> None:
        """Check and freeze."""
        id_map = np.asarray(self.id_map)
        if id_map.ndim != 2 or id_map.dtype.kind not in "iu" or 0 in id_map.shape:
            raise InvalidValue(f"id_map: need non-empty (H, W) integers, got {id_map.shape} {id_map.dtype}")
        if len(self.is_thing) != len(self.class_names):
            raise InvalidValue(
                f"is_thing: need one for each of {len(self.class_names)} classes, got {len(self.is_thing)}"
            )
        for segment in self.segments:
            if not VOID < segment.id <= LARGEST_ID or not 0 <= segment.class_id < len(self.class_names):
                raise InvalidValue(
                    f"segments: need ids of 1 to {LARGEST_ID} and classes of 0 to {len(self.class_names) - 1}, "
                    f"got {segment}"
                )
        ids, counts = np.unique(id_map, return_counts=True)
        seen = dict(zip(ids.tolist(), counts.tolist(), strict=True))
        seen.pop(VOID, None)
        told = {segment.id: segment.area for segment in self.segments}
        if seen != told or len(told) != len(self.segments):
            raise InvalidValue(f"segments: need the ids and areas of the map, {seen}, got {told}")
        id_map = id_map.astype(np.int32)
        id_map.flags.writeable = False
        object.__setattr__(self, "id_map", id_map)
        object.__setattr__(self, "segments", tuple(self.segments))
        object.__setattr__(self, "class_names", tuple(self.class_names))
        object.__setattr__(self, "is_thing", tuple(self.is_thing))

    @property
    def size(self) -> Size:
        """(height, width) of the image."""
        height, width = self.id_map.shape
        return height, width

    @property
    def names(self) -> tuple[str, ...]:
        """The class name of each segment."""
        return tuple(self.class_names[segment.class_id] for segment in self.segments)

    def mask(self, segment_id: int) -> Mask:
        """(H, W) bool, true where the segment is."""
        found: Mask = self.id_map == segment_id
        return found

    def as_instances(self) -> Instances:
        """Every segment as an object, stuff with score 1 and ids as track ids: to draw, or for other formats."""
        masks = Masks.from_dense(
            np.stack([self.mask(segment.id) for segment in self.segments])
            if self.segments
            else np.zeros((0, *self.size), bool)
        )
        return Instances(
            masks,
            masks.boxes,
            np.array([1.0 if segment.score is None else segment.score for segment in self.segments]),
            np.array([segment.class_id for segment in self.segments], np.int64),
            self.class_names,
            np.array([segment.id for segment in self.segments], np.int64),
        )

    def __repr__(self) -> str:
        return f"Panoptic({', '.join(self.names) or 'nothing'} in {self.size[0]}x{self.size[1]})"

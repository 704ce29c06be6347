"""The record that every reader yields and every writer takes: one image, or frame of a video, with its objects."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue
from maskweave.ops.boxes import box_areas
from maskweave.sources.kinds import VIDEO_SUFFIXES
from maskweave.types.arrays import FloatArray, Image, Size, column
from maskweave.types.counts import Counts
from maskweave.types.instances import Instances
from maskweave.types.semantic import SemanticMap

if TYPE_CHECKING:
    from maskweave.annotations.values import Id
    from maskweave.types.georeference import GeoReference


@dataclass(frozen=True)
class Category:
    """A class of a data set as its file has it: the file's own ``id``, and whether it is countable (``thing``)."""

    id: int
    name: str
    thing: bool = True


@dataclass(frozen=True, eq=False)
class Record:
    """One image of a data set, or one frame of a video.

    Attributes:
        file_name: Of the image, "/"-separated, relative to the data set's images.
        instances: The objects; ``instances.size`` is the image's (height, width). Scores of truths are 1. An object
            of which only the box is known has a mask without pixels.
        crowd: (N,) bool, True for a region of uncounted objects; None means none is.
        semantic: The class of every pixel, only where it says something of pixels outside the objects. Its class 0
            is background.
        categories: All classes with the ids that the file gives them; () where the format has no ids.
        video: The video's name; "" for a still.
        frame: The frame's number in the video, from 0; None for a still.
        time: Of the frame, in seconds, where the file says so.
        image: The image file, where it was found.
        image_id: The file's own id of the image; None where it has none.
        source: Where the image comes from; "" where the file does not say.
        labeled: Names of the classes labeled exhaustively in the image; None means all. What a model finds of another
            class is unknown rather than wrong.
        areas: (N,) square pixels as the file states them, by which COCO tells small objects from large ones; NaN
            where it does not, None where it states none.
        scored: Whether the file states a score of each object.
        exact: (N,) bool, False where a mask may hold parts of neighbors of the same class; None means all are exact.
        pixels: The image itself, where it is in memory.
        geo: Where on a map the image lies, for formats that write map coordinates.
        counts: What lines and zones have counted up to this frame; None where nothing is counted.

    Raises:
        InvalidValue: A column or the class map does not fit the objects.
    """

    file_name: str
    instances: Instances
    crowd: NDArray[np.bool_] | None = None
    semantic: SemanticMap | None = None
    categories: tuple[Category, ...] = ()
    video: str = ""
    frame: int | None = None
    time: float | None = None
    image: Path | None = None
    image_id: Id | None = None
    source: str = ""
    labeled: frozenset[str] | None = None
    areas: FloatArray | None = None
    scored: bool = False
    exact: NDArray[np.bool_] | None = None
    pixels: Image | None = None
    geo: GeoReference | None = None
    counts: Counts | None = None

    def __post_init__(self) -> None:
        """Check what must fit the objects."""
        rows = len(self.instances)
        for name in ("crowd", "exact"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, column(name, getattr(self, name), rows=rows, dtype=np.bool_))
        if self.areas is not None and self.areas.shape != (rows,):
            raise InvalidValue(f"areas: need ({rows},), got {self.areas.shape}")
        if self.semantic is not None and self.semantic.size != self.size:
            raise InvalidValue(f"class map: need the image's size {self.size}, got {self.semantic.size}")

    def select(self, rows: NDArray[np.bool_]) -> Record:
        """The record with some of its objects."""
        return replace(
            self,
            instances=self.instances[rows],
            crowd=None if self.crowd is None else self.crowd[rows],
            areas=None if self.areas is None else self.areas[rows],
            exact=None if self.exact is None else self.exact[rows],
        )

    @property
    def box_only(self) -> NDArray[np.bool_]:
        """(N,) bool: of which objects no pixel is known, only the box."""
        empty: NDArray[np.bool_] = self.instances.masks.areas == 0
        return empty

    @property
    def stated_areas(self) -> FloatArray:
        """(N,) the areas that the file states; where it states none that of the mask, or of the box without one."""
        counted = np.where(self.box_only, box_areas(self.instances.boxes), self.instances.masks.areas)
        if self.areas is None:
            return counted
        return np.where(np.isfinite(self.areas), self.areas, counted)

    @property
    def size(self) -> Size:
        """(height, width) of the image."""
        return self.instances.size

    @property
    def crowds(self) -> NDArray[np.bool_]:
        """(N,) bool: which objects are crowds."""
        return np.zeros(len(self.instances), dtype=np.bool_) if self.crowd is None else self.crowd

    @property
    def stem(self) -> str:
        """The name without its suffix, "/"-separated; a frame that only has its video's name adds its number.

        >>> nothing = Instances.empty((2, 2), ())
        >>> Record("a/b.jpg", nothing).stem, Record("clip.mp4", nothing, video="clip", frame=7).stem
        ('a/b', 'clip/00007')
        """
        path = PurePosixPath(self.file_name)
        of_video = path.suffix.lower() in VIDEO_SUFFIXES or self.file_name in ("", self.video)
        if self.frame is not None and of_video:
            return f"{path.with_suffix('') if self.file_name else self.video}/{self.frame:05d}"
        return str(path.with_suffix(""))

    @property
    def image_name(self) -> str:
        """The name of the frame's own image, "/"-separated: its file's, or, of a video's frame, a PNG's."""
        path = PurePosixPath(self.file_name)
        return self.file_name if str(path.with_suffix("")) == self.stem else f"{self.stem}.png"

    @property
    def group(self) -> str:
        """The video's name; for a still the folder it lies in, or "video"."""
        folder = PurePosixPath(self.stem).parent
        return self.video or (folder.as_posix() if folder.name else "video")

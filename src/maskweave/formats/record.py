"""What every reader yields and every writer takes: one picture, or frame of a video, with what is marked in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue
from maskweave.sources.kinds import VIDEO_SUFFIXES
from maskweave.types.arrays import Size, column
from maskweave.types.instances import Instances
from maskweave.types.semantic import SemanticMap


@dataclass(frozen=True)
class Category:
    """A class of a data set as its file has it: the file's own ``id``, and whether it is countable (``thing``)."""

    id: int
    name: str
    thing: bool = True


@dataclass(frozen=True, eq=False)
class Record:
    """One picture of a data set.

    - ``file_name``: of the picture, "/"-separated, relative to the data set's pictures.
    - ``instances``: the objects; ``instances.size`` is the picture's (height, width). Scores of truths are 1.
      An object of which only the box is known has a mask without pixels.
    - ``crowd``: (N,) bool, True for a region of uncounted objects; None means none is.
    - ``semantic``: the class of every pixel, only where it tells of pixels outside the objects. Its class 0 is
      background.
    - ``categories``: all classes with the ids that the file gives them; () where the format has no ids.
    - ``video``, ``frame``: the video's name and the frame's number in it, from 0; "" and None for a still.
    - ``time``: of the frame, in seconds, where the file says so.
    - ``picture``: the picture itself, where it was found.

    Raises `InvalidValue` for a crowd column or a class map that does not fit.
    """

    file_name: str
    instances: Instances
    crowd: NDArray[np.bool_] | None = None
    semantic: SemanticMap | None = None
    categories: tuple[Category, ...] = ()
    video: str = ""
    frame: int | None = None
    time: float | None = None
    picture: Path | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        """Check what must fit the objects."""
        if self.crowd is not None:
            crowd = column("crowd", self.crowd, rows=len(self.instances), dtype=np.bool_)
            object.__setattr__(self, "crowd", crowd)
        if self.semantic is not None and self.semantic.size != self.size:
            raise InvalidValue(f"class map: need the picture's size {self.size}, got {self.semantic.size}")

    @property
    def size(self) -> Size:
        """(height, width) of the picture."""
        return self.instances.size

    @property
    def crowds(self) -> NDArray[np.bool_]:
        """(N,) bool: which objects are crowds."""
        return np.zeros(len(self.instances), dtype=np.bool_) if self.crowd is None else self.crowd

    @property
    def stem(self) -> str:
        """The name without its suffix, "/"-separated; a frame that only has its video's name adds its number.

        >>> nothing = Instances.empty((2, 2), ())
        >>> Record("a/b.jpg", nothing).stem, Record("film.mp4", nothing, video="film", frame=7).stem
        ('a/b', 'film/00007')
        """
        path = PurePosixPath(self.file_name)
        if self.frame is not None and (path.suffix.lower() in VIDEO_SUFFIXES or not self.file_name):
            return f"{path.with_suffix('') if self.file_name else self.video}/{self.frame:05d}"
        return str(path.with_suffix(""))

    @property
    def picture_name(self) -> str:
        """The name of the frame's own picture, "/"-separated: its file's, or, of a video's frame, a PNG's."""
        path = PurePosixPath(self.file_name)
        return self.file_name if str(path.with_suffix("")) == self.stem else f"{self.stem}.png"

    @property
    def group(self) -> str:
        """The video's name; for a still the folder it lies in, or "video"."""
        folder = PurePosixPath(self.stem).parent
        return self.video or (folder.as_posix() if folder.name else "video")

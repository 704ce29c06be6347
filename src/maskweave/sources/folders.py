"""A folder of numbered frames, read as one video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

from maskweave.errors import InvalidValue, UnreadableVideo
from maskweave.sources.base import MAX_PIXELS, Closing
from maskweave.sources.images import read_image
from maskweave.types.arrays import Size
from maskweave.types.frame import Frame, SourceInfo

FRAME_RATE = Fraction(25)
"""Frames per second of a folder that does not say."""


class FrameFolderSource(Closing):
    """Pictures of one size as the frames of a video, in the order given; `Frame.name` is the file's stem.

    Times are index / ``rate``: a folder has no timestamps of its own.

    Raises `InvalidValue` for no pictures or a rate that is not positive; iterating raises `UnreadableVideo`
    for a picture of another size than the first, and what `read_image` raises.
    """

    def __init__(
        self,
        pictures: Sequence[Path],
        name: str,
        *,
        rate: Fraction | float = FRAME_RATE,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        if not pictures or rate <= 0:
            raise InvalidValue(f"frames: need pictures and a rate above 0, got {len(pictures)} at {rate}")
        self._pictures = tuple(pictures)
        self._max_pixels = max_pixels
        exact = Fraction(rate).limit_denominator(1001)
        self._step = 1 / exact
        self.info = SourceInfo(
            name=name,
            kind="video",
            path=self._pictures[0].parent,
            rate=exact,
            time_base=self._step,
            frame_count=len(pictures),
            duration=float(len(pictures) * self._step),
        )
        self.warnings: list[str] = []

    def __iter__(self) -> Iterator[Frame]:
        size: Size | None = None
        for index, path in enumerate(self._pictures):
            image = read_image(path, max_pixels=self._max_pixels)
            size = size or image.shape[:2]
            if image.shape[:2] != size:
                raise UnreadableVideo(
                    f"{path}: need {size[1]} x {size[0]} pixels like the first frame of the folder, "
                    f"got {image.shape[1]} x {image.shape[0]}; scale it, or do not read the folder as a video"
                )
            yield Frame(image, index, index * self._step, self._step, self.info.name, path.stem)

"""A folder of numbered frames, read as one video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

from maskweave.errors import InvalidValue, UnreadableVideo
from maskweave.sources.base import FRAME_RATE, MAX_PIXELS, Closing, exact_rate
from maskweave.sources.images import read_image
from maskweave.types.arrays import Size
from maskweave.types.frame import Frame, SourceInfo


class FrameFolderSource(Closing):
    """Pictures of one size as the frames of a video, in the order given.

    `Frame.name` is the file's stem, `Frame.file_name` its whole name. Times are index / ``rate``: a folder has
    no timestamps of its own.

    Raises `InvalidValue` for no pictures or a rate that is not positive, and `UnreadableVideo` when two
    pictures share a stem (upper and lower case taken as the same), since their results would have one name.
    Iterating raises `UnreadableVideo` for a picture of another size than the first, and what `read_image`
    raises.
    """

    def __init__(
        self,
        pictures: Sequence[Path],
        name: str,
        *,
        rate: Fraction | float = FRAME_RATE,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        if not pictures:
            raise InvalidValue("frames: need at least one picture, got none")
        _check_stems(pictures)
        self._pictures = tuple(pictures)
        self._max_pixels = max_pixels
        exact = exact_rate(rate)
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
            time = index * self._step
            yield Frame(image, index, time, self._step, self.info.name, path.stem, path.name)


def _check_stems(pictures: Sequence[Path]) -> None:
    seen: dict[str, Path] = {}
    for path in pictures:
        other = seen.setdefault(path.stem.casefold(), path)
        if other is not path:
            raise UnreadableVideo(
                f"{path.parent}: need frames of different names, got {other.name} and {path.name}, "
                "whose results would replace each other; move one of them away"
            )

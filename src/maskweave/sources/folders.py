"""Read a folder of numbered frames as one video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from maskweave.errors import InvalidValue, UnreadableImage, UnreadableVideo
from maskweave.sources.base import FRAME_RATE, MAX_PIXELS, Closing, exact_rate, warn_once
from maskweave.sources.damaged import DamagedMembers
from maskweave.sources.open_image import one_frame, open_image
from maskweave.sources.raster_options import RasterOptions
from maskweave.types.arrays import Size
from maskweave.types.frame import Frame, SourceInfo


class FrameFolderSource(Closing):
    """Images of one size as the frames of a video, in the order given.

    Each is read as it would be alone, by ``raster_options``; damaged ones are left out, and named. `Frame.name` is
    the file's stem, `Frame.file_name` its whole name. The time of an image is its number / ``rate``: a folder has no
    timestamps of its own.

    Raises `InvalidValue` for no images or a rate that is not positive, and `UnreadableVideo` when two
    images share a stem (upper and lower case taken as the same), since their results would have one name.
    Iterating raises `UnreadableVideo` for an image of another size than the first, `UnreadableImage` where none can
    be read, and what else `open_image` and its sources raise.
    """

    def __init__(
        self,
        images: Sequence[Path],
        name: str,
        *,
        rate: Fraction | float = FRAME_RATE,
        max_pixels: int = MAX_PIXELS,
        raster_options: RasterOptions | None = None,
    ) -> None:
        if not images:
            raise InvalidValue("frames: need at least one image, got none")
        _check_stems(images)
        self._images = tuple(images)
        self._max_pixels = max_pixels
        self._raster_options = raster_options
        exact = exact_rate(rate)
        self._step = 1 / exact
        self.info = SourceInfo(
            name=name,
            kind="video",
            path=self._images[0].parent,
            rate=exact,
            time_base=self._step,
            frame_count=len(images),
            duration=float(len(images) * self._step),
        )
        self.warnings: list[str] = []
        self._warned: list[str] = []

    def __iter__(self) -> Iterator[Frame]:
        size: Size | None = None
        damaged = DamagedMembers("image", of=len(self._images))
        for number, path in enumerate(self._images):
            with ExitStack() as stack:
                try:
                    frame = self._read(path, stack)
                except UnreadableImage as error:
                    damaged.add(path.name, error)
                    continue
                size = size or frame.size
                if frame.size != size:
                    raise UnreadableVideo(
                        f"{path}: need {size[1]} x {size[0]} pixels like the first frame of the folder, got "
                        f"{frame.size[1]} x {frame.size[0]}; scale it, or do not read the folder as a video"
                    )
                yield replace(
                    frame,
                    index=number - len(damaged),
                    time=number * self._step,
                    duration=self._step,
                    source=self.info.name,
                    name=path.stem,
                    file_name=path.name,
                )
        self.warnings += damaged.sentences()
        self.is_incomplete = bool(damaged)

    def _read(self, path: Path, stack: ExitStack) -> Frame:
        """The image of a file, which stays open as long as ``stack``: it may be read piece by piece."""
        source = stack.enter_context(
            open_image(path, max_pixels=self._max_pixels, raster_options=self._raster_options)
        )
        (frame,) = one_frame(source)
        self._add_warnings(path, source.warnings)
        return frame

    def _add_warnings(self, path: Path, lines: Sequence[str]) -> None:
        """Report what one image has to say, once for all that say the same."""
        before = len(self._warned)
        warn_once(self._warned, *lines)
        self.warnings += [f"{path.name}: {line}" for line in self._warned[before:]]


def _check_stems(images: Sequence[Path]) -> None:
    seen: dict[str, Path] = {}
    for path in images:
        other = seen.setdefault(path.stem.casefold(), path)
        if other is not path:
            raise UnreadableVideo(
                f"{path.parent}: need frames of different names, got {other.name} and {path.name}, "
                "whose results would replace each other; move one of them away"
            )

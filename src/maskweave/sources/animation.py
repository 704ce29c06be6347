"""Read the frames of an animated image (GIF, PNG, WebP, AVIF) as those of a video."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from maskweave.errors import UnreadableImage
from maskweave.sources.base import FRAME_RATE, MAX_PIXELS, Closing, check_budget
from maskweave.sources.gif import gif_frames
from maskweave.sources.images import ANIMATED, open_encoded, rgb_upright
from maskweave.sources.kinds import is_regular
from maskweave.types.frame import Frame, SourceInfo

_TOO_SHORT = Fraction(1, 100)  # up to this, frames are shown for a tenth of a second, as browsers do
_USUAL_SECONDS = Fraction(1, 10)


def frames_in(path: Path) -> int:
    """How many frames an animated image has; 1 for anything else, and for what cannot be read."""
    if not is_regular(path):
        return 1
    try:
        with open_encoded(path) as opened:
            if opened.format == "GIF":
                return sum(gif_frames(path))  # the one that is cut as well
            count = int(getattr(opened, "n_frames", 1)) if opened.format in ANIMATED else 1
            return count - _stands_apart(opened)
    except Exception:  # told by whoever reads it as an image
        return 1


class AnimationSource(Closing):
    """Each frame of an animation as it is shown, composited on white, for as long as the file says.

    A frame to be shown for 10 ms or less is given a tenth of a second, as browsers do. Of an animation that is cut
    short or damaged the frames before are given, with a warning that counts the missing ones.

    Iterating raises `ImageTooLarge`, and `UnreadableImage` where not even the first frame can be read.
    """

    def __init__(self, path: Path, name: str | None = None, *, max_pixels: int = MAX_PIXELS) -> None:
        self._path, self._max_pixels = path, max_pixels
        self._count = frames_in(path)
        self.info = SourceInfo(
            name=name or path.stem,
            kind="video",
            path=path,
            rate=self._first_rate(),
            time_base=Fraction(1, 1000),
            frame_count=self._count,
        )
        self.warnings: list[str] = []

    def __iter__(self) -> Iterator[Frame]:
        time = Fraction(0)
        with open_encoded(self._path) as opened:
            check_budget(*opened.size, max_pixels=self._max_pixels, label=str(self._path))
            is_cut = opened.format == "GIF" and gif_frames(self._path).is_cut
            apart = _stands_apart(opened)
            for index in range(self._count):
                try:
                    if is_cut and index == self._count - 1:
                        raise EOFError(
                            f"the file ends within frame {self._count}, and others may have followed"
                        )
                    opened.seek(index + apart)
                    opened.load()
                    image = rgb_upright(opened, self.warnings)
                except Exception as error:  # a broken file can provoke nearly any exception inside a decoder
                    self._end_at(index, error)
                    return
                shown = _shown_for(opened)
                yield Frame(image, index, time, shown, self.info.name)
                time += shown

    def _first_rate(self) -> Fraction:
        """Frames per second, judged by the first."""
        try:
            with open_encoded(self._path) as opened:
                opened.seek(_stands_apart(opened))
                return 1 / _shown_for(opened)
        except Exception:  # told when it is iterated
            return FRAME_RATE

    def _end_at(self, index: int, error: Exception) -> None:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        if index == 0:
            raise UnreadableImage(f"{self._path}: damaged or cut short ({reason})") from error
        missing = self._count - index
        self.is_incomplete = True
        self.warnings.append(
            f"damaged or cut short: the last {missing} of {self._count} frames are missing ({reason})"
        )


def _stands_apart(opened: Any) -> int:
    """1 where a PNG's first image is for programs that know no animations, and no frame; else 0."""
    return int(bool(opened.info.get("default_image")))


def _shown_for(opened: Any) -> Fraction:
    """Seconds for which the present frame is shown."""
    try:
        seconds = Fraction(opened.info.get("duration", 0)) / 1000
    except (TypeError, ValueError):
        seconds = Fraction(0)
    return seconds if seconds > _TOO_SHORT else _USUAL_SECONDS

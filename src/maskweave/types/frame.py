"""A frame on its way through the program, and what is known about its source."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from maskweave.errors import InvalidValue
from maskweave.types.arrays import Image, Mask, Size, check_image

if TYPE_CHECKING:  # of rasters and scans alone
    from maskweave.types.georeference import GeoReference
    from maskweave.types.volume import VolumeGrid
    from maskweave.types.windows import Windows


@dataclass(frozen=True)
class SourceInfo:
    """What a source promises before its first frame.

    - ``name``: stem for outputs, "/"-separated when it came from inside a folder ("trip/beach").
    - ``kind``: a still ``image``, a recorded ``video``, or a ``live`` stream (camera, RTSP).
    - ``path``: the file it reads, or None (bytes, camera, address).
    - ``rate``: average frames per second of a video, for encoders that want one; never used to make times.
    - ``time_base``: the stream's own tick in seconds.
    - ``frame_count``, ``duration``: as the header says (frames, seconds), or None when it does not.
    - ``start``: the time in the file that is 0 here, in seconds; taken off every frame's time, and off the audio's.
    - ``pixel_aspect``: width of a pixel over its height, upright as the frames; players stretch by it.
    - ``is_container``: whether ``path`` is a video file whose other tracks, chapters and title can be copied.
    - ``has_audio``: whether it carries audio.
    - ``grid``: where the frames of a medical series lie in space, or None.
    """

    name: str
    kind: Literal["image", "video", "live"]
    path: Path | None = None
    rate: Fraction | None = None
    time_base: Fraction | None = None
    frame_count: int | None = None
    duration: float | None = None
    start: Fraction = Fraction(0)
    pixel_aspect: Fraction = Fraction(1)
    is_container: bool = False
    has_audio: bool = False
    grid: VolumeGrid | None = None


@dataclass(frozen=True, eq=False)
class Frame:
    """One image of a source, and where and when it comes from.

    Args:
        image: (H, W, 3) uint8 RGB, upright.
        index: 0, 1, 2, … within the source.
        time: Seconds since the source begins (`SourceInfo.start`), exact, by the stream's own timestamps; 0 for a
            still image. Never index / fps.
        duration: How long the frame is shown in seconds, or None when the stream does not say.
        source: The source's name.
        name: Stem of the frame's own file, in a folder of frames, else "".
        file_name: Name of the frame's own file with its suffix, else "".
        windows: The image itself where it is read in tiles; ``image`` is then a smaller view of it.
        valid: (H, W) bool, false where ``image`` has no data, or None where all of it is data.
        geo: Where the image lies on a map, or None.
        dpi: Pixels per inch across and down, as the file says, or None.
        stamp: The timestamp in the file in seconds, or None where it had none that could be trusted.
        pixel_aspect: Width of a pixel over its height.

    Raises:
        InvalidValue: The image, or ``valid``, has another shape or type.
    """

    image: Image
    index: int = 0
    time: Fraction = Fraction(0)
    duration: Fraction | None = None
    source: str = ""
    name: str = ""
    file_name: str = ""
    windows: Windows | None = None
    valid: Mask | None = None
    geo: GeoReference | None = None
    dpi: tuple[float, float] | None = None
    stamp: Fraction | None = None
    pixel_aspect: Fraction = Fraction(1)

    def __post_init__(self) -> None:
        """Check the image."""
        check_image(self.image)
        if self.valid is not None and self.valid.shape != self.image.shape[:2]:
            raise InvalidValue(f"valid: need {self.image.shape[:2]}, got {self.valid.shape}")

    @property
    def size(self) -> Size:
        """(height, width) of the image."""
        if self.windows is not None:
            return self.windows.size
        return self.image.shape[0], self.image.shape[1]

    def __repr__(self) -> str:
        height, width = self.size
        return f"Frame({self.source!r}, index {self.index}, {float(self.time):g} s, {height}x{width})"

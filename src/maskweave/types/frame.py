"""One picture on its way through the program, and what is known about where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

from maskweave.errors import InvalidValue
from maskweave.types.arrays import Image, Mask, Size, check_image
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
    - ``has_audio``: whether ``path`` carries sound that can be copied.
    - ``grid``: where the frames of a medical series lie in space, or None.
    """

    name: str
    kind: Literal["image", "video", "live"]
    path: Path | None = None
    rate: Fraction | None = None
    time_base: Fraction | None = None
    frame_count: int | None = None
    duration: float | None = None
    has_audio: bool = False
    grid: VolumeGrid | None = None


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a source.

    - ``image``: (H, W, 3) uint8 RGB, upright.
    - ``index``: 0, 1, 2, … within the source.
    - ``time``: the stream's own timestamp in seconds, exact; 0 for a still image. Never index / fps.
    - ``duration``: how long the frame is shown in seconds, or None when the stream does not say.
    - ``source``: the source's name.
    - ``name``: the file stem of this very frame when it has one (a folder of frames), else "".
    - ``file_name``: the name of this very frame's own file, suffix and all, when it has one, else "".
    - ``windows``: the picture itself where it is read piece by piece; ``image`` is then a smaller view of it.
    - ``valid``: (H, W) bool, false where ``image`` has no data, or None where all of it is data.
    - ``geo``: where the picture lies on a map, or None.
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

    def __post_init__(self) -> None:
        """Check the image."""
        check_image(self.image)
        if self.valid is not None and self.valid.shape != self.image.shape[:2]:
            raise InvalidValue(f"valid: need {self.image.shape[:2]}, got {self.valid.shape}")

    @property
    def size(self) -> Size:
        """(height, width) of the picture."""
        if self.windows is not None:
            return self.windows.size
        return self.image.shape[0], self.image.shape[1]

"""Decode one video stream through PyAV: timestamps, damage, rotation and colour, for files and for RTSP."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from maskweave.cores import cores
from maskweave.sources.base import check_budget
from maskweave.types.arrays import Image, Size

_TOO_MANY_FAILURES = 50
"""Read failures in a row after which the rest of a file is given up."""
_ATTACHED_PICTURE = 1024
"""AV_DISPOSITION_ATTACHED_PIC: a music file's cover, which FFmpeg shows as a video stream."""
_FULL_RANGE = 2
"""AVCOL_RANGE_JPEG."""
_MATRICES = {1: "ITU709", 4: "FCC", 5: "ITU601", 6: "ITU601", 7: "SMPTE240M", 9: "BT2020", 10: "BT2020"}
"""AVColorSpace numbers (ITU-T H.273) as PyAV calls them."""


@dataclass
class Damage:
    """What went wrong while decoding, counted."""

    packets: int = 0
    incomplete: int = 0
    frames: int = 0
    without_time: int = 0
    backwards: int = 0
    hidden: int = 0

    def sentences(self) -> list[str]:
        """One sentence for each kind of damage that occurred."""
        counted = (
            (self.packets, "damaged packet", "skipped"),
            (self.incomplete, "packet", "incomplete, with frames that may be missing or wrong"),
            (self.frames, "frame", "shown although partly damaged"),
            (self.without_time, "frame", "without a timestamp, placed after the one before"),
            (self.backwards, "frame", "with a timestamp that runs backwards, placed after the one before"),
        )
        return [f"{count} {what}{'s' * (count != 1)} {how}" for count, what, how in counted if count]


def video_stream(container: Any) -> Any | None:
    """The first video stream that is no cover picture, or None."""
    for stream in container.streams.video:
        # PyAV before 14.2 does not tell; there a cover is read as a video of one frame
        disposition = getattr(stream, "disposition", 0)
        if not int(getattr(disposition, "value", disposition)) & _ATTACHED_PICTURE:
            return stream
    return None


def set_threads(stream: Any, threads: int | None, *, live: bool = False) -> None:
    """Decode with ``threads`` threads (None: one per CPU core, at most 4); live streams without delay."""
    stream.thread_type = "SLICE" if live else "AUTO"
    stream.codec_context.thread_count = threads or min(4, cores())


def decoded(container: Any, stream: Any, damage: Damage, *, live: bool = False) -> Iterator[Any]:
    """Yield the stream's `av.VideoFrame`s; count damaged packets and go on after them.

    Raises `av.FFmpegError` when reading takes too long, and for a ``live`` stream also when reading fails for
    good; a file that fails for good ends there, with its damage counted.
    """
    for packet in _packets(container, stream, damage, live=live):
        try:
            frames = packet.decode()
        except (av.FFmpegError, ValueError):
            damage.packets += 1
            continue
        damage.hidden += bool(packet.is_discard)
        damage.incomplete += bool(packet.is_corrupt)
        for frame in frames:
            damage.frames += bool(frame.is_corrupt)
            yield frame


def _packets(container: Any, stream: Any, damage: Damage, *, live: bool) -> Iterator[Any]:
    """Packets of ``stream`` and the flushing one at the end; reading goes on after an unreadable place."""
    failures = 0
    while True:
        try:
            for packet in container.demux(stream):
                failures = 0
                yield packet
            return
        except IndexError:  # PyAV, at the end, where damage looks like more streams; ours is flushed by then
            return
        except av.FFmpegError as error:
            if isinstance(error, (av.error.ExitError, TimeoutError, ConnectionError)):
                raise
            failures += 1
            damage.packets += 1
            if failures <= _TOO_MANY_FAILURES and not isinstance(error, (av.EOFError, PermissionError)):
                continue
            if live:
                damage.packets -= failures  # no damaged packets, but the end of the connection
                raise
            return


class Clock:
    """Exact times in seconds, strictly rising, for frames as they come."""

    def __init__(self, stream: Any, rate: Fraction, damage: Damage) -> None:
        self._time_base: Fraction = stream.time_base
        self._step = 1 / rate
        self._last: Fraction | None = None
        self._damage = damage

    def time(self, frame: Any) -> Fraction:
        """The frame's own timestamp; where it has none, or an earlier one, the last plus one step."""
        ticks = frame.pts if frame.pts is not None else frame.dts
        if ticks is None:
            self._damage.without_time += 1
            time = Fraction(0) if self._last is None else self._last + self._step
        else:
            time = ticks * Fraction(frame.time_base or self._time_base)
        if self._last is not None and time <= self._last:
            self._damage.backwards += 1
            time = self._last + self._step
        elif self._last is not None and frame.pts is not None:
            self._step = time - self._last
        self._last = time
        return time


def frame_duration(frame: Any, stream: Any) -> Fraction | None:
    """How long the stream says the frame lasts, in seconds, or None."""
    ticks = getattr(frame, "duration", None)
    return ticks * Fraction(frame.time_base or stream.time_base) if ticks else None


class OneSize:
    """The size of a stream's first picture, to which those of another are brought; ``warnings`` tells it once."""

    def __init__(self, max_pixels: int, label: str, warnings: list[str]) -> None:
        self._max_pixels = max_pixels
        self._label = label
        self._warnings = warnings
        self._first: Size | None = None
        self._told = False

    def of(self, size: Size) -> Size:
        """The first picture's (height, width) for one of ``size``; raises `ImageTooLarge` for the latter."""
        check_budget(size[1], size[0], max_pixels=self._max_pixels, label=self._label)
        self._first = self._first or size
        if size != self._first and not self._told:
            self._told = True
            self._warnings.append(
                f"picture size changes to {size[1]} x {size[0]} on the way; "
                f"scaled to the first frame's {self._first[1]} x {self._first[0]}"
            )
        return self._first


class Scaler:
    """RGB pictures of decoded frames, all of the first one's size and orientation; see `OneSize`."""

    def __init__(self, max_pixels: int, label: str, warnings: list[str]) -> None:
        self._size = OneSize(max_pixels, label, warnings)
        self._signs: tuple[int, int, int, int] | None = None

    def image(self, raw: Any) -> Image:
        """(H, W, 3) uint8 RGB, upright; raises `ImageTooLarge`."""
        size = self._size.of((raw.height, raw.width))
        self._signs = self._signs or orientation_matrix(raw)
        return to_image(raw, size, self._signs)


def to_image(frame: Any, size: tuple[int, int], signs: tuple[int, int, int, int]) -> Image:
    """(H, W, 3) uint8 RGB, upright by ``signs``, of a decoded frame brought to coded ``size`` (height, width).

    The YUV matrix and range are the stream's; where it names none, BT.709 above 576 lines or from 1280
    columns on and BT.601 below, limited range: what players do. HDR transfer curves are not mapped.
    """
    full = int(frame.color_range) == _FULL_RANGE or frame.format.name.startswith("yuvj")
    rgb = frame.reformat(
        width=size[1],
        height=size[0],
        format="rgb24",
        src_colorspace=_matrix(frame),
        src_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
        dst_colorspace=Colorspace.ITU601,  # RGB has none; PyAV 14 converts wrongly when both sides agree
        dst_color_range=ColorRange.JPEG,
    )
    return turned(rgb.to_ndarray(), signs)


def _matrix(frame: Any) -> Any:
    name = _MATRICES.get(int(frame.colorspace))
    if name is None:
        name = "ITU709" if frame.height > 576 or frame.width >= 1280 else "ITU601"
    return getattr(Colorspace, name, Colorspace.ITU709)


def orientation_matrix(frame: Any) -> tuple[int, int, int, int]:
    """Signs (a, b, c, d) of the display matrix, x' = a x + c y, y' = b x + d y; (1, 0, 0, 1) if none.

    Ask one frame of a stream, not each: PyAV ties a frame and its side data into a cycle, and hundreds of
    frames pile up until the garbage collector comes by.
    """
    data = None
    with contextlib.suppress(KeyError, ValueError):
        data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return 1, 0, 0, 1
    numbers = np.frombuffer(bytes(data), np.int32, count=9)
    a, b, c, d = (int(np.sign(round(int(numbers[at]) / 65536))) for at in (0, 1, 3, 4))
    return a, b, c, d


def turned(image: Image, signs: tuple[int, int, int, int]) -> Image:
    """Apply a display matrix's signs to (H, W, 3) pixels; anything but quarter turns and flips is left."""
    a, b, c, d = signs
    if b and c and not a and not d:
        image = image.transpose(1, 0, 2)
        flip_x, flip_y = c < 0, b < 0
    elif a and d and not b and not c:
        flip_x, flip_y = a < 0, d < 0
    else:
        return image
    return np.ascontiguousarray(image[:: -1 if flip_y else 1, :: -1 if flip_x else 1])

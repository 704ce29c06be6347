"""Encode H.264 in MP4 that plays in browsers, with the source's own timestamps and audio; complete or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from maskweave.errors import InvalidValue, MaskWeaveError, OutputError
from maskweave.files import AtomicFile, output_errors
from maskweave.outputs.audio_clock import Shifts
from maskweave.sources.base import warn_once
from maskweave.types.arrays import Image, Size, check_image
from maskweave.types.frame import SourceInfo

if TYPE_CHECKING:
    from maskweave.outputs.late_packets import LatePackets
    from maskweave.outputs.source_tracks import SourceTracks

# PyAV is imported where it is used: this module is also loaded by runs that write no video.

_ENCODER = "libx264"
"""H.264, which every browser plays."""
_ALPHA_ENCODER = "libvpx-vp9"
_WEBM_TICK = Fraction(1, 1000)
_LIVE_TIME_BASE = Fraction(1, 90_000)
_MAX_TICKS = 1_000_000
_GUESSED_RATE = Fraction(25)
_TAIL = Fraction(1, 2)
"""Seconds of audio after the last image of a source whose own length is unknown."""
_BT709, _BT601 = 1, 6
"""ITU-T H.273 numbers, the same for matrix, primaries and transfer; 6 is SMPTE 170M."""
_LIMITED_RANGE = 1
"""AVCOL_RANGE_MPEG."""


@dataclass(frozen=True)
class Encoding:
    """How the images are compressed.

    - ``crf``: quality, 0 (lossless) .. 51; 23 is x264's own middle.
    - ``preset``: x264's speed, "ultrafast" .. "veryslow".

    Raises `InvalidValue` for a number outside.
    """

    crf: float = 23
    preset: str = "veryfast"

    def __post_init__(self) -> None:
        """Check."""
        if not 0 <= self.crf <= 51:
            raise InvalidValue(f"crf: need 0..51, got {self.crf:g}")


class VideoWriter:
    """Writes one MP4 file; a context manager.

    Times are the source's, tick for tick. Audio, subtitles, chapters and title of a video file are taken over
    (`SourceTracks`), audio packet by packet while the images come, and moved as they were. Odd sizes grow by one
    repeated row or column, as H.264's 4:2:0 needs even ones. Colors are written in limited range, whatever the
    source's (reading has turned them into RGB), BT.709 above 576 lines or from 1280 columns on and BT.601 below, and
    tagged so; so are pixels that are not square.

    Images of a live source are kept on the disk and put into the file at its end (`LatePackets`), so that memory
    stays constant for as long as it lasts; the disk holds them twice then.

    The file has no B-frames: coding order is display order, so every duration in it is exact, variable rate
    included, and no edit list is needed to start at 0.

    Raises `OutputError` when the file cannot be written or no image came, `InvalidValue` for an image of
    another kind or size. After any exception there is no file, and an older one of that name is untouched.
    """

    def __init__(
        self,
        path: Path | str,
        info: SourceInfo,
        *,
        encoding: Encoding | None = None,
    ) -> None:
        self.warnings: list[str] = []
        self._zero = Fraction(0)
        self._info = info
        self._size: Size | None = None
        self._rate = _sane_rate(info.rate)
        self._encoding = encoding or Encoding()
        self._time_base = _time_base(info)
        self._file = AtomicFile(Path(path))
        self._container: Any = None
        self._stream: Any = None
        self._shifts = Shifts([-info.start])
        self._tracks: SourceTracks | None = None
        self._late: LatePackets | None = None
        self._durations: dict[int, int] = {}
        self._last_ticks: int | None = None
        self._last_step: int | None = None
        self._done = False

    def write(
        self,
        image: Image,
        *,
        time: Fraction,
        duration: Fraction | None = None,
        stamp: Fraction | None = None,
    ) -> None:
        """Add one (H, W, 3) uint8 RGB image shown from ``time`` for ``duration`` seconds of the source.

        ``duration`` matters for the last image; None repeats the step before it. ``stamp`` is its timestamp in the
        source's file, to which the audio keeps. A time that does not rise is moved one tick behind the one before,
        with a warning.
        """
        image = self._checked(image)
        if self._done:
            raise OutputError(f"{self._file.path}: the video is finished; open a new writer")
        self._check_size(image)
        with self._failing_cleanly():
            if self._container is None:
                self._begin(Fraction(time))
            self._shifts.note(Fraction(time), stamp)
            ticks = self._ticks(Fraction(time))
            self._durations[ticks] = max(1, round(duration / self._time_base)) if duration else self._step()
            frame = self._encodable(image)
            frame.pts = ticks
            frame.time_base = self._time_base
            self._mux(self._stream.encode(frame))

    def close(self) -> None:
        """Finish the file and give it its name. Called by ``with``; a second call does nothing."""
        if self._done:
            return
        with self._failing_cleanly():
            if self._container is None:
                raise OutputError(f"{self._file.path}: need at least one image for a video, got none")
            end = self._end()
            self._mux(self._stream.encode(None))
            if self._late is not None:
                self._late.mux(self._container, self._stream)
            self._shifts.complete = True
            if self._tracks is not None:
                self._tracks.advance(self._tracks_end(end))
                self._tracks.finish()
            self._close_containers()
            self._file.commit()
            self._done = True

    def abort(self) -> None:
        """Stop and remove what was written."""
        self._done = True
        with suppress(Exception):  # the half file goes away; why it could not be ended does not matter
            self._close_containers()
        self._file.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    @contextmanager
    def _failing_cleanly(self) -> Iterator[None]:
        """Remove the half file on any exception, and say what the disk or the encoder could not do."""
        import av

        try:
            with output_errors(self._file.path):
                yield
        except MaskWeaveError:
            self.abort()
            raise
        except (av.FFmpegError, ValueError, MemoryError) as error:
            self.abort()
            raise OutputError(f"{self._file.path}: the encoder failed ({error}); try another size") from error
        except BaseException:
            self.abort()
            raise

    def _checked(self, image: Image) -> Image:
        return check_image(image)

    def _encodable(self, image: Image) -> Any:
        """The `av.VideoFrame` for the encoder."""
        return _yuv(image)

    def _check_size(self, image: Image) -> None:
        size = image.shape[:2]
        if self._size is None:
            self._size = (size[0], size[1])
        if size != self._size:
            need = f"{self._size[1]} x {self._size[0]}"
            raise InvalidValue(
                f"image: need {need} pixels (width x height) like the first of the video, "
                f"got {size[1]} x {size[0]}; scale it to that size"
            )

    def _begin(self, first: Fraction) -> None:
        """Open the container and add the tracks; a time before 0 becomes 0."""
        self._zero = min(first, Fraction(0)) // self._time_base * self._time_base
        self._container = self._open_container(str(self._file.part))
        self._stream = self._add_images()
        if self._info.is_container and self._info.path is not None:
            self._tracks = self._open_tracks(self._info.path)
        if self._tracks is not None:
            self._container.start_encoding()  # from here on their time bases are known

    def _open_container(self, path: str) -> Any:
        import av

        options = {"movflags": "+faststart", "movie_timescale": str(_movie_ticks(self._time_base))}
        return av.open(path, "w", format="mp4", container_options=options)

    def _add_images(self) -> Any:
        from maskweave.outputs.late_packets import LatePackets

        if self._info.kind == "live":
            self._late = LatePackets(self._file.path.parent)
        settings = self._encoding
        return self._add_stream(
            _ENCODER, "yuv420p", {"crf": f"{settings.crf:g}", "preset": settings.preset, "bf": "0"}
        )

    def _add_stream(self, encoder: str, pixels: str, options: dict[str, str]) -> Any:
        size = self._size or (0, 0)
        stream = self._container.add_stream(encoder, rate=self._rate, options=options)
        stream.height, stream.width = (side + side % 2 for side in size)
        stream.pix_fmt = pixels
        stream.time_base = self._time_base
        context = stream.codec_context
        context.sample_aspect_ratio = self._info.pixel_aspect
        context.time_base = self._time_base
        context.color_range = _LIMITED_RANGE
        tag = _BT709 if _is_hd(size) else _BT601
        context.colorspace = context.color_primaries = context.color_trc = tag
        return stream

    def _open_tracks(self, path: Path) -> SourceTracks | None:
        import av

        from maskweave.outputs.source_tracks import SourceTracks

        try:
            return SourceTracks(path, self._container, self._shifts, warnings=self.warnings)
        except (av.FFmpegError, OSError, ValueError) as error:
            if self._info.has_audio:
                self.warnings.append(f"no audio: {path} cannot be read again ({error})")
            return None

    def _ticks(self, time: Fraction) -> int:
        ticks = round((time - self._zero) / self._time_base)
        if self._last_ticks is not None and ticks <= self._last_ticks:
            warn_once(self.warnings, "a time that does not rise was moved one tick behind the one before")
            ticks = self._last_ticks + 1
        if self._last_ticks is not None:
            self._last_step = ticks - self._last_ticks
        self._last_ticks = ticks
        return ticks

    def _step(self) -> int:
        return self._last_step or max(1, round(1 / self._rate / self._time_base))

    def _mux(self, packets: list[Any]) -> None:
        """Write images, each with its duration, and the other tracks up to where they are."""
        for packet in packets:
            packet.duration = self._durations.pop(packet.pts, 0)
            dts = packet.dts * self._time_base
            if self._late is not None:
                self._late.add(packet)
            else:
                self._container.mux(packet)
            if self._tracks is not None:
                self._tracks.advance(dts)

    def _end(self) -> Fraction:
        last = self._last_ticks or 0
        return (last + self._durations.get(last, self._step())) * self._time_base

    def _tracks_end(self, end: Fraction) -> Fraction | None:
        """None (all of it) when the images reach the source's end, else about where the last one ends."""
        if len(self._shifts.values) > 1:  # the header does not know how long that is
            return end + _TAIL
        promised = self._info.duration
        reached = float(end + max(Fraction(0), self._info.start))
        near = promised is None or reached >= promised - max(0.5, 2 / float(self._rate))
        return None if near else end

    def _close_containers(self) -> None:
        container, self._container = self._container, None
        tracks, self._tracks = self._tracks, None
        late, self._late = self._late, None
        try:
            if late is not None:
                late.close()
            if tracks is not None:
                tracks.close()
        finally:
            if container is not None:
                container.close()


def _yuv(image: Image, kind: str = "rgb24", into: str = "yuv420p") -> Any:
    """An even-sized `av.VideoFrame` in limited range from an (H, W, C) array of ``kind``."""
    import av
    from av.video.reformatter import ColorRange, Colorspace

    height, width = image.shape[:2]
    if height % 2 or width % 2:
        image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format=kind)
    return frame.reformat(
        format=into,
        dst_colorspace=Colorspace.ITU709 if _is_hd((height, width)) else Colorspace.ITU601,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
    )


class AlphaVideoWriter(VideoWriter):
    """Writes one WebM file of VP9 with alpha, which browsers lay over a page; else as `VideoWriter`.

    Images are (H, W, 4) uint8 RGBA, alpha not multiplied in. WebM counts in milliseconds, so times are rounded to
    them. Title, other tags and chapters are taken over; there is no audio and no subtitle, since WebM takes none of
    the codecs that most sources have, and ``warnings`` says so.
    Source: https://www.webmproject.org/docs/container/#BlockAdditions.
    """

    def __init__(self, path: Path | str, info: SourceInfo) -> None:
        super().__init__(path, replace(info, time_base=_WEBM_TICK))
        if info.has_audio:
            self.warnings.append("a video with alpha has no audio; with --background COLOR or blur it has")

    def _checked(self, image: Image) -> Image:
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 4 or 0 in image.shape:
            raise InvalidValue(
                f"image: need a non-empty (H, W, 4) uint8 RGBA array, got {image.shape} {image.dtype}"
            )
        return image

    def _encodable(self, image: Image) -> Any:
        return _yuv(image, "rgba", "yuva420p")

    def _open_container(self, path: str) -> Any:
        import av

        return av.open(path, "w", format="webm")

    def _open_tracks(self, path: Path) -> SourceTracks | None:
        """Nothing but title, tags and chapters is taken over."""
        import av

        from maskweave.outputs.source_tracks import copy_metadata, open_again

        with suppress(av.FFmpegError, OSError, ValueError), open_again(path) as source:
            copy_metadata(source, self._container, self._shifts.values[0], holds=None)
            if any(stream.type == "subtitle" for stream in source.streams):
                self.warnings.append(
                    "a video with alpha has no subtitles; with --background COLOR or blur it has"
                )
        return None

    def _add_images(self) -> Any:
        # alternate reference frames look ahead and would not stream; alpha_mode tells players of the alpha
        options = {
            "crf": "24", "b": "0", "deadline": "realtime", "cpu-used": "6", "row-mt": "1",
            "auto-alt-ref": "0", "lag-in-frames": "0",
        }  # fmt: skip
        stream = self._add_stream(_ALPHA_ENCODER, "yuva420p", options)
        stream.metadata["alpha_mode"] = "1"
        return stream


def _is_hd(size: Size) -> bool:
    """Whether players take an image of ``size`` (height, width) for BT.709 rather than BT.601."""
    return size[0] > 576 or size[1] >= 1280


def _time_base(info: SourceInfo) -> Fraction:
    base = info.time_base
    if base is None or base <= 0 or base.denominator > _MAX_TICKS:
        return _LIVE_TIME_BASE
    return base


def _movie_ticks(time_base: Fraction) -> int:
    """Ticks per second for MP4's edit lists: FFmpeg's 1000 would round a late start of the images."""
    ticks = time_base.denominator
    return ticks * -(-10_000 // ticks)


def _sane_rate(rate: Fraction | None) -> Fraction:
    """A rate for the encoder's level and rate control; headers hold nonsense like 90000."""
    return rate if rate is not None and 1 <= rate <= 240 else _GUESSED_RATE

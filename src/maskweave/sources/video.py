"""Recorded videos: any file FFmpeg reads, streamed one frame at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from maskweave.errors import SourceNotFound, UnreadableVideo
from maskweave.sources.base import FRAME_RATE, MAX_PIXELS, Closing, check_budget
from maskweave.sources.decoding import (
    Clock,
    Damage,
    Scaler,
    decoded,
    frame_duration,
    set_threads,
    video_stream,
)
from maskweave.sources.extent import missing_bytes
from maskweave.sources.kinds import is_regular, kind_by_content
from maskweave.sources.matroska import matroska_damage
from maskweave.types.frame import Frame, SourceInfo

_CONTAINERS = (
    *(
        "mov",
        "mp4",
        "matroska",
        "webm",
        "avi",
        "mpegts",
        "mpeg",
        "mpegvideo",
        "m4v",
        "flv",
        "live_flv",
        "asf",
        "ogg",
    ),
    *(
        "mxf",
        "gxf",
        "nut",
        "rm",
        "wtv",
        "dv",
        "ivf",
        "obu",
        "av1",
        "h263",
        "h264",
        "hevc",
        "vvc",
        "vc1",
        "mjpeg",
    ),
    *("yuv4mpegpipe", "gif", "webp_pipe", "webp_anim"),
    *("mp3", "aac", "flac", "wav"),  # so that a file of sound is told as such
)
"""FFmpeg's formats that hold their pictures themselves. Others name further files (playlists, lists), draw text, or
read devices: none of them is let near a file, whatever it is called, before its first byte is interpreted."""


class VideoSource(Closing):
    """A video file as a stream of `Frame`, one in memory at a time.

    Times are the stream's own, exact, start offset and variable rate kept; rotation is applied; damaged
    packets are skipped and counted in ``warnings``, and so is a stream that ends before its header says.
    A file named so that FFmpeg would look elsewhere (playlists, addresses) is never followed.

    ``threads`` bounds the decoder's threads (None: one per core, at most 4).

    Raises `SourceNotFound`, `UnreadableVideo` (no video, no video stream, cut before its index), and
    `ImageTooLarge`; iterating raises `UnreadableVideo` when not one frame can be decoded.
    """

    def __init__(
        self,
        path: Path | str,
        name: str | None = None,
        *,
        max_pixels: int = MAX_PIXELS,
        threads: int | None = None,
    ) -> None:
        self._path = Path(path)
        self._max_pixels = max_pixels
        self._threads = threads
        self._container: Any = None
        self.warnings: list[str] = []
        self._open()
        self.info = _info(self._container, self._stream, name or self._path.stem, self._path)

    def close(self) -> None:
        """Close the file."""
        if self._container is not None:
            self._container.close()
            self._container = None

    def __iter__(self) -> Iterator[Frame]:
        self.warnings.clear()
        self.close()
        self._open()
        damage = Damage()
        count, end = 0, None
        try:
            for frame in self._frames(damage):
                count, end = count + 1, frame.time + (frame.duration or 0)
                yield frame
        except av.FFmpegError as error:
            raise UnreadableVideo(f"{self._path}: cannot be read any further ({_reason(error)})") from error
        finally:
            self.warnings.extend(damage.sentences())
        if not count:
            raise UnreadableVideo(
                f"{self._path}: need frames, but not one can be decoded; the file is damaged"
            )
        self.warnings.extend(self._shortfall(count + damage.hidden, end) or self._cut())
        with suppress(OSError):  # it is gone by now
            self.warnings.extend(matroska_damage(self._path))

    @property
    def span(self) -> tuple[float, float]:
        """Seconds at which the stream begins and ends, as its header says; both the same where it does not."""
        begin = float((self._stream.start_time or 0) * self._stream.time_base)
        return begin, begin + (self.info.duration or 0)

    def between(self, begin: Fraction, end: Fraction | None = None) -> Iterator[Frame]:
        """Yield the frames from ``begin`` up to ``end`` in seconds (None: to the last), read from a key frame on.

        Pictures and times are those of a whole reading, but ``index`` counts from the key frame, and damage is not
        told.
        """
        self.close()
        self._open()
        ticks = int(begin / Fraction(self._stream.time_base))
        self._container.seek(ticks, stream=self._stream, backward=True)
        for frame in self._frames(Damage()):
            if end is not None and frame.time >= end:
                return
            if frame.time >= begin:
                yield frame

    def _open(self) -> None:
        self._container = _opened(self._path)
        try:
            stream = video_stream(self._container)
            if stream is None:
                raise UnreadableVideo(
                    f"{self._path}: need a video stream, got {_listed(self._container)}; check the file"
                )
            context = stream.codec_context
            if context is None:
                raise UnreadableVideo(
                    f"{self._path}: need a video in a known codec, got an unknown one; the file is damaged, or was "
                    "made by a program newer than this one"
                )
            check_budget(context.width, context.height, max_pixels=self._max_pixels, label=str(self._path))
            set_threads(stream, self._threads)
            self._stream = stream
        except BaseException:
            self.close()
            raise

    def _frames(self, damage: Damage) -> Iterator[Frame]:
        """Convert frames one behind the decoder, so that each one's duration is the next one's start."""
        clock = Clock(self._stream, self.info.rate or FRAME_RATE, damage)
        scaler = Scaler(self._max_pixels, str(self._path), self.warnings)
        held: tuple[int, Fraction, Any] | None = None
        last_step: Fraction | None = None
        for index, raw in enumerate(decoded(self._container, self._stream, damage)):
            time = clock.time(raw)
            if held is not None:
                last_step = time - held[1]
                yield self._frame(held, last_step, scaler)
            held = (index, time, raw)
        if held is not None:
            yield self._frame(held, self._last_duration(held, last_step), scaler)

    def _frame(self, held: tuple[int, Fraction, Any], duration: Fraction | None, scaler: Scaler) -> Frame:
        index, time, raw = held
        return Frame(scaler.image(raw), index, time, duration, self.info.name)

    def _last_duration(self, held: tuple[int, Fraction, Any], step: Fraction | None) -> Fraction | None:
        """Up to the end in the header if that is near, else what the frame says, else the step before it."""
        index, time, raw = held
        said = frame_duration(raw, self._stream) or step
        header_end = _header_end(self._stream)
        if header_end is not None and self.info.frame_count == index + 1 and header_end > time:
            return header_end - time
        return said

    def _shortfall(self, count: int, end: Fraction | None) -> list[str]:
        """A sentence when fewer frames came than the header promised, or the time ends early."""
        promised = self.info.frame_count
        if promised is not None:
            missing = f"{count} of {promised} frames decoded: the file is cut short or damaged"
            return [missing] if count < promised else []
        start = self._stream.start_time or 0
        # Matroska counts its duration from 0, MPEG-TS from the first timestamp: the kinder one counts
        length = float(end or 0) - min(0.0, float(start * self._stream.time_base))
        if self.info.duration is not None and length < 0.95 * self.info.duration - 0.5:
            return [
                f"{length:.2f} of {self.info.duration:.2f} seconds decoded: the file is cut short or damaged"
            ]
        return []

    def _cut(self) -> list[str]:
        """A sentence when the file ends before its container says, though all that is there could be decoded."""
        with suppress(OSError):  # it is gone by now
            if missing := missing_bytes(self._path):
                return [f"the file ends {missing:,} bytes too early: it is cut short"]
        return []


def _opened(path: Path) -> Any:
    """Open ``path`` as a file and nothing else: no address, no list of other files."""
    if not is_regular(path):  # opened twice, and read here and there
        raise UnreadableVideo(f"{path}: need a video file, got a pipe or a device; save it as a file first")
    try:
        with path.open("rb") as file:
            head = file.read(200)
    except FileNotFoundError:
        raise SourceNotFound(f"{path}: no such file; check the path") from None
    except OSError as error:
        raise UnreadableVideo(f"{path}: need a readable file, got {error.strerror}") from error
    if not head:
        raise UnreadableVideo(f"{path}: need a video, got an empty file (0 bytes); copy or load it again")
    if kind_by_content(head) == "image" and not head.startswith((b"GIF8", b"RIFF")):
        raise UnreadableVideo(f"{path}: need a video, got a picture")
    options = {"protocol_whitelist": "file", "format_whitelist": ",".join(_CONTAINERS)}
    try:
        return av.open(f"file:{path.absolute()}", options=options, metadata_errors="replace")
    except av.ArgumentError as error:  # what FFmpeg says of a format that is not on the list
        raise UnreadableVideo(
            f"{path}: need a video, got a list of other files, text or an unknown format; pass the video itself"
        ) from error
    except (av.FFmpegError, OSError, ValueError, MemoryError) as error:
        raise UnreadableVideo(
            f"{path}: need a video, got a file without a readable header: no video, or cut short or damaged "
            f"({_reason(error)})"
        ) from error


def _info(container: Any, stream: Any, name: str, path: Path) -> SourceInfo:
    ticks = stream.duration
    duration = float(ticks * stream.time_base) if ticks else None
    if duration is None and container.duration:
        duration = container.duration / 1_000_000
    return SourceInfo(
        name=name,
        kind="video",
        path=path,
        rate=stream.average_rate or stream.guessed_rate or None,
        time_base=Fraction(stream.time_base),
        frame_count=stream.frames or None,
        duration=duration,
        has_audio=bool(container.streams.audio),
    )


def _header_end(stream: Any) -> Fraction | None:
    if not stream.duration:
        return None
    return Fraction((stream.start_time or 0) + stream.duration) * Fraction(stream.time_base)


def _listed(container: Any) -> str:
    kinds = sorted({stream.type for stream in container.streams if stream.type != "video"})
    if any(stream.type == "video" for stream in container.streams):
        kinds.append("cover picture")
    return f"only {' and '.join(kinds)}" if kinds else "no streams at all"


def _reason(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return text or type(error).__name__

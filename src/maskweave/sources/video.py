"""Read recorded videos: any file that FFmpeg reads, one frame at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av

from maskweave.errors import SourceNotFound, UnreadableVideo
from maskweave.sources.base import FRAME_RATE, MAX_PIXELS, Closing, check_budget
from maskweave.sources.decoding import (
    Damage,
    alpha_decoder,
    decoded,
    frame_duration,
    is_cover,
    may_jump,
    other_tracks,
    pixel_aspect,
    set_threads,
    video_stream,
)
from maskweave.sources.edited import frame_count
from maskweave.sources.encryption import is_scrambled
from maskweave.sources.extent import broken_at, joined_at, missing_bytes, unclosed
from maskweave.sources.kinds import HEAD, is_regular, kind_of_content
from maskweave.sources.matroska import matroska_damage
from maskweave.sources.motion_jpeg import is_jpegs
from maskweave.sources.program_stream import program_stream_damage
from maskweave.sources.regular import RegularSteps
from maskweave.sources.timing import MAX_JUMP, Clock, Timed, TimeFaults
from maskweave.sources.transport_stream import TransportStreamDamage, transport_stream_damage
from maskweave.sources.video_pixels import FrameImages, fields_of, orientation_matrix
from maskweave.types.frame import Frame, SourceInfo

_CONTAINERS = (
    *("mov", "mp4", "matroska", "webm", "avi", "mpegts", "mpeg", "mpegvideo", "m4v", "flv", "live_flv"),
    *("asf", "ogg", "mxf", "gxf", "nut", "rm", "wtv", "dv", "ivf", "obu", "av1", "h261", "h263", "h264"),
    *("hevc", "vvc", "evc", "vc1", "dirac", "cavsvideo", "mjpeg", "mjpeg_2000", "mpjpeg", "yuv4mpegpipe"),
    *(
        "dhav",
        "ivr",
        "nsv",
        "nuv",
        "ty",
        "pva",
        "pmp",
        "mlv",
        "film_cpk",
        "roq",
        "smk",
        "bink",
        "binka",
        "flic",
    ),
    *("4xm", "amv", "gif", "webp_pipe", "webp_anim", "swf", "thp", "mtv", "smush", "sga", "fits"),
    *("mp3", "aac", "flac", "wav"),  # so that a file of audio is named as such
)
"""FFmpeg's formats that hold their images themselves. Others name further files (playlists, lists), draw text, or
read devices: none of them is let near a file, whatever it is called, before its first byte is interpreted."""
_MAX_RATE = 1000
_PIECES = (b"styp", b"moof", b"sidx")
"""With what the pieces of a stream begin that have their head in another file."""
_UNCOUNTED = ("mpegts", "mpeg", "flv", "live_flv", "nut", "asf", "rm", "dhav", "mov,mp4,m4a,3gp,3g2,mj2")
"""FFmpeg's formats that need not say how many frames they have, nor by their structure that some are missing."""


_BARE = ("yuv4mpegpipe", "dv")
"""Formats of nothing but frames, each of a size that is known before."""
_UNTIMED = ("mjpeg", "obu")
"""FFmpeg's formats of frames without times, for which it makes some up."""


class VideoSource(Closing):
    """A video file as a stream of `Frame`, one in memory at a time.

    Times are the stream's own, exact, on one clock that begins at 0 (`Clock`; ``info.start`` was taken off).
    Rotation, color, interlacing and alpha are seen to (`FrameImages`). Of several video tracks the best is read.
    Damaged packets are skipped and counted in ``warnings``, and so is a stream that ends before its header says. A
    file named so that FFmpeg would look elsewhere (playlists, addresses) is never followed.

    ``is_incomplete``: read to its end, it had less than its header says.

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
        self.is_incomplete = False
        self._open()
        self.info = self._info(name or self._path.stem)

    def close(self) -> None:
        """Close the file."""
        if self._container is not None:
            self._container.close()
            self._container = None

    def __iter__(self) -> Iterator[Frame]:
        self.warnings.clear()
        self.close()
        self._open()
        self.warnings.extend(other_tracks(self._container, self._stream))
        damage, faults, steps = Damage(), TimeFaults(), RegularSteps()
        count, end = 0, None
        try:
            for frame in self._frames(damage, faults):
                count, end = count + 1, frame.time + (frame.duration or 0)
                steps.add(frame.time)
                yield frame
            structure = self._damaged_structure()
            damage.incomplete = max(0, damage.incomplete - structure.joints)  # told as jumps of the clock
        except av.FFmpegError as error:
            raise UnreadableVideo(f"{self._path}: cannot be read any further ({_reason(error)})") from error
        finally:
            self.warnings.extend(damage.sentences() + faults.sentences())
        if not count:
            raise self._undecodable(damage)
        if self._is_uncounted() and not faults.gaps:
            self.warnings.extend(steps.sentences())
        lost = self._promised.hidden - damage.hidden  # a frame that is only decoded for others counts as one
        missing = self._shortfall(count - max(0, lost), None if faults.jumps else end) or self._cut(
            damage.end
        )
        self.is_incomplete = bool(missing)
        self.warnings.extend(missing)
        self.warnings.extend(structure.sentences)

    def _is_uncounted(self) -> bool:
        """Whether neither a number of frames nor the container's structure tells that some are missing."""
        is_open = self._container is not None
        return is_open and self.info.frame_count is None and self._container.format.name in _UNCOUNTED

    def _damaged_structure(self) -> TransportStreamDamage:
        """What is broken in the middle of the container's own structure; FFmpeg passes over that."""
        with suppress(OSError):  # it is gone by now
            if self._container is not None and self._container.format.name == "mpegts":
                return transport_stream_damage(self._path, self._stream.id)
            if self._container is not None and self._container.format.name == "mpeg":
                return TransportStreamDamage(program_stream_damage(self._path))
            return TransportStreamDamage(matroska_damage(self._path))
        return TransportStreamDamage([])

    def _undecodable(self, damage: Damage) -> UnreadableVideo:
        if damage.encrypted or is_scrambled(self._path):
            return _encrypted(self._path)
        if damage.hidden:
            return UnreadableVideo(
                f"{self._path}: need frames, but its edit list hides every one; write it anew without (ffmpeg "
                "-ignore_editlist 1)"
            )
        return UnreadableVideo(f"{self._path}: need frames, but not one can be decoded; the file is damaged")

    @property
    def span(self) -> tuple[float, float]:
        """Seconds at which the stream begins and ends, as its header says; both the same where it does not."""
        begin = float((self._stream.start_time or 0) * self._stream.time_base - self.info.start)
        return begin, begin + (self.info.duration or 0)

    def between(self, begin: Fraction, end: Fraction | None = None) -> Iterator[Frame]:
        """Yield the frames from ``begin`` up to ``end`` in seconds (None: to the last), read from a key frame on.

        Images and times are those of a whole reading, but ``index`` counts from the key frame, and damage is not
        told.
        """
        self.close()
        self._open()
        ticks = int((begin + self.info.start) / Fraction(self._stream.time_base))
        self._container.seek(ticks, stream=self._stream, backward=True)
        for frame in self._frames(Damage(), TimeFaults()):
            if end is not None and frame.time >= end:
                return
            if frame.time >= begin:
                yield frame

    def _open(self) -> None:
        self._container = _opened(self._path)
        try:
            stream = video_stream(self._container)
            if stream is None:
                if is_scrambled(self._path):
                    raise _encrypted(self._path)
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

    def _info(self, name: str) -> SourceInfo:
        first, aspect = self._first_time(), self._upright_aspect()  # both may open the file again
        container, stream = self._container, self._stream
        self._promised = frame_count(container, stream)
        ticks = stream.duration
        duration = float(ticks * stream.time_base) if ticks else None
        if duration is None and container.duration:
            duration = container.duration / 1_000_000
        return SourceInfo(
            name=name,
            kind="video",
            path=self._path,
            rate=stream.average_rate or stream.guessed_rate or None,
            time_base=Fraction(stream.time_base),
            frame_count=self._promised.shown,
            duration=duration,
            start=_start(container, stream, first),
            pixel_aspect=aspect,
            is_container=True,
            has_audio=bool(container.streams.audio),
        )

    def _first_time(self) -> Fraction:
        """When the images begin in the file; where its header does not say, its first packet does."""
        ticks = self._stream.start_time
        if ticks is None:
            packet = next(iter(self._container.demux(self._stream)), None)
            ticks = 0 if packet is None else packet.pts if packet.pts is not None else packet.dts
            self.close()
            self._open()
        return (ticks or 0) * Fraction(self._stream.time_base)

    def _upright_aspect(self) -> Fraction:
        """The pixels' aspect ratio as the frames are shown; of rotated ones only a frame says that they are."""
        aspect = pixel_aspect(self._stream)
        if aspect == 1:
            return aspect
        raw = next(decoded(self._container, self._stream, Damage()), None)
        self.close()
        self._open()
        a, b, c, d = (1, 0, 0, 1) if raw is None else orientation_matrix(raw)
        return 1 / aspect if b and c and not a and not d else aspect

    def _frames(self, damage: Damage, faults: TimeFaults) -> Iterator[Frame]:
        """Convert frames one behind the decoder, so that each one's duration is the next one's start."""
        raws = decoded(self._container, self._stream, damage, decoder=alpha_decoder(self._stream))
        clock = _clock(self._container, self._stream, self.info.start, faults)
        images = FrameImages(self._max_pixels, str(self._path), self.warnings, fields=fields_of(self._stream))
        timed = clock.timed(raws, lambda: damage.first_dts)
        for image, moment in images.of(self._lasting(timed)):
            yield Frame(
                image, *moment[:3], self.info.name, stamp=moment.stamp, pixel_aspect=self.info.pixel_aspect
            )

    def _lasting(self, timed: Iterable[Timed]) -> Iterator[tuple[Any, _Moment]]:
        """Each decoded frame with its place in time."""
        held: Timed | None = None
        index, step = 0, None
        for each in timed:
            if held is not None:
                step = each.time - held.time
                yield held.raw, _Moment(index, held.time, step, held.stamp)
                index += 1
            held = each
        if held is not None:
            yield held.raw, _Moment(index, held.time, self._last_duration(index, held, step), held.stamp)

    def _last_duration(self, index: int, held: Timed, step: Fraction | None) -> Fraction | None:
        """Up to the end in the header if that is near, else what the frame says, else the step before it.

        That step may be a long still; where the header says how long the file is, it is no longer than that.
        """
        header_end = _header_end(self._stream)
        if header_end is not None and self.info.frame_count == index + 1:
            left = header_end - self.info.start - held.time
            if left > 0:
                return left
        duration = frame_duration(held.raw, self._stream)
        if duration is not None or step is None or self.info.duration is None:
            return duration or step
        left = Fraction(self.info.duration).limit_denominator(1_000_000) - held.time
        return min(step, left) if left > 0 else step

    def _shortfall(self, count: int, end: Fraction | None) -> list[str]:
        """A sentence when fewer frames came than the header promised, or the time ends early."""
        promised = self.info.frame_count
        if promised is not None:
            missing = f"{count} of {promised} frames decoded: the file is cut short or damaged"
            return [missing] if count < promised else []
        if end is None:
            return []
        start = (self._stream.start_time or 0) * self._stream.time_base
        # Matroska counts its duration from 0, MPEG-TS from the first timestamp: the kinder one counts
        length = float(end + self.info.start - min(Fraction(0), start))
        if self.info.duration is not None and length < 0.95 * self.info.duration - 0.5:
            return [
                f"{length:.2f} of {self.info.duration:.2f} seconds decoded: the file is cut short or damaged"
            ]
        return []

    def _cut(self, end: int | None) -> list[str]:
        """A sentence when the file ends before its container says, or goes on behind it; ``end``: of its last packet.

        All that is there could be decoded all the same.
        """
        with suppress(OSError):  # it is gone by now
            if (place := joined_at(self._path)) is not None:
                return [
                    f"another video is joined to its end, at byte {place:,}, and not read as it should be; give "
                    "the two as files of their own, or join them with a program for videos"
                ]
            if self.info.frame_count is None and (broken := broken_at(self._path)) is not None:
                return [
                    f"its parts do not follow each other at byte {broken:,}: frames may be missing or wrong"
                ]
            if missing := missing_bytes(self._path):
                return [f"the file ends {missing:,} byte{'s' * (missing > 1)} too early: it is cut short"]
            is_bare = self._container is not None and self._container.format.name in _BARE
            if is_bare and end != self._path.stat().st_size:
                return ["the file ends within a frame: it is cut short"]
            if lacking := unclosed(self._path):
                return [f"the file ends without {lacking}: it is cut short, or its recording was interrupted"]
        return []


def _opened(path: Path) -> Any:
    """Open ``path`` as a file and nothing else: no address, no list of other files."""
    if not is_regular(path):  # opened twice, and read here and there
        raise UnreadableVideo(f"{path}: need a video file, got a pipe or a device; save it as a file first")
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except FileNotFoundError:
        raise SourceNotFound(f"{path}: no such file; check the path") from None
    except OSError as error:
        raise UnreadableVideo(f"{path}: need a readable file, got {error.strerror}") from error
    if not head:
        raise UnreadableVideo(f"{path}: need a video, got an empty file (0 bytes); copy or load it again")
    if kind_of_content(path) == "image" and not head.startswith((b"GIF8", b"RIFF")):
        raise UnreadableVideo(f"{path}: need a video, got an image")
    options = {"protocol_whitelist": "file", "format_whitelist": ",".join(_CONTAINERS)}
    # FFmpeg takes Motion JPEG for a sequence of images, since one is all that it looks at
    demuxer = "mjpeg" if is_jpegs(head) else None
    try:
        return av.open(f"file:{path.absolute()}", format=demuxer, options=options, metadata_errors="replace")
    except av.ArgumentError as error:  # what FFmpeg says of a format that is not on the list
        raise UnreadableVideo(
            f"{path}: need a video, got a list of other files, text or an unknown format; pass the video itself"
        ) from error
    except (av.FFmpegError, OSError, ValueError, MemoryError) as error:
        if head[4:8] in _PIECES:
            raise UnreadableVideo(
                f"{path}: need a video, got a piece of a stream (HLS, DASH) without its head; put its first file "
                "(init) before the pieces: cat init.mp4 1.m4s 2.m4s > video.mp4"
            ) from error
        raise UnreadableVideo(
            f"{path}: need a video, got a file without a readable header: no video, or cut short or damaged "
            f"({_reason(error)})"
        ) from error


class _Moment(NamedTuple):
    """Where a frame lies in time."""

    number: int
    time: Fraction
    duration: Fraction | None
    stamp: Fraction | None


def _start(container: Any, stream: Any, first: Fraction) -> Fraction:
    """The time in the file at which it begins: that of its ``first`` image or of its audio, whichever is earlier.

    Audio before both 0 and the images is an encoder's run-in. Far from the images it has another clock.
    """
    time_base = Fraction(stream.time_base)
    audio_starts = [
        each.start_time * Fraction(each.time_base)
        for each in container.streams.audio
        if each.start_time is not None and each.time_base
    ]
    if may_jump(container):
        audio_starts = [time for time in audio_starts if abs(time - first) <= MAX_JUMP]
    begin: Fraction = min([first, *(max(time, min(first, Fraction(0))) for time in audio_starts)])
    return (begin // time_base) * time_base


def _clock(container: Any, stream: Any, begin: Fraction, faults: TimeFaults) -> Clock:
    rate = stream.guessed_rate or stream.average_rate
    faults.are_made_up = container.format.name in _UNTIMED
    return Clock(
        stream.time_base,
        rate if rate and 0 < rate <= _MAX_RATE else FRAME_RATE,
        faults,
        begin=begin,
        in_coding_order=container.format.name == "avi",
        may_jump=may_jump(container),
    )


def _encrypted(path: Path) -> UnreadableVideo:
    return UnreadableVideo(
        f"{path}: need a video that can be decoded, got an encrypted one (DRM, pay television); pass a decrypted copy"
    )


def _header_end(stream: Any) -> Fraction | None:
    if not stream.duration:
        return None
    return Fraction((stream.start_time or 0) + stream.duration) * Fraction(stream.time_base)


def _listed(container: Any) -> str:
    kinds = sorted({stream.type for stream in container.streams if stream.type != "video"})
    if any(is_cover(stream) for stream in container.streams.video):
        kinds.append("a cover image")
    return f"only {' and '.join(kinds)}" if kinds else "no streams at all"


def _reason(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return text or type(error).__name__

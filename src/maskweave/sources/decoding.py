"""Choose and decode one video track through PyAV, for files and for RTSP; what is damaged is counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av

from maskweave.cores import cores
from maskweave.sources.encryption import is_encrypted

MAX_FAILURES = 50
"""Read failures in a row after which the rest of a file is given up."""
_TS_DISCONT = 0x0200
"""AVFMT_TS_DISCONT: the clock of a format may start again."""
_NO_TIMESTAMPS = 0x0080
"""AVFMT_NOTIMESTAMPS: a bare stream of images."""
_ATTACHED_PICTURE = 1024
"""AV_DISPOSITION_ATTACHED_PIC: a music file's cover, which FFmpeg shows as a video stream."""
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
_DEFAULT = 1
"""AV_DISPOSITION_DEFAULT."""
_DEFAULT_WORTH = 5_000_000
"""Pixels that a track's being the default one is worth beside its size, as in FFmpeg's own choice."""
_MAX_ASPECT = 8
"""A pixel more than so many times as wide as it is high, or as high as it is wide, is a fault of the header."""


@dataclass
class Damage:
    """What went wrong while decoding, counted.

    ``lost``: packets of a bare stream that gave no frame.
    ``headless``: packets before the first key frame, which gave no frame. ``hidden``: frames that an edit list hides.
    ``encrypted``: nothing was decoded, as it needs a key. ``first_dts``: decoding time of the first packet, in ticks.
    ``end``: where in the file the last packet ends, or should.
    """

    packets: int = 0
    incomplete: int = 0
    frames: int = 0
    hidden: int = 0
    headless: int = 0
    lost: int = 0
    encrypted: bool = False
    first_dts: int | None = field(default=None, compare=False)
    end: int | None = field(default=None, compare=False)

    def sentences(self) -> list[str]:
        """One sentence for each kind of damage that occurred."""
        begin = []
        if self.headless:
            first = "first frame builds" if self.headless == 1 else f"first {self.headless} frames build"
            begin = [
                f"it begins between two key frames: its {first} on others that it lacks, and cannot be shown"
            ]
        counted = (
            (self.packets, "damaged packet", "skipped"),
            (self.incomplete, "packet", "incomplete, with frames that may be missing or wrong"),
            (self.lost, "frame", "missing: damaged, or built on damaged ones"),
            (self.frames, "frame", "shown although partly damaged"),
        )
        return begin + [
            f"{count} {what}{'s' * (count != 1)} {treatment}" for count, what, treatment in counted if count
        ]


def may_jump(container: Any) -> bool:
    """Whether the clock of a format may start again on the way, as in transport streams and HLS."""
    return bool(int(container.format.flags) & _TS_DISCONT)


def video_stream(container: Any) -> Any | None:
    """The best video track that is no cover image, or None: the largest; being the default one counts, too."""
    tracks = video_tracks(container)
    return max(tracks, key=_worth) if tracks else None  # the first of equals


def video_tracks(container: Any) -> list[Any]:
    """The video tracks that are no cover images."""
    return [stream for stream in container.streams.video if not is_cover(stream)]


def is_cover(stream: Any) -> bool:
    """Whether a video track is an image that belongs to the file as a whole."""
    return bool(_disposition(stream) & _ATTACHED_PICTURE)


def _worth(stream: Any) -> int:
    context = stream.codec_context
    if context is None:
        return -1
    is_default = bool(_disposition(stream) & _DEFAULT)
    return int(context.width * context.height) + _DEFAULT_WORTH * is_default


def _disposition(stream: Any) -> int:
    return int(getattr(stream.disposition, "value", stream.disposition))


def other_tracks(container: Any, chosen: Any) -> list[str]:
    """A sentence where there are further video tracks, else none."""
    others = [stream for stream in video_tracks(container) if stream.index != chosen.index]
    if not others:
        return []
    left = ", ".join(_described(stream) for stream in others)
    return [f"{len(others) + 1} video tracks: {_described(chosen)} is used, left out: {left}"]


def _described(stream: Any) -> str:
    context = stream.codec_context
    size = f" ({context.width} x {context.height})" if context is not None else ""
    return f"track {stream.index}{size}"


def pixel_aspect(stream: Any) -> Fraction:
    """Width of a coded pixel over its height; 1 where the stream does not say, or says nonsense."""
    ratio = stream.sample_aspect_ratio
    return ratio if ratio and 1 <= max(ratio, 1 / ratio) <= _MAX_ASPECT else Fraction(1)


def alpha_decoder(stream: Any) -> Any | None:
    """A decoder that reads the alpha of VP8 and VP9, which FFmpeg's own leave out, or None where it is not needed."""
    tags = {name.lower(): value for name, value in stream.metadata.items()}
    name = _ALPHA_DECODERS.get(stream.codec_context.name)
    if name is None or tags.get("alpha_mode") != "1":
        return None
    with suppress(av.FFmpegError, ValueError):  # this FFmpeg was built without libvpx
        decoder = av.CodecContext.create(name, "r")
        decoder.thread_count = stream.codec_context.thread_count
        return decoder
    return None


def set_threads(stream: Any, threads: int | None, *, live: bool = False) -> None:
    """Decode with ``threads`` threads (None: one per CPU core, at most 4); live streams without delay."""
    stream.thread_type = "SLICE" if live else "AUTO"
    stream.codec_context.thread_count = threads or min(4, cores())


def decoded(
    container: Any, stream: Any, damage: Damage, *, live: bool = False, decoder: Any = None
) -> Iterator[Any]:
    """Yield the stream's `av.VideoFrame`s; count damaged packets and go on after them.

    ``decoder``: a codec context to use instead of the stream's own.

    Raises `av.FFmpegError` when reading takes too long, and for a ``live`` stream also when reading fails for
    good; a file that fails for good ends there, with its damage counted.
    """
    beginning, has_fields = _Beginning(), False
    for packet in _packets(container, stream, damage, live=live):
        if damage.first_dts is None:
            damage.first_dts = packet.dts
            damage.encrypted = is_encrypted(packet)
        if damage.encrypted:
            return
        if packet.size and packet.pos is not None:
            damage.end = packet.pos + packet.size
        if (
            not packet.size and packet.dts is not None
        ):  # the frame before stays; to a decoder it would be the end
            continue
        try:
            frames = packet.decode() if decoder is None else decoder.decode(packet if packet.size else None)
        except (av.FFmpegError, ValueError):
            damage.packets += 1
            continue
        damage.hidden += bool(packet.is_discard)
        damage.incomplete += bool(packet.is_corrupt)
        damage.headless = beginning.lost_after(packet, len(frames))
        has_fields = has_fields or any(frame.interlaced_frame for frame in frames)
        lost = 0 if packet.size or has_fields else beginning.missing - len(frames) - damage.headless
        if lost > 0 and _is_bare(container, stream):
            damage.lost = lost
        for frame in frames:
            damage.frames += bool(frame.is_corrupt)
            yield frame


def _is_bare(container: Any, stream: Any) -> bool:
    """Whether each packet is a frame, cut out of a bare stream: nothing else tells that some are missing."""
    is_bare = bool(int(container.format.flags) & _NO_TIMESTAMPS)
    return is_bare and stream.codec_context.name in ("h264", "hevc")


@dataclass
class _Beginning:
    """Packets before the first key frame, coded or shown; ``missing``: of all, those without a frame as yet."""

    before: int = 0
    missing: int = 0
    is_over: bool = False
    key: int | None = None

    def lost_after(self, packet: Any, frames: int) -> int:
        """How many of them have no frame when ``packet`` gave so many; 0 up to the flush at the end."""
        if not packet.size:
            return max(0, min(self.before, self.missing - frames))
        if not self.is_over and packet.is_keyframe and self.before:
            self.key = packet.pts
        self.is_over |= frames > 0 or bool(packet.is_keyframe)
        is_earlier = self.key is not None and packet.pts is not None and packet.pts < self.key
        self.before += is_earlier or not self.is_over
        self.missing += (not packet.is_discard) - frames
        return 0


def _packets(container: Any, stream: Any, damage: Damage, *, live: bool) -> Iterator[Any]:
    """Packets of ``stream`` and the flushing one at the end; reading continues after unreadable data."""
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
            damage.packets += not isinstance(error, av.BlockingIOError)  # no packet near: it looks further on
            if failures <= MAX_FAILURES and not isinstance(error, (av.EOFError, PermissionError)):
                continue
            if live:
                damage.packets = max(
                    0, damage.packets - failures
                )  # no damaged packets, but the end of the connection
                raise
            return


def frame_duration(frame: Any, stream: Any) -> Fraction | None:
    """How long the stream says the frame lasts, in seconds, or None."""
    ticks = getattr(frame, "duration", None)
    return ticks * Fraction(stream.time_base) if ticks else None

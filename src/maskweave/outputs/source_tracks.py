"""Copy what a source video has besides its images: audio, subtitles, covers, chapters, title."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from maskweave.errors import IsolationError
from maskweave.outputs.audio_clock import AudioClock, Shifts
from maskweave.outputs.audio_transcoding import AacChild
from maskweave.outputs.subtitle_text import TEXT_CODECS, mov_text, subtitle_text
from maskweave.sources.decoding import MAX_FAILURES, may_jump

COPIED = frozenset({"aac", "mp3", "ac3", "eac3", "opus", "flac", "alac"})
"""Codecs that MP4 holds and players know; anything else (PCM, Vorbis …) becomes AAC."""
MP4_TAGS = frozenset(
    (
        *(
            "title",
            "artist",
            "album_artist",
            "composer",
            "album",
            "date",
            "comment",
            "genre",
            "copyright",
            "grouping",
        ),
        *("lyrics", "description", "synopsis", "show", "episode_id", "network", "keywords", "track", "disc"),
        *("creation_time", "language", "handler_name", "name"),
    )
)
"""Tags that MP4 holds, as FFmpeg's muxer writes them."""
_TECHNICAL = frozenset(
    (
        *(
            "major_brand",
            "minor_version",
            "compatible_brands",
            "encoder",
            "duration",
            "vendor_id",
            "timecode",
        ),
        *(
            "software",
            "application_platform",
            "company_name",
            "generation_uid",
            "material_package_umid",
            "uid",
        ),
        *("operational_pattern_ul", "product_name", "product_uid", "product_version", "product_version_num"),
        *("file_package_umid", "toolkit_version_num"),
        *("alpha_mode", "stereo_mode", "bps", "number_of_frames", "number_of_bytes", "variant_bitrate"),
    )
)
"""Tags that describe the file itself, and would be untrue of another; statistics likewise."""
_UNDECODABLE = (
    IsolationError,
    av.FFmpegError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    LookupError,
)
"""What damaged audio makes PyAV raise, or its process end with."""
_TEXT_TICK = Fraction(1, 1000)


class SourceTracks:
    """The tracks of the file at ``path`` beside its video, fed to ``output`` no further than asked.

    Make it before ``output`` is begun. Audio is copied packet by packet, or turned into AAC where MP4 does not hold
    it; subtitles of text become plain ones, covers are copied, and so are languages, titles and dispositions.
    ``shifts`` says where the images lie (`Shifts`). Memory is bounded by what lies between audio and images in the
    source file. What could not be kept is told in ``warnings``.

    Raises `av.FFmpegError` or `OSError` when the file cannot be read again.
    """

    def __init__(self, path: Path, output: Any, shifts: Shifts, *, warnings: list[str]) -> None:
        self._input = open_again(path)
        self._path, self._output, self._shifts, self._warnings = path, output, shifts, warnings
        self._left_out: list[str] = []
        self._may_jump = may_jump(self._input)
        self._tracks: dict[int, _Track] = {}
        self._apart: list[_TranscodedAudio] = []
        for stream in self._input.streams:
            self._add(stream)
        if lost := copy_metadata(self._input, output, shifts.values[0]):
            self._left_out.append(f"tags ({', '.join(lost)})")
        self._packets = self._read()
        self._next: Any = None
        if self._left_out:
            self._warnings.append(f"left out, as MP4 does not hold it: {', '.join(self._left_out)}")

    def advance(self, until: Fraction | None) -> None:
        """Write what begins before ``until`` (seconds of the output; None: all the rest)."""
        for apart in self._apart:
            apart.advance(until)
        while self._tracks:
            if self._next is None:
                self._next = next(self._packets, None)
            packet = self._next
            if packet is None:
                return
            track = self._tracks[packet.stream.index]
            stamp = _stamp(packet)
            if track.is_later(stamp, until):
                return
            self._next = None
            track.write(packet, stamp)

    def finish(self) -> None:
        """Tell what was left out on the way."""
        for track in [*self._tracks.values(), *self._apart]:
            self._warnings.extend(track.sentences())

    def close(self) -> None:
        """Close the source file, and end what decodes it."""
        for track in self._apart:
            track.close()
        self._input.close()

    def _add(self, stream: Any) -> None:
        if stream.type == "audio":
            self._add_audio(stream)
        elif stream.type == "subtitle":
            self._add_subtitles(stream)
        elif stream.type == "video" and stream.disposition & av.stream.Disposition.attached_pic:
            self._tracks[stream.index] = _Cover(stream, self._output)
        elif stream.type == "attachment":
            self._left_out.append("an attached file")
        elif stream.type == "data" and not self._input.chapters():  # chapters of MP4 look like data
            self._left_out.append("a track of data")

    def _add_audio(self, stream: Any) -> None:
        codec = "of an unknown codec"
        try:
            codec = stream.codec_context.name.removeprefix("lib").removesuffix("float")  # libopus, mp3float
            clock = AudioClock(self._shifts, may_jump=self._may_jump)
            if codec in COPIED:
                self._tracks[stream.index] = _CopiedAudio(stream, self._output, clock)
                return
            self._apart.append(_TranscodedAudio(self._path, stream, self._output, clock))
        except _UNDECODABLE as error:
            self._warnings.append(f"an audio track ({codec}) was left out: it cannot be decoded ({error})")
            return
        self._warnings.append(f"the audio was {codec}, which MP4 does not hold; turned into AAC")

    def _add_subtitles(self, stream: Any) -> None:
        codec = stream.codec_context.name if stream.codec_context is not None else "unknown"
        if codec == "mov_text":
            self._tracks[stream.index] = _CopiedSubtitles(stream, self._output, self._shifts)
        elif codec in TEXT_CODECS:
            self._tracks[stream.index] = _TextSubtitles(stream, codec, self._output, self._shifts)
        else:
            self._left_out.append(f"subtitles ({codec})")

    def _read(self) -> Iterator[Any]:
        streams = [stream for stream in self._input.streams if stream.index in self._tracks]
        if not streams:
            return
        failures = 0
        while True:
            try:
                for packet in self._input.demux(streams):
                    failures = 0
                    has_time = packet.pts is not None or packet.dts is not None
                    if packet.size and (has_time or isinstance(self._tracks[packet.stream.index], _Cover)):
                        yield packet
                return
            except IndexError:  # PyAV, at the end, where damage looks like further streams
                return
            except av.BlockingIOError:  # no packet near; the next call looks further on
                failures += 1
                if failures > MAX_FAILURES:
                    return
            except av.FFmpegError as error:
                reason = f"it cannot be read any further ({error.strerror})"
                self._warnings.append(f"the audio ends early: {reason}")
                return


class _Track(ABC):
    """One track of the output that takes packets of the source's ``stream``."""

    def __init__(self, stream: Any, output: Any, made: Any) -> None:
        self._stream, self._output = made, output
        self._last: int | None = None
        self._refused = 0
        made.disposition = stream.disposition
        for name, value in stream.metadata.items():
            if name.lower() in MP4_TAGS:
                made.metadata["title" if name == "name" else name] = (
                    value  # as MP4 is read, and as it is written
                )

    @abstractmethod
    def is_later(self, stamp: Fraction, until: Fraction | None) -> bool:
        """Whether a packet must not be written yet."""

    @abstractmethod
    def write(self, packet: Any, stamp: Fraction) -> None:
        """Write a packet of the source."""

    def sentences(self) -> list[str]:
        """What was left out."""
        return []

    def _mux(self, packet: Any, time: Fraction, duration: Fraction) -> None:
        """Write a packet at a time of the output, in its ticks: each a later one."""
        base = Fraction(self._stream.time_base)
        ticks = round(time / base)
        if self._last is not None:
            ticks = max(ticks, self._last + 1)
        self._last = ticks
        packet.time_base = base
        packet.pts = packet.dts = ticks
        packet.duration = max(1, round(duration / base))  # MP4 readers drop a last packet that lasts no time
        packet.stream = self._stream
        try:
            self._output.mux(packet)
        except (av.InvalidDataError, av.ArgumentError):
            self._refused += 1


class _Audio(_Track):
    """An audio track on the images' clock."""

    def __init__(self, stream: Any, output: Any, made: Any, clock: AudioClock) -> None:
        super().__init__(stream, output, made)
        self._clock = clock

    def is_later(self, stamp: Fraction, until: Fraction | None) -> bool:
        if until is not None and self._clock.must_wait(stamp):
            return True
        return until is not None and self._clock.time(stamp) >= until

    def _place(self, packet: Any, stamp: Fraction, duration: Fraction) -> None:
        for placed, time in self._clock.place((packet, duration), stamp, duration):
            self._mux(placed[0], time, placed[1])

    def sentences(self) -> list[str]:
        self._clock.finish()
        messages = []
        if self._clock.left_out:
            count = self._clock.left_out
            packets = "1 packet of audio that repeats another, or lies apart, was left out"
            if count > 1:
                packets = f"{count} packets of audio that repeat others, or lie apart, were left out"
            messages.append(packets)
        if self._clock.jumps:
            messages.append("the audio's clock jumps; it goes on where it was")
        if self._refused:
            messages.append("damaged pieces of the audio were left out")
        return messages


class _CopiedAudio(_Audio):
    """Packets passed on byte for byte."""

    def __init__(self, stream: Any, output: Any, clock: AudioClock) -> None:
        super().__init__(stream, output, output.add_stream_from_template(stream), clock)
        self._step = Fraction(0)
        self._before: Fraction | None = None

    def write(self, packet: Any, stamp: Fraction) -> None:
        duration = (packet.duration or 0) * Fraction(packet.time_base)
        if not duration and self._before is not None and 0 < stamp - self._before < 1:
            self._step = stamp - self._before
        self._before = stamp
        self._place(packet, stamp, duration or self._step)


class _TranscodedAudio(_Audio):
    """Audio that a child process turns into AAC."""

    def __init__(self, path: Path, stream: Any, output: Any, clock: AudioClock) -> None:
        self._child = AacChild(path, stream.index)
        rate, layout, bit_rate = self._child.format
        try:
            made = output.add_stream("aac", rate=rate, layout=layout)
        except BaseException:
            self._child.close()
            raise
        made.bit_rate = bit_rate
        super().__init__(stream, output, made, clock)
        self._duration = Fraction(1024, rate)
        self._pieces = self._child.pieces()
        self._next: Any = None
        self._lost = ""

    def advance(self, until: Fraction | None) -> None:
        """Write what begins before ``until``."""
        try:
            while (piece := self._next or next(self._pieces, None)) is not None:
                self._next = piece
                if self.is_later(piece.stamp, until):
                    return
                self._next = None
                self.write(av.Packet(piece.data), piece.stamp)
        except _UNDECODABLE as error:
            self._lost, self._pieces, self._next = str(error), iter(()), None

    def write(self, packet: Any, stamp: Fraction) -> None:
        packet.is_keyframe = True
        self._place(packet, stamp, self._duration)

    def sentences(self) -> list[str]:
        lost = (
            [f"the audio ends early: it cannot be decoded any further ({self._lost})"] if self._lost else []
        )
        return lost + super().sentences()

    def close(self) -> None:
        """End the process."""
        self._child.close()


class _Subtitles(_Track):
    """Subtitles, moved as the images are."""

    def __init__(self, stream: Any, output: Any, made: Any, shifts: Shifts) -> None:
        super().__init__(stream, output, made)
        self._shifts = shifts

    def is_later(self, stamp: Fraction, until: Fraction | None) -> bool:
        return until is not None and stamp + self._shifts.values[-1] >= until

    def _show(self, packet: Any, stamp: Fraction, duration: Fraction) -> None:
        time = stamp + self._shifts.values[-1]
        if time >= 0:
            self._mux(packet, time, duration)

    def sentences(self) -> list[str]:
        return [f"{self._refused} subtitles were left out"] if self._refused else []


class _CopiedSubtitles(_Subtitles):
    """Subtitles of another MP4, with their styles; pauses are written again."""

    def __init__(self, stream: Any, output: Any, shifts: Shifts) -> None:
        super().__init__(stream, output, output.add_stream_from_template(stream), shifts)

    def write(self, packet: Any, stamp: Fraction) -> None:
        if packet.size > len(mov_text("")):
            self._show(packet, stamp, packet.duration * Fraction(packet.time_base))


class _TextSubtitles(_Subtitles):
    """Subtitles of text as plain ones."""

    def __init__(self, stream: Any, codec: str, output: Any, shifts: Shifts) -> None:
        made = output.add_mux_stream("mov_text")
        made.time_base = _TEXT_TICK
        super().__init__(stream, output, made, shifts)
        self._codec = codec

    def write(self, packet: Any, stamp: Fraction) -> None:
        text = subtitle_text(self._codec, bytes(packet))
        if text:
            self._show(av.Packet(mov_text(text)), stamp, (packet.duration or 0) * Fraction(packet.time_base))


class _Cover(_Track):
    """The image that belongs to the file as a whole."""

    def __init__(self, stream: Any, output: Any) -> None:
        super().__init__(stream, output, output.add_stream_from_template(stream))

    def is_later(self, stamp: Fraction, until: Fraction | None) -> bool:
        return False

    def write(self, packet: Any, stamp: Fraction) -> None:
        if self._last is None:
            self._mux(packet, Fraction(0), Fraction(0))


def open_again(path: Path) -> Any:
    """The container of a file that was read before, as a file and nothing else."""
    return av.open(
        f"file:{path.absolute()}", options={"protocol_whitelist": "file"}, metadata_errors="replace"
    )


def copy_metadata(
    source: Any, output: Any, shift: Fraction, *, holds: frozenset[str] | None = MP4_TAGS
) -> list[str]:
    """Copy title, creation time, other tags and chapters, and return the names of the tags that were left out.

    ``shift`` is added to the chapters' times. ``holds``: tags that the output's format has; None: any.
    """
    lost = []
    for name, value in source.metadata.items():
        if name.lower() in _TECHNICAL:
            continue
        if holds is None or name.lower() in holds:
            output.metadata[name.lower()] = value
        else:
            lost.append(name)
    chapters = [_moved(each, shift) for each in source.chapters()]
    if chapters:
        with suppress(av.FFmpegError, ValueError, OverflowError):
            output.set_chapters([each for each in chapters if each["end"] > each["start"]])
    return sorted(lost)


def _moved(chapter: dict[str, Any], shift: Fraction) -> dict[str, Any]:
    base = Fraction(chapter["time_base"])
    begin, end = (max(0, round(chapter[edge] + shift / base)) for edge in ("start", "end"))
    return {**chapter, "start": begin, "end": end}


def _stamp(packet: Any) -> Fraction:
    ticks = packet.pts if packet.pts is not None else packet.dts
    return Fraction(0) if ticks is None else ticks * Fraction(packet.time_base)  # a cover has none

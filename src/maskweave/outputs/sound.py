"""Sound for a written video: the source's packets copied, or turned into AAC where MP4 cannot hold them."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

COPIED = frozenset({"aac", "mp3", "ac3", "eac3", "opus", "flac", "alac"})
"""Codecs that MP4 holds and players know; anything else (PCM, Vorbis …) becomes AAC."""


_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}
"""What is encoded for a number of channels (PCM often comes without a layout); others are mixed to stereo."""


class Sound:
    """All sound tracks of the file at ``path``, fed to ``output`` no further than asked.

    Add it before the first packet is muxed. ``start`` seconds are subtracted from every time. Memory is
    bounded by what lies between sound and picture in the source file. What could not be kept is told in
    ``warnings``.
    """

    def __init__(self, path: Path, output: Any, *, warnings: list[str]) -> None:
        self._warnings = warnings
        self._input = av.open(
            f"file:{path.absolute()}", options={"protocol_whitelist": "file"}, metadata_errors="replace"
        )
        self._output = output
        self.start = Fraction(0)
        self._tracks = {
            stream.index: track
            for stream in self._input.streams.audio
            if (track := _track(stream, output, warnings)) is not None
        }
        self._packets = self._read()
        self._next: Any = None

    @property
    def first_time(self) -> Fraction | None:
        """When the earliest track begins in the source, in seconds, or None when no file says."""
        begins = [
            stream.start_time * Fraction(stream.time_base or 0)
            for stream in self._input.streams.audio
            if stream.index in self._tracks and stream.start_time is not None
        ]
        return min(begins, default=None)

    def advance(self, until: Fraction | None) -> None:
        """Write the sound that begins before ``until`` (seconds of the output; None: all the rest)."""
        while self._tracks:
            if self._next is None:
                self._next = next(self._packets, None)
            packet = self._next
            if packet is None:
                return
            if until is not None and _time(packet) - self.start >= until:
                return
            self._next = None
            self._tracks[packet.stream.index].write(packet, self.start)

    def finish(self) -> None:
        """Write what the encoders still hold."""
        for track in self._tracks.values():
            track.finish()

    def close(self) -> None:
        """Close the source file."""
        self._input.close()

    def _read(self) -> Iterator[Any]:
        streams = [stream for stream in self._input.streams.audio if stream.index in self._tracks]
        if not streams:
            return
        try:
            for packet in self._input.demux(streams):
                if packet.size and (packet.pts is not None or packet.dts is not None):
                    yield packet
        except IndexError:  # PyAV, at the end, where damage looks like further streams
            return
        except av.FFmpegError as error:
            self._warnings.append(f"the sound ends early: it cannot be read any further ({error.strerror})")


class _CopiedTrack:
    """Packets passed on byte for byte, with their times shifted."""

    def __init__(self, stream: Any, output: Any, warnings: list[str]) -> None:
        self._stream = output.add_stream_from_template(stream)
        self._output = output
        self._warnings = warnings
        self._last_dts: int | None = None
        self._step = 1
        self._told = False

    def write(self, packet: Any, start: Fraction) -> None:
        shift = round(start / packet.time_base)
        dts = (packet.dts if packet.dts is not None else packet.pts) - shift
        if self._last_dts is not None:
            dts = max(dts, self._last_dts + 1)
            self._step = dts - self._last_dts
        self._last_dts = dts
        packet.pts = dts if packet.pts is None else max(dts, packet.pts - shift)
        packet.dts = dts
        packet.duration = packet.duration or self._step  # MP4 readers drop a last packet that lasts no time
        packet.stream = self._stream
        try:
            self._output.mux(packet)
        except av.InvalidDataError:
            if not self._told:
                self._warnings.append("damaged pieces of the sound were left out")
            self._told = True

    def finish(self) -> None:
        """Nothing is held back."""


class _EncodedTrack:
    """Packets decoded and encoded as AAC."""

    def __init__(self, stream: Any, output: Any) -> None:
        rate = stream.codec_context.sample_rate
        self._stream = output.add_stream("aac", rate=min(rate, 48000))
        channels = stream.codec_context.layout.nb_channels
        self._stream.layout = _LAYOUTS.get(channels, "stereo")
        self._stream.bit_rate = 96_000 * (channels if channels in _LAYOUTS else 2)
        self._output = output
        context = self._stream.codec_context
        self._resampler = av.AudioResampler(
            format="fltp", layout=context.layout, rate=context.sample_rate, frame_size=1024
        )

    def write(self, packet: Any, start: Fraction) -> None:
        try:
            frames = packet.decode()
        except av.FFmpegError:
            return  # a damaged packet: the next one's timestamp keeps sound and picture together
        for frame in frames:
            if frame.pts is not None:
                frame.pts -= round(start / frame.time_base)
            self._encode(frame)

    def finish(self) -> None:
        self._encode(None)
        self._output.mux(self._stream.encode(None))

    def _encode(self, frame: Any) -> None:
        for resampled in self._resampler.resample(frame):
            self._output.mux(self._stream.encode(resampled))


def _track(stream: Any, output: Any, warnings: list[str]) -> _CopiedTrack | _EncodedTrack | None:
    codec = "unknown"
    try:
        codec = stream.codec_context.name.removeprefix("lib").removesuffix("float")  # libopus, mp3float
        if codec in COPIED:
            return _CopiedTrack(stream, output, warnings)
        track = _EncodedTrack(stream, output)
    except (av.FFmpegError, ValueError, AttributeError) as error:
        warnings.append(f"the sound ({codec}) was left out: this FFmpeg cannot read it ({error})")
        return None
    warnings.append(f"the sound was {codec}, which MP4 does not hold; turned into AAC")
    return track


def _time(packet: Any) -> Fraction:
    ticks: int = packet.dts if packet.dts is not None else packet.pts
    return ticks * Fraction(packet.time_base)

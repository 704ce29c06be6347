"""Transcode audio that MP4 cannot hold into AAC, in a child process.

PyAV copies a channel layout without the memory that layouts of FFmpeg's custom order own, and frees it twice: already
a look at the layout of such a stream, or a decoded frame of it, damages the process. The layouts of foreign files are
therefore looked at in a child only, and PCM is decoded with a plain layout of as many channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import av

from maskweave.isolation import Child, Heartbeat, Work

_AAC_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}
"""What is encoded for a number of channels; others are mixed to stereo."""
_PCM_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
"""FFmpeg's usual layouts."""
_PCM_BITS = {"alaw": 8, "mulaw": 8, "8": 8, "16": 16, "24": 24, "32": 32, "64": 64}
"""Bits of a sample, by the end of a codec's name less its byte order."""
_AAC_SAMPLES = 1024
_MAX_RATE = 48_000
_SAME = Fraction(1, 25)
"""Seconds by which a timestamp may differ from the count of samples before it is a gap."""
_BATCH = 100
"""Packets that one call brings, some two seconds."""
_DEADLINE = 300.0


class AacFormat(NamedTuple):
    """The AAC that comes: samples a second, layout, bits a second."""

    rate: int
    layout: str
    bit_rate: int


class Piece(NamedTuple):
    """One packet of AAC: the timestamp in the source of its first sample, seconds, and its bytes."""

    stamp: Fraction
    data: bytes


class AacChild:
    """A child process that turns track ``index`` of the file at ``path`` into AAC, no further than asked.

    Raises what decoding raises, and `IsolationError` when the process was lost.
    """

    def __init__(self, path: Path, index: int) -> None:
        self._child = Child(partial(make_transcoder, path, index), deadline=_DEADLINE)
        try:
            self.format: AacFormat = self._child.call("format")
        except BaseException:
            self._child.close()
            raise

    def pieces(self) -> Iterator[Piece]:
        """Yield the packets in order."""
        while batch := self._child.call("pieces"):
            yield from batch

    def close(self) -> None:
        """End the process."""
        self._child.close()


def make_transcoder(path: Path, index: int) -> Work:
    """The child's work: "format" brings the `AacFormat`, "pieces" the next of the `Piece`s, and none at the end."""
    transcoder = _Transcoder(path, index)

    def work(argument: object, heartbeat: Heartbeat) -> object:
        return transcoder.format if argument == "format" else transcoder.next_pieces()

    return work


class _Transcoder:
    """Decodes, mixes and encodes; samples are counted, and jumps of their timestamps are kept beside the count."""

    def __init__(self, path: Path, index: int) -> None:
        self._container = av.open(
            f"file:{path.absolute()}", options={"protocol_whitelist": "file"}, metadata_errors="replace"
        )
        self._stream = self._container.streams[index]
        self._time_base = Fraction(self._stream.time_base or 1)
        self._plain = _plain_decoder(self._stream)
        self._frames = self._decoded()
        self._first = next(self._frames, None)
        self.format = self._chosen()
        self._encoder = self._made_encoder()
        self._resampler = av.AudioResampler(format="fltp", layout=self.format.layout, rate=self.format.rate)
        self._count = 0
        self._stretches: list[tuple[Fraction, Fraction]] = []
        self._packets = self._encoded()
        self._number = 0

    def next_pieces(self) -> list[Piece]:
        """The next packets."""
        pieces: list[Piece] = []
        for packet in self._packets:
            # the encoder begins with one packet of silence before the first sample
            at = Fraction((self._number - 1) * _AAC_SAMPLES, self.format.rate)
            self._number += 1
            pieces.append(Piece(self._stamp(at), bytes(packet)))
            if len(pieces) == _BATCH:
                break
        return pieces

    def _stamp(self, at: Fraction) -> Fraction:
        """The timestamp in the source of what lies ``at`` seconds after the first sample."""
        count, stamp = self._stretches[0]
        for begin, its_stamp in self._stretches:
            if begin <= at:
                count, stamp = begin, its_stamp
        return stamp + at - count

    def _decoded(self) -> Iterator[Any]:
        with suppress(IndexError):  # PyAV, at the end, where damage looks like further streams
            for packet in self._container.demux(self._stream):
                with suppress(av.FFmpegError):  # a damaged packet: the next one's timestamp shows the gap
                    yield from packet.decode() if self._plain is None else self._plain.decode(packet)

    def _chosen(self) -> AacFormat:
        if self._first is None:
            raise ValueError("not one of its packets can be decoded")
        channels = self._first.layout.nb_channels
        layout = _AAC_LAYOUTS.get(channels, "stereo")
        bit_rate = 96_000 * (channels if channels in _AAC_LAYOUTS else 2)
        return AacFormat(min(self._first.sample_rate, _MAX_RATE), layout, bit_rate)

    def _made_encoder(self) -> Any:
        encoder = av.CodecContext.create("aac", "w")
        encoder.sample_rate, encoder.layout = self.format.rate, self.format.layout
        encoder.format, encoder.bit_rate = "fltp", self.format.bit_rate
        encoder.time_base = Fraction(1, self.format.rate)
        return encoder

    def _encoded(self) -> Iterator[Any]:
        if self._first is not None:
            yield from self._packets_of(self._first)
        for frame in self._frames:
            yield from self._packets_of(frame)
        yield from self._packets_of(None)
        yield from self._encoder.encode(None)

    def _packets_of(self, frame: Any) -> Iterator[Any]:
        if frame is not None:
            self._note(frame)
            frame.pts, frame.time_base = None, Fraction(1, frame.sample_rate)
        for resampled in self._resampler.resample(frame):
            resampled.pts = None
            yield from self._encoder.encode(resampled)

    def _note(self, frame: Any) -> None:
        """Count a frame's samples; where its timestamp is not where they have come to, another stretch begins."""
        at = Fraction(self._count, frame.sample_rate)
        self._count += frame.samples
        stamp = None if frame.pts is None else frame.pts * self._time_base
        if not self._stretches:
            self._stretches.append((at, stamp or Fraction(0)))
        begin, its_stamp = self._stretches[-1]
        if stamp is not None and abs(its_stamp + at - begin - stamp) > _SAME:
            self._stretches.append((at, stamp))


def _plain_decoder(stream: Any) -> Any | None:
    """A decoder of PCM that never sees the file's layout; None for other codecs."""
    kind = stream.codec_context.name
    if not kind.startswith("pcm_") or not stream.codec_context.sample_rate:
        return None
    sample = kind.removesuffix("_planar").removesuffix("le").removesuffix("be")
    bits = next((bits for end, bits in _PCM_BITS.items() if sample.endswith(end)), 0)
    bit_rate = stream.codec_context.bit_rate or 0  # a damaged header may have none
    channels = round(bit_rate / (stream.codec_context.sample_rate * bits)) if bits else 0
    if not channels:
        return None
    decoder = av.CodecContext.create(kind, "r")
    decoder.sample_rate = stream.codec_context.sample_rate
    decoder.layout = _PCM_LAYOUTS.get(channels, f"{channels} channels")
    return decoder

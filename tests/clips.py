"""Small images and clips, made on the spot."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def corners(height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """Quarters of red, green / blue, white: tells every turn and mirror image apart."""
    image = np.empty((height, width, 3), np.uint8)
    image[: height // 2, : width // 2], image[: height // 2, width // 2 :] = RED, GREEN
    image[height // 2 :, : width // 2], image[height // 2 :, width // 2 :] = BLUE, WHITE
    return image


def quarter_names(image: NDArray[np.uint8]) -> str:
    """Which of the four colors lies in each quarter, "RG/BW" for `corners` upright."""
    height, width = image.shape[:2]
    names = ""
    for y in (height // 4, height * 3 // 4):
        for x in (width // 4, width * 3 // 4):
            distances = [np.abs(image[y, x].astype(int) - c).sum() for c in (RED, GREEN, BLUE, WHITE)]
            names += "RGBW"[int(np.argmin(distances))]
    return f"{names[:2]}/{names[2:]}"


def gray_frame(value: int, height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    return np.full((height, width, 3), value, np.uint8)


@dataclass
class Clip:
    """What to write into a clip; times are ticks of ``time_base``."""

    ticks: Sequence[int] = tuple(range(12))
    time_base: Fraction = Fraction(1, 25)
    size: tuple[int, int] = (48, 64)
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    audio: str | None = None
    audio_start: Fraction = Fraction(0)
    seconds: float | None = None
    rotation: int = 0
    aspect: Fraction = Fraction(1)
    options: dict[str, str] = field(default_factory=lambda: {"crf": "10", "preset": "veryfast"})
    images: Sequence[NDArray[np.uint8]] | None = None
    container_options: dict[str, str] = field(default_factory=dict)


def write_clip(path: Path, clip: Clip | None = None) -> Path:
    """Write a clip whose frames are gray of 20, 27, 34 … (or the images given), and a tone."""
    clip = clip or Clip()
    with av.open(str(path), "w", container_options=clip.container_options) as container:
        video = container.add_stream(clip.codec, rate=25, options=clip.options)
        video.height, video.width = clip.size
        video.pix_fmt = clip.pix_fmt
        video.codec_context.sample_aspect_ratio = clip.aspect
        video.time_base = video.codec_context.time_base = clip.time_base
        audio = container.add_stream(clip.audio, rate=44100) if clip.audio else None
        if audio is not None:
            length = clip.seconds or float((clip.ticks[-1] + 1) * clip.time_base)
            _write_tone(container, audio, length, clip.audio_start)
        for index, ticks in enumerate(clip.ticks):
            image = (
                gray_frame(20 + 7 * index % 200, *clip.size) if clip.images is None else clip.images[index]
            )
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = ticks, clip.time_base
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    if clip.rotation:
        rotate_mp4(path, clip.rotation)
    return path


def rotate_mp4(path: Path, degrees: int) -> None:
    """Put a counter-clockwise rotation of the first track into its header (ISO 14496-12, 8.3.2)."""
    a, b, c, d = {90: (0, -1, 1, 0), 180: (-1, 0, 0, -1), 270: (0, 1, -1, 0)}[degrees]
    data = bytearray(path.read_bytes())
    at = data.find(b"tkhd") + 44
    one = 1 << 16
    data[at : at + 36] = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    path.write_bytes(bytes(data))


def write_tone(path: Path, seconds: float = 0.5, codec: str = "aac") -> Path:
    """A file with audio and no image."""
    with av.open(str(path), "w") as container:
        _write_tone(container, container.add_stream(codec, rate=44100), seconds, Fraction(0))
    return path


def _write_tone(container: object, stream: object, seconds: float, start: Fraction) -> None:
    stream.layout = "mono"
    planar = stream.codec_context.format.name
    samples = np.sin(np.arange(int(seconds * 44100)) * 2 * np.pi * 440 / 44100)
    first = round(start * 44100)
    for at in range(0, len(samples), 1024):
        piece = (samples[at : at + 1024] * 10000).astype(np.int16)[None]
        if "flt" in planar:
            frame = av.AudioFrame.from_ndarray(
                (piece / np.float32(32768)).astype(np.float32), format=planar, layout="mono"
            )
        else:
            frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
        frame.sample_rate = 44100
        frame.pts, frame.time_base = first + at, Fraction(1, 44100)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def audio_packets(path: Path) -> list[tuple[Fraction, bytes]]:
    """(time in seconds, bytes) of every packet of the first audio track."""
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return []
        return [
            (packet.pts * packet.time_base, bytes(packet))
            for packet in container.demux(container.streams.audio[0])
            if packet.size
        ]

"""Videos of random containers, codecs, rates, offsets, shapes, layouts and damage, and what must hold of each.

A clip is white and loud at the same known moments. Whatever its file is like, what is read has all its frames, in
order and of the size as shown, what is written lasts as long and is white and loud at those moments, and what is
missing is told.
"""

import random
import struct
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np

from maskweave.errors import MaskWeaveError
from maskweave.outputs.video import VideoWriter
from maskweave.sources.video import VideoSource
from tests.clips import gray_frame, rotate_mp4

SECONDS = 2
LATE = 0.04
"""Seconds that images and audio may be apart."""
_MARK = 0.12  # seconds that it is white and loud
_RATE = 48_000
_CODEC_DELAY = {"libmp3lame": 0.03, "mp2": 0.015, "ac3": 0.01}
"""Seconds by which an encoder's run-in, which some containers do not tell, makes audio later."""
_AVI, _TS, _MPG = "avi", "ts", "mpg"

CONTAINERS = {
    "mp4": (("libx264", "mpeg4"), ("aac", "libmp3lame", "ac3", "flac")),
    "mov": (("libx264", "mjpeg", "mpeg4"), ("aac", "pcm_s16le", "pcm_s24le")),
    "mkv": (("libx264", "mpeg4", "mpeg2video", "ffv1"), ("aac", "pcm_s16le", "flac", "libopus", "ac3")),
    "webm": (("libvpx", "libvpx-vp9"), ("libopus",)),
    "avi": (("libx264", "mpeg4", "mjpeg"), ("pcm_s16le", "libmp3lame")),
    "ts": (("libx264", "mpeg2video"), ("aac", "mp2", "libmp3lame", "ac3")),
    "mpg": (("mpeg2video", "mpeg1video"), ("mp2",)),
    "flv": (("libx264", "flv"), ("aac", "libmp3lame")),
    "nut": (("mpeg4", "libx264"), ("pcm_s16le", "aac")),
}
"""Video and audio codecs that each holds."""
_COUNTED = ("mp4", "mov", "mkv", "webm", "avi", "ts")
TELLS = {
    "cut": (*_COUNTED, "flv"),
    **dict.fromkeys(("none", "joined", "wild", "zeroed"), tuple(CONTAINERS)),
}
"""Containers in which a frame that is missing leaves a trace."""
DAMAGES = ("none", "none", "joined", "wild", "cut", "zeroed")


@dataclass(frozen=True)
class Case:
    """One clip."""

    container: str
    video: str
    audio: str | None
    layout: str = "stereo"
    rate: Fraction = Fraction(25)
    b_frames: int = 0
    begin: int = 0
    rotation: int = 0
    aspect: Fraction = Fraction(1)
    size: tuple[int, int] = (48, 64)
    damage: str = "none"
    seed: int = 0

    @property
    def parts(self):
        return 2 if self.damage == "joined" else 1

    @property
    def marks(self):
        """Seconds at which it becomes white and loud."""
        return [SECONDS * part + at for part in range(self.parts) for at in (0.4, 1.2)]


def random_case(seed):
    """The clip of that number."""
    rng = random.Random(seed)
    container = rng.choice(list(CONTAINERS))
    videos, audios = CONTAINERS[container]
    video, audio = rng.choice(videos), rng.choice((*audios, None))
    rates = [Fraction(25), Fraction(30), Fraction(30_000, 1001)]
    if not video.startswith("mpeg"):
        rates += [Fraction(10), Fraction(50)]
    case = Case(
        container,
        video,
        audio,
        layout=rng.choice(["mono", "stereo", "5.1"] if audio in ("aac", "pcm_s16le") else ["mono", "stereo"]),
        rate=rng.choice(rates),
        b_frames=rng.choice((0, 1, 3)) if video in ("libx264", "mpeg4", "mpeg2video") else 0,
        begin=rng.choice((0, 0, 1, 7)) if container not in (_AVI, "flv", "mpg") else 0,
        rotation=rng.choice((0, 90, 180, 270)) if container in ("mp4", "mov") else 0,
        aspect=rng.choice((Fraction(1), Fraction(64, 45), Fraction(2, 3)))
        if container in ("mp4", "mkv") and video != "mpeg2video"  # it knows few shapes
        else Fraction(1),
        size=rng.choice(((48, 64), (64, 48), (96, 128))),
        damage=rng.choice(DAMAGES),
        seed=seed,
    )
    if case.damage in ("joined", "wild") and container != _TS:
        case = replace(case, damage="none")
    return case


def write(case, path):
    """Write the clip with PyAV."""
    with av.open(
        str(path), "w", format={"ts": "mpegts", "mpg": "vob", "mkv": "matroska"}.get(case.container)
    ) as output:
        options = {"g": "12"} | ({"bf": str(case.b_frames)} if case.b_frames else {})
        if case.video.startswith("libvpx"):
            options = {"lag-in-frames": "0", "deadline": "realtime", "cpu-used": "8"}
        video = output.add_stream(case.video, rate=case.rate, options=options)
        video.height, video.width = case.size
        video.pix_fmt = "yuvj420p" if case.video == "mjpeg" else "yuv420p"
        video.codec_context.sample_aspect_ratio = case.aspect
        audio = output.add_stream(case.audio, rate=_RATE, layout=case.layout) if case.audio else None
        for tick in range(round(SECONDS * case.rate)):
            frame = av.VideoFrame.from_ndarray(
                gray_frame(235 if _is_mark(tick / case.rate) else 30, *case.size), "rgb24"
            )
            frame.pts, frame.time_base = tick + round(case.begin * case.rate), 1 / case.rate
            output.mux(video.encode(frame.reformat(format=video.pix_fmt)))
            if audio is not None:
                _write_audio(output, audio, case, tick)
        output.mux(video.encode(None))
        if audio is not None:
            output.mux(audio.encode(None))
    finish(case, path)


def finish(case, path):
    """Turn and damage a clip that is whole."""
    if case.rotation:
        rotate_mp4(path, case.rotation)
    data = path.read_bytes()
    rng = random.Random(case.seed)
    if case.damage == "joined":
        data *= 2
    elif case.damage == "wild":
        data = moved(data, rng.randrange(5, 15), rng.choice((-600, 600, 40_000)))
    elif case.damage == "cut":
        data = data[: round(len(data) * rng.uniform(0.3, 0.9))]
    elif case.damage == "zeroed":
        at, length = round(len(data) * rng.uniform(0.3, 0.7)), max(200, len(data) // 30)
        data = data[:at] + bytes(length) + data[at + length :]
    path.write_bytes(data)


def problems(case, path, result):
    """What does not hold of a clip; ``result`` is where it is written again."""
    try:
        source, frames = _copied(path, result)
    except MaskWeaveError as error:
        return [f"refused: {error}"] if case.damage in ("none", "joined", "wild") else []
    whole = round(SECONDS * case.rate) * case.parts
    found = [] if case.damage != "none" else _as_shown(case, frames)
    times = [frame[0] for frame in frames]
    if any(after <= before for before, after in pairwise(times)):
        found.append("times do not rise")
    if len(frames) < whole and not source.warnings and case.container in TELLS[case.damage]:
        found.append(f"{whole - len(frames)} frames missing in silence")
    if case.damage in ("cut", "zeroed"):
        return found
    if len(frames) != whole:
        found.append(f"{len(frames)} of {whole} frames")
    return found + _out_of_step(case, result)


def _copied(path, result):
    """Read and write; returns the source and (time, size, shape of a pixel) of each frame."""
    frames = []
    with VideoSource(path) as source, VideoWriter(result, source.info) as writer:
        for frame in source:
            writer.write(frame.image, time=frame.time, duration=frame.duration, stamp=frame.stamp)
            frames.append((frame.time, frame.size, frame.pixel_aspect))
    return source, frames


def _as_shown(case, frames):
    turned = case.rotation in (90, 270)
    size = case.size[::-1] if turned else case.size
    aspect = 1 / case.aspect if turned else case.aspect
    found = []
    if {frame[1] for frame in frames} != {size}:
        found.append(f"frames of {frames[0][1]}, need {size}")
    if {frame[2] for frame in frames} != {aspect}:
        found.append(f"pixels of {frames[0][2]}, need {aspect}")
    return found


def _out_of_step(case, result):
    length = SECONDS * case.parts
    white, loud, lasts = flashes_and_beeps(result)
    found = []
    if abs(lasts - length) > LATE + float(2 / case.rate):
        found.append(f"lasts {lasts:.2f} s, need {length}")
    step = float(1 / case.rate)
    if len(white) != len(case.marks) or max(map(_apart, white, case.marks)) > LATE + step:
        found.append(f"white at {white}, need {case.marks}")
    if case.audio is not None:
        late = LATE + step / 2 + _CODEC_DELAY.get(case.audio, 0)
        if len(loud) != len(white) or max(map(_apart, loud, white)) > late:
            found.append(f"loud at {loud}, white at {white}")
    return found


def flashes_and_beeps(path):
    """Seconds at which a clip becomes white, and loud, and how long it lasts."""
    white, times, levels, end = [], [], [], 0.0
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            end = float(frame.time) + float((frame.duration or 0) * (frame.time_base or 0))
            if frame.to_ndarray(format="rgb24").mean() > 130:
                white.append(float(frame.time))
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0) if container.streams.audio else ():
            level = np.abs(frame.to_ndarray().astype(float)).max(axis=0)
            times.append(float(frame.time) + np.arange(len(level)) / frame.sample_rate)
            levels.append(level if np.issubdtype(frame.to_ndarray().dtype, np.floating) else level / 32768)
    loud = np.concatenate(times)[np.concatenate(levels) > 0.1].tolist() if times else []
    return _begins(white), _begins(loud), end


def moved(data, nth, seconds, pid=0x100):
    """A transport stream with another time in the nth frame of ``pid``."""
    data, seen = bytearray(data), -1
    for at in range(0, len(data), 188):
        if (data[at + 1] & 31) << 8 | data[at + 2] != pid or not data[at + 1] & 0x40:
            continue
        unit = at + 4 + (1 + data[at + 4] if data[at + 3] & 0x20 else 0)
        seen += 1
        if seen == nth:
            both = data[unit + 7] >> 6 == 3
            for place in [unit + 9, *([unit + 14] if both else [])]:
                data[place : place + 5] = _later(data[place : place + 5], round(seconds * 90_000))
    return bytes(data)


def _later(stamp, ticks):
    time = (stamp[0] >> 1 & 7) << 30 | stamp[1] << 22 | stamp[2] >> 1 << 15 | stamp[3] << 7 | stamp[4] >> 1
    time = (time + ticks) % 2**33
    head = stamp[0] & 0xF0 | time >> 30 << 1 | 1
    return struct.pack(
        "5B", head, time >> 22 & 255, time >> 14 & 254 | 1, time >> 7 & 255, time << 1 & 255 | 1
    )


def _write_audio(output, stream, case, tick):
    first, last = (round(edge * _RATE / case.rate) for edge in (tick, tick + 1))
    times = np.arange(first, last) / _RATE
    loud = np.where([_is_mark(time) for time in times], 0.5, 0.0) * np.sin(times * 2 * np.pi * 1000)
    count = av.AudioLayout(case.layout).nb_channels
    frame = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(np.repeat(loud[None].astype(np.float32), count, axis=0)),
        format="fltp",
        layout=case.layout,
    )
    frame.sample_rate, frame.time_base = _RATE, Fraction(1, _RATE)
    frame.pts = first + round(case.begin * _RATE)
    output.mux(stream.encode(frame))


def _is_mark(time):
    return any(mark - 1e-6 <= time < mark + _MARK - 1e-6 for mark in (0.4, 1.2))


def _begins(times):
    return [time for before, time in zip([-1, *times], times, strict=False) if time - before > 0.2]


def _apart(one, other):
    return abs(one - other)

"""Make the media of the demo: photos that ship with the package, and a video made of them."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from importlib.resources import as_file, files
from pathlib import Path

import av
import numpy as np
from PIL import Image as PILImage

from maskweave.files import atomic_file
from maskweave.types.arrays import Image

PHOTOS = ("astronaut", "cat", "coffee")
_FPS, _SIZE, _SAMPLES_PER_SECOND, _BLOCK = 24, (480, 854), 44100, 1024


def photo(name: str) -> Image:
    """(H, W, 3) uint8 RGB: one of `PHOTOS`."""
    with (
        as_file(files("maskweave") / "samples" / f"{name}.webp") as path,
        PILImage.open(path) as image,
    ):
        return np.asarray(image.convert("RGB"))


def write_photos(folder: Path) -> list[Path]:
    """Write every photo as JPEG into ``folder``; returns the paths."""
    paths = [folder / f"{name}.jpg" for name in PHOTOS]
    folder.mkdir(parents=True, exist_ok=True)
    for path in paths:
        with atomic_file(path) as temporary:
            PILImage.fromarray(photo(path.stem)).save(temporary, format="JPEG", quality=95)
    return paths


def write_video(path: Path, *, seconds: float = 4.0) -> Path:
    """Write a video in which a cat and an astronaut drift past each other, with a tone: H.264 and AAC."""
    count = round(_FPS * seconds)
    with atomic_file(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=_FPS, options={"crf": "20", "preset": "veryfast"})
        video.height, video.width, video.pix_fmt = *_SIZE, "yuv420p"
        audio = container.add_stream("aac", rate=_SAMPLES_PER_SECOND, layout="mono")
        for index, image in enumerate(drifting(count)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, _FPS)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for block in _tone(count / _FPS):
            container.mux(audio.encode(block))
        container.mux(audio.encode(None))
    return path


def drifting(count: int) -> Iterator[Image]:
    """``count`` frames, (480, 854, 3) uint8 RGB each."""
    wall, cat, astronaut = _wall(), photo("cat"), photo("astronaut")[:400, 60:400]
    for index in range(count):
        progress = index / count
        canvas = wall.copy()
        _paste(canvas, cat, center=(180 + 90 * progress, 250), height=300 + 30 * progress)
        _paste(canvas, astronaut, center=(650 - 70 * progress, 250), height=420 - 30 * progress)
        yield np.asarray(canvas)


def _wall() -> PILImage.Image:
    """A dim, blurred backdrop without objects."""
    small = PILImage.fromarray(photo("coffee")).resize((16, 9), PILImage.Resampling.BOX)
    return small.resize(_SIZE[::-1], PILImage.Resampling.BICUBIC)


def _paste(canvas: PILImage.Image, pixels: Image, *, center: tuple[float, float], height: float) -> None:
    """Paste ``pixels`` into ``canvas``, ``height`` pixels high, at a sub-pixel position."""
    scale = pixels.shape[0] / height
    left, top = center[0] - pixels.shape[1] / scale / 2, center[1] - height / 2
    affine = (scale, 0, -left * scale, 0, scale, -top * scale)
    how = (PILImage.Transform.AFFINE, affine, PILImage.Resampling.BILINEAR)
    moved = PILImage.fromarray(pixels).transform(canvas.size, *how)
    inside = PILImage.new("L", pixels.shape[1::-1], 255).transform(canvas.size, *how)
    canvas.paste(moved, mask=inside)


def _tone(seconds: float) -> Iterator[av.AudioFrame]:
    """A quiet 330 Hz tone in whole blocks."""
    samples = np.arange(round(_SAMPLES_PER_SECOND * seconds))
    wave = (0.1 * np.sin(2 * np.pi * 330 * samples / _SAMPLES_PER_SECOND)).astype(np.float32)
    for start in range(0, len(wave) - _BLOCK + 1, _BLOCK):
        block = av.AudioFrame.from_ndarray(wave[None, start : start + _BLOCK], format="fltp", layout="mono")
        block.sample_rate, block.pts = _SAMPLES_PER_SECOND, start
        block.time_base = Fraction(1, _SAMPLES_PER_SECOND)
        yield block

"""Segment photos that ship inside scikit-image and a video made of one, with the model in the package."""

from __future__ import annotations

import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from maskweave.cli.app import app

RATE, SECONDS, SIZE = 24, 4, (480, 854)


def main(folder: Path) -> None:
    """Make the media, run the same commands a user would, and say where everything lies."""
    media, results = folder / "media", folder / "results"
    media.mkdir(parents=True, exist_ok=True)
    photos = [media / "cat.jpg", media / "astronaut.jpg"]
    Image.fromarray(data.chelsea()).save(photos[0], quality=95)
    Image.fromarray(data.astronaut()).save(photos[1], quality=95)
    video = media / "walk.mp4"
    make_video(video)
    started = time.perf_counter()
    segment(photos, results)
    segment([video], results)
    segment([video], results, "--task", "foreground")
    print(f"\nDone in {time.perf_counter() - started:.1f} s. Look at:")
    for path in sorted(results.iterdir()):
        print(f"  {path}{'/' if path.is_dir() else ''}")


def segment(inputs: list[Path], results: Path, *options: str) -> None:
    """Run `maskweave segment` in this process."""
    words = ["segment", *map(str, inputs), "-o", str(results), *options]
    print("$ maskweave", " ".join(words), flush=True)
    code = app(words, prog_name="maskweave", standalone_mode=False)
    if code:
        sys.exit(code)


def make_video(path: Path) -> None:
    """A cat and an astronaut drift past each other over a blurred wall, with a tone: H.264 and AAC."""
    wall, cat, astronaut = backdrop(), data.chelsea(), data.astronaut()[:400, 60:400]
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("libx264", rate=RATE, options={"crf": "20", "preset": "veryfast"})
        pictures.height, pictures.width, pictures.pix_fmt = *SIZE, "yuv420p"
        sound = container.add_stream("aac", rate=44100, layout="mono")
        for index in range(RATE * SECONDS):
            progress = index / (RATE * SECONDS)
            picture = wall.copy()
            lay(picture, cat, centre=(180 + 90 * progress, 250), height=300 + 30 * progress)
            lay(picture, astronaut, centre=(650 - 70 * progress, 250), height=420 - 30 * progress)
            frame = av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            container.mux(pictures.encode(frame))
        container.mux(pictures.encode(None))
        for block in tone():
            container.mux(sound.encode(block))
        container.mux(sound.encode(None))


def backdrop() -> Image.Image:
    """A dim, blurred wall without objects."""
    wall = Image.fromarray(data.coffee()).resize((16, 9), Image.Resampling.BOX)
    return wall.resize(SIZE[::-1], Image.Resampling.BICUBIC)


def lay(
    picture: Image.Image, photo: NDArray[np.uint8], *, centre: tuple[float, float], height: float
) -> None:
    """Paste ``photo`` into ``picture``, ``height`` pixels high, at a sub-pixel position."""
    scale = photo.shape[0] / height
    left, top = centre[0] - photo.shape[1] / scale / 2, centre[1] - height / 2
    onto = (scale, 0, -left * scale, 0, scale, -top * scale)
    moved = Image.fromarray(photo).transform(
        picture.size, Image.Transform.AFFINE, onto, Image.Resampling.BILINEAR
    )
    inside = Image.new("L", photo.shape[1::-1], 255).transform(
        picture.size, Image.Transform.AFFINE, onto, Image.Resampling.BILINEAR
    )
    picture.paste(moved, mask=inside)


def tone() -> list[av.AudioFrame]:
    """A quiet 330 Hz tone as long as the video, in blocks of 1024 samples."""
    samples = np.arange(44100 * SECONDS)
    wave = (0.1 * np.sin(2 * np.pi * 330 * samples / 44100)).astype(np.float32)
    blocks = []
    for start in range(0, len(wave) - 1023, 1024):
        block = av.AudioFrame.from_ndarray(wave[None, start : start + 1024], format="fltp", layout="mono")
        block.sample_rate, block.pts, block.time_base = 44100, start, Fraction(1, 44100)
        blocks.append(block)
    return blocks


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo-out"))

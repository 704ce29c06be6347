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
    """A camera that pans and zooms over two photos side by side, with a tone: H.264 and AAC."""
    scene = backdrop()
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("libx264", rate=RATE, options={"crf": "20", "preset": "veryfast"})
        pictures.height, pictures.width, pictures.pix_fmt = *SIZE, "yuv420p"
        sound = container.add_stream("aac", rate=44100, layout="mono")
        for index in range(RATE * SECONDS):
            frame = av.VideoFrame.from_ndarray(view(scene, index / (RATE * SECONDS)), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            container.mux(pictures.encode(frame))
        container.mux(pictures.encode(None))
        for block in tone():
            container.mux(sound.encode(block))
        container.mux(sound.encode(None))


def backdrop() -> NDArray[np.uint8]:
    """The cat and the astronaut, one height, side by side."""
    height = 900
    parts = []
    for photo in (data.chelsea(), data.astronaut()):
        width = round(photo.shape[1] * height / photo.shape[0])
        parts.append(np.asarray(Image.fromarray(photo).resize((width, height), Image.Resampling.LANCZOS)))
    return np.concatenate(parts, axis=1)


def view(scene: NDArray[np.uint8], progress: float) -> NDArray[np.uint8]:
    """What the camera sees after ``progress`` (0 to 1) of the way: from left to right, coming nearer and back."""
    zoom = 1.0 - 0.18 * np.sin(np.pi * progress)
    height = scene.shape[0] * zoom
    width = min(height * SIZE[1] / SIZE[0], scene.shape[1])
    left = (scene.shape[1] - width) * (0.5 - 0.5 * np.cos(np.pi * progress))
    top = (scene.shape[0] - height) / 2
    box = (left, top, left + width, top + height)
    return np.asarray(Image.fromarray(scene).resize(SIZE[::-1], Image.Resampling.BILINEAR, box=box))


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

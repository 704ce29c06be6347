"""Make the images and clips of README and documentation, and what their commands print, from the demo's own media.

    python scripts/docs_images.py                 # all of it, in under three minutes
    python scripts/docs_images.py hero counts     # some of them, by name; "outputs" is what the commands print

Needs this checkout installed, nothing else. Run it again when the model in the package has changed. `page_images.py`
makes those of the browser interface.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

import maskweave as mw
from maskweave.cli.demo_video import photo, write_photos, write_video
from maskweave.ops.palette import object_color

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "images"
TEXTS = (ROOT / "README.md", ROOT / "docs" / "index.md")
MAX_HERO_BYTES = 3_000_000
CAT_BOX = (20, 90, 350, 410)
LINE = "615,0,615,480=middle"
EVERY = 3
"""A clip has every third frame of the video."""

ImageArray = NDArray[np.uint8]


class Studio:
    """The media and the loaded model, for all who make images."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.photos = {path.stem: path for path in write_photos(folder)}
        self.video = write_video(folder / "drift.mp4", seconds=seconds)
        self.model = mw.load()

    def result(self, name: str = "astronaut", **options: object) -> mw.Result:
        """The result of a photo."""
        return self.model(self.photos[name], **options)

    @cached_property
    def results(self) -> list[mw.Result]:
        """The results of the video's frames."""
        return list(self.model.stream(self.video))

    @cached_property
    def followed(self) -> list[mw.Result]:
        """The results of a propagation from one box."""
        return list(mw.propagate(self.video, boxes=[CAT_BOX]))


def row(*images: ImageArray, gap: int = 8) -> ImageArray:
    """Images of one height beside each other."""
    height = min(pixels.shape[0] for pixels in images)
    parts: list[ImageArray] = []
    for pixels in images:
        width = round(pixels.shape[1] * height / pixels.shape[0])
        small = np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))
        parts += [small, np.full((height, gap, 3), 255, np.uint8)]
    return np.concatenate(parts[:-1], axis=1)


def on_checks(cutout: ImageArray) -> ImageArray:
    """RGBA pixels on the gray checks by which transparency is shown."""
    rows, columns = np.indices(cutout.shape[:2]) // 12
    checks = np.where((rows + columns) % 2, 255, 215).astype(np.uint8)[..., None].repeat(3, axis=2)
    alpha = cutout[..., 3:] / 255
    return np.round(cutout[..., :3] * alpha + checks * (1 - alpha)).astype(np.uint8)


def ids(instances: mw.Instances) -> ImageArray:
    """The label map, a color for each number."""
    canvas = np.zeros((*instances.size, 3), np.uint8)
    for number, mask in enumerate(instances.masks.dense(), start=1):
        canvas[mask] = object_color(number)
    return canvas


def crops(studio: Studio) -> ImageArray:
    """The bitmaps of compact masks: each is as large as its object."""
    masks = studio.result("coffee", score=0.2).instances.masks
    return row(*((crop * np.uint8(255))[..., None].repeat(3, axis=2) for crop in masks.crops[:4]))


def semantic(studio: Studio) -> ImageArray:
    """A map of classes."""
    return studio.result(task="semantic").overlay(mw.OverlayStyle(color_by="class"))


def foreground(studio: Studio) -> ImageArray:
    """The photo and its foreground."""
    result = studio.result("cat", task="foreground")
    mask = (result.semantic.mask("foreground") * np.uint8(255))[..., None].repeat(3, axis=2)
    return row(result.image, mask)


def tiles(studio: Studio) -> ImageArray:
    """A large image, made of twenty-four photos, looked at in tiles."""
    names = ("astronaut", "cat", "coffee", "cat", "coffee", "astronaut", "coffee", "astronaut", "cat") * 3
    cells = [np.asarray(Image.fromarray(photo(name)).resize((240, 160))) for name in names]
    image = np.concatenate([np.concatenate(cells[at : at + 6], axis=1) for at in (0, 6, 12, 18)])
    with mw.load(tile=480) as tiled:
        return tiled(image).overlay()


def followed(studio: Studio) -> ImageArray:
    """The first, middle and last frame of an object that one box marks."""
    results = studio.followed
    return row(*(results[at].overlay() for at in (0, len(results) // 2, -1)))


def frames_of(video: Path) -> list[ImageArray]:
    """The frames of a video file."""
    with av.open(str(video)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


STILLS: dict[str, Callable[[Studio], ImageArray]] = {
    "overlay": lambda studio: studio.results[0].overlay(),
    "photo-astronaut": lambda studio: studio.result().overlay(),
    "photo-cat": lambda studio: studio.result("cat").overlay(),
    "photo-coffee": lambda studio: studio.result("coffee").overlay(),
    "photo-by-class": lambda studio: studio.result("coffee").overlay(mw.OverlayStyle(color_by="class")),
    "photo-opacity": lambda studio: row(
        *(studio.result("cat").overlay(mw.OverlayStyle(opacity=each)) for each in (0.2, 0.8))
    ),
    "photo-masks": lambda studio: ids(studio.result().instances),
    "photo-score": lambda studio: row(
        studio.result("coffee", score=0.6).overlay(), studio.result("coffee", score=0.15).overlay()
    ),
    "photo-classes": lambda studio: studio.result(classes=["person"]).overlay(),
    "photo-side-by-side": lambda studio: row(
        studio.result("coffee").image, studio.result("coffee").overlay()
    ),
    "mask-crops": crops,
    "semantic": semantic,
    "foreground": foreground,
    "cutout-transparent": lambda studio: on_checks(studio.result("cat").cutout()),
    "cutout-blur": lambda studio: studio.result().cutout("blur"),
    "cutout-color": lambda studio: studio.result("cat").cutout("teal"),
    "prompt-point": lambda studio: studio.model.prompt(studio.photos["cat"], points=[(280, 150)]).overlay(),
    "prompt-box": lambda studio: studio.model.prompt(
        studio.photos["coffee"], boxes=[(150, 60, 480, 300)]
    ).overlay(),
    "tiles": tiles,
    "video-boxes": lambda studio: studio.results[-1].overlay(mw.OverlayStyle(boxes=True)),
    "video-propagated": followed,
}
"""Each still by its name in docs/images: what makes it."""


def trails(studio: Studio) -> list[ImageArray]:
    """The video with masks, names, numbers, and the way that each object came."""
    return written(studio, style=mw.OverlayStyle(trail=1.5))


def written(studio: Studio, **options: object) -> list[ImageArray]:
    """The frames that `segment_video` writes."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.mp4"
        mw.segment_video(studio.video, out, model=studio.model, **options)
        return frames_of(out)[:: 2 if "style" in options else EVERY]


CLIPS: dict[str, Callable[[Studio], Sequence[ImageArray]]] = {
    "hero": trails,
    "clip-counts": lambda studio: written(studio, lines=[LINE]),
    "clip-foreground": lambda studio: written(studio, task="foreground"),
    "clip-blur": lambda studio: [result.cutout("blur") for result in studio.results[::EVERY]],
    "clip-propagated": lambda studio: [result.overlay() for result in studio.followed[::EVERY]],
}
"""Each clip by its name: what makes its frames, every `EVERY`-th of 24 a second, of the first every other one."""


def save_still(name: str, pixels: ImageArray) -> Path:
    """Keep a still, at most 900 pixels wide."""
    image = Image.fromarray(pixels)
    image.thumbnail((900, 900), Image.Resampling.LANCZOS)
    path = FOLDER / f"{name}.jpg"
    image.save(path, quality=86, optimize=True)
    return path


def save_clip(name: str, frames: Sequence[ImageArray]) -> Path:
    """Keep a clip as animated WebP; the first image of the README is larger than the others."""
    every, width = (2, 640) if name == "hero" else (EVERY, 427)
    kept = [Image.fromarray(frame) for frame in frames]
    small = [each.resize((width, round(width * each.height / each.width))) for each in kept]
    path = FOLDER / f"{name}.webp"
    first, *rest = small
    first.save(
        path,
        save_all=True,
        append_images=rest,
        duration=round(1000 * every / 24),
        loop=0,
        quality=60,
        method=3,
    )
    return path


def outputs(studio: Studio) -> None:
    """Run the commands and the Python of the documents, and put what they print below them."""
    for text in TEXTS:
        media = (
            studio.video.parent / f"media of {text.stem}"
        )  # of its own, as nothing is replaced in a first run
        write_photos(media)
        shutil.copy(studio.video, media)
        content = with_outputs(text.read_text(encoding="utf-8"), media)
        text.write_text(_ACCURACY.sub(rf"mask AP50 {accuracy()} on COCO", content), encoding="utf-8")
        print(text)


_ACCURACY = re.compile(r"mask AP50 [\d.]+ on COCO")


def accuracy() -> str:
    """Mask AP50 over 80 classes, as the model card has it."""
    card = (ROOT / "docs" / "model-card.md").read_text(encoding="utf-8")
    return card.partition("| coco part, all 80 classes | ")[2].partition(" ")[0]


_BLOCK = re.compile(
    r"(<!-- printed by (?P<what>commands|python) -->\n```\w+\n)(?P<given>.*?)(```\n)"
    r"(\n```text\n(?P<shown>.*?)```\n)?(<!-- end -->)",
    re.DOTALL,
)


def with_outputs(content: str, media: Path) -> str:
    """A document with its outputs replaced by those of now."""

    def again(found: re.Match[str]) -> str:
        if found["what"] == "python":
            shown = printed([sys.executable, "-c", found["given"]], media)
            return f"{found[1]}{found['given']}```\n\n```text\n{shown}```\n<!-- end -->"
        lines = [line for line in found["given"].splitlines() if line.startswith("$ ")]
        both = [f"{line}\n{printed(words_of(line), media)}" for line in lines]
        return f"{found[1]}{''.join(both)}```\n<!-- end -->"

    return _BLOCK.sub(again, content)


def words_of(line: str) -> list[str]:
    """A line "$ maskweave …" as a command of this Python."""
    return [sys.executable, "-m", *line.removeprefix("$ ").split()]


def printed(command: Sequence[str], folder: Path) -> str:
    """What a command prints; it must work."""
    env = {**os.environ, "NO_COLOR": "1"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr}")
    return done.stdout + done.stderr


def main(names: Sequence[str], seconds: float) -> None:
    """Make all, or those named, of a video of so many seconds."""
    unknown = sorted(set(names) - {*STILLS, *CLIPS, "outputs"})
    if unknown:
        raise SystemExit(
            f"need names out of {', '.join([*STILLS, *CLIPS, 'outputs'])}; got {', '.join(unknown)}"
        )
    with tempfile.TemporaryDirectory() as folder:
        studio = Studio(Path(folder), seconds)
        for name in names or [*STILLS, *CLIPS]:
            if name in STILLS:
                print(save_still(name, STILLS[name](studio)), flush=True)
            elif name in CLIPS:
                print(save_clip(name, CLIPS[name](studio)), flush=True)
        if not names or "outputs" in names:
            outputs(studio)
    size = (FOLDER / "hero.webp").stat().st_size
    if size > MAX_HERO_BYTES:
        raise SystemExit(f"hero.webp: need at most {MAX_HERO_BYTES:,} bytes, got {size:,}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make the images of the documents.")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of the video")
    options = parser.parse_args()
    main(options.names, options.seconds)

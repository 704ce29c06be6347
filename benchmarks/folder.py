"""A folder of photos: how many a second beside the network alone; and how time grows with photos, frames and pixels.

    python benchmarks/folder.py [--photos 1000] [--write FILE] [--plot PNG] [--short]

Photos are drawn from those in scikit-image (the demo extra): parts at random, one megapixel each, JPEG. The whole
job is the command `maskweave segment`: reading, network, masks, and writing what ``--save`` names. The network alone
is fed the same photos, prepared before the clock starts.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from measuring import machine, replace_between_marks
from PIL import Image
from skimage import data

import maskweave as mw
from maskweave.cli.app import app
from video import demo_video, one_run

MARK = "folder"
MEGAPIXEL = (864, 1152)
SAVES = ("coco", "masks", "overlay,masks,coco")


def main() -> None:
    """Measure what the command line asks for."""
    options = _options()
    photos = 8 if options.short else options.photos
    with tempfile.TemporaryDirectory() as name, mw.load() as segmenter:
        folder = Path(name)
        make_photos(folder / "photos", photos, MEGAPIXEL)
        network = network_rate(segmenter, sorted((folder / "photos").iterdir())[:100])
        lines = ["| job | photos a second | of the network's rate |", "|---|---:|---:|"]
        lines.append(f"| network alone | {network:.1f} | 1 |")
        for save in SAVES:
            rate = photos / job_seconds(folder / "photos", folder, save)
            lines.append(f"| --save {save} | {rate:.1f} | {rate / network:.2f} |")
        growth = grow(segmenter, folder, short=options.short)
    text = (
        "\n".join(lines)
        + f"\n\n{photos} photos of 1 megapixel. {worst_line(growth)}\n\n{machine('onnxruntime')}"
    )
    print(text)
    if options.plot is not None:
        plot(growth, options.plot)
    if options.write is not None:
        replace_between_marks(options.write, MARK, text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--short", action="store_true", help="a few small photos, once: does it still run?")
    parser.add_argument("--plot", type=Path, help="image of the growth")
    parser.add_argument("--write", type=Path, help="Markdown file whose table is replaced")
    return parser.parse_args()


def make_photos(folder: Path, count: int, size: tuple[int, int], seed: int = 0) -> None:
    """Write ``count`` JPEG files of ``size`` (height, width)."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    whole = [data.chelsea(), data.astronaut(), data.coffee(), data.rocket()]
    for number in range(count):
        image = whole[number % len(whole)]
        height, width = image.shape[:2]
        left, top = rng.uniform(0, 0.3, 2) * (width, height)
        box = (left, top, left + 0.7 * width, top + 0.7 * height)
        photo = Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR, box=box)
        photo.save(folder / f"{number:05}.jpg", quality=90)


def network_rate(segmenter: mw.Segmenter, paths: list[Path]) -> float:
    """Photos a second that the network alone can look at."""
    model = segmenter.model
    inputs = [model.prepare(np.asarray(Image.open(path))).inputs for path in paths]
    model.infer(inputs[0])
    times = []
    for each in inputs:
        begun = time.perf_counter()
        model.infer(each)
        times.append(time.perf_counter() - begun)
    return 1 / statistics.median(times)


def job_seconds(photos: Path, folder: Path, save: str) -> float:
    """Seconds of the whole command, its model loaded again."""
    with tempfile.TemporaryDirectory(dir=folder) as output, contextlib.redirect_stderr(io.StringIO()) as told:
        begun = time.perf_counter()
        words = ["segment", str(photos), "-o", output, "--save", save]
        code = app(words, prog_name="maskweave", standalone_mode=False)
        taken = time.perf_counter() - begun
        if code:
            raise SystemExit(told.getvalue())
    return taken


def grow(segmenter: mw.Segmenter, folder: Path, *, short: bool) -> dict[str, tuple[list[float], list[float]]]:
    """Seconds by number of photos, of frames, and by megapixels of one photo."""
    counts = [4, 8] if short else [50, 100, 200, 400]
    areas = [0.25, 1] if short else [1, 4, 9, 16, 25]
    video = demo_video(folder)
    growth: dict[str, tuple[list[float], list[float]]] = {}
    growth["photos of 1 megapixel"] = _measured(
        counts, lambda count: job_seconds(_photos(folder, count, MEGAPIXEL), folder, "overlay,coco")
    )
    with mw.load() as other:
        growth["frames of 854x480"] = _measured(
            [each // 5 for each in counts] if not short else [2, 4],
            lambda count: count * one_run(other, video, count, overlap=True).wall,
        )
    growth["megapixels of a photo"] = _measured(areas, lambda area: _one_photo(segmenter, folder, area))
    return growth


def _measured(values: list[float], seconds: Callable[[float], float]) -> tuple[list[float], list[float]]:
    return values, [seconds(value) for value in values]


def _photos(folder: Path, count: float, size: tuple[int, int]) -> Path:
    """A folder with the first ``count`` of the photos."""
    part = folder / f"first-{int(count)}"
    if not part.exists():
        part.mkdir()
        every = sorted((folder / "photos").iterdir())
        for number in range(int(count)):
            (part / f"{number:05}.jpg").symlink_to(every[number % len(every)])
    return part


def _one_photo(segmenter: mw.Segmenter, folder: Path, area: float) -> float:
    """Seconds for one photo of ``area`` megapixels, read, segmented and drawn; the best of three."""
    side = 864 * area**0.5
    size = (round(side), round(side * 4 / 3))
    here = folder / f"area-{area:g}"
    make_photos(here, 1, size)
    (path,) = here.iterdir()
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        segmenter(path).save(here / "overlay.jpg")
        times.append(time.perf_counter() - begun)
    return min(times)


def worst_line(growth: dict[str, tuple[list[float], list[float]]]) -> str:
    """How far the times lie from straight lines."""
    parts = []
    for name, (values, seconds) in growth.items():
        slope, start = np.polyfit(values, seconds, 1)
        off = max(abs(slope * v + start - s) / s for v, s in zip(values, seconds, strict=True))
        parts.append(f"{name}: {1000 * slope:.1f} ms each, at most {100 * off:.0f} % off a straight line")
    return "Growth: " + "; ".join(parts) + "."


def plot(growth: dict[str, tuple[list[float], list[float]]], path: Path) -> None:
    """A panel each, with the straight line."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(growth), figsize=(4 * len(growth), 3.2), layout="constrained")
    for panel, (name, (values, seconds)) in zip(axes, growth.items(), strict=True):
        slope, start = np.polyfit(values, seconds, 1)
        ends = np.array([0, max(values)])
        panel.plot(ends, slope * ends + start, color="0.7", linewidth=1)
        panel.plot(values, seconds, "o", color="#2a6fbb")
        panel.set(xlabel=name, ylabel="seconds", xlim=(0, None), ylim=(0, None))
        panel.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


if __name__ == "__main__":
    main()

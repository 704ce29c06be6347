"""Peak memory of `maskweave segment --tile`: 8K in three formats, and 20000 x 20000 as a tiled TIFF.

    python benchmarks/tiling.py [--write FILE] [--short]

The images are made of a photo of scikit-image (the demo extra), pasted again and again, so there are
objects on all seams. Each run is a process of its own; its peak is the largest resident set that the system counted.
Needs the extra [geo].
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from measuring import machine, replace_between_marks
from PIL import Image
from rasterio.windows import Window
from skimage import data

MARK = "tiling"
SAVE = "overlay,masks,coco"
FULL_HD_TIMES_4 = (4320, 7680)
SQUARE = (20_000, 20_000)
BLOCK = 512


@dataclass(frozen=True)
class Job:
    """An image to be made and segmented, and the most MB that it may take (None: as it comes)."""

    name: str
    size: tuple[int, int]
    suffix: str
    allowed: int | None


def main() -> int:
    """Measure what the command line asks for; 1 when a run took more memory than it may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--short", action="store_true", help="small images: does it still run?")
    parser.add_argument("--write", type=Path, help="Markdown file whose table is replaced")
    options = parser.parse_args()
    eight_k, square = ((432, 768), (1000, 1000)) if options.short else (FULL_HD_TIMES_4, SQUARE)
    jobs = [
        Job("8K, tiled TIFF", eight_k, ".tif", 1000),
        Job("8K, PNG", eight_k, ".png", 1000),
        Job("8K, JPEG", eight_k, ".jpg", 1000),
        Job("20000 x 20000, tiled TIFF", square, ".tif", 2000),
    ]
    tile = 256 if options.short else 1024
    lines = ["| image | pixels | peak memory | allowed | seconds |", "|---|---:|---:|---:|---:|"]
    over = False
    for job in jobs[2:] if options.short else jobs:
        with tempfile.TemporaryDirectory() as folder:
            megabytes, seconds = measured(make(job, Path(folder)), tile, Path(folder))
        over = over or (job.allowed is not None and megabytes > job.allowed)
        height, width = job.size
        lines.append(
            f"| {job.name} | {width} x {height} | {megabytes:,.0f} MB | {job.allowed:,} MB | {seconds:.0f} |"
        )
        print(lines[-1], flush=True)
    text = (
        "\n".join(lines)
        + f"\n\n`--tile {tile} --save {SAVE}`. {machine('onnxruntime', 'rasterio', 'pillow')}"
    )
    print(text)
    if options.write is not None:
        replace_between_marks(options.write, MARK, text)
    return int(over)


def make(job: Job, folder: Path) -> Path:
    """Write the image, itself row of blocks by row of blocks where it is large."""
    path = folder / f"image{job.suffix}"
    photo = np.full((600, 800, 3), 200, np.uint8)
    photo[70:520, 60:736] = np.asarray(Image.fromarray(data.chelsea()).resize((676, 450)))
    if job.suffix != ".tif":
        Image.fromarray(rows_of(photo, 0, *job.size)).save(path, quality=90)
        return path
    height, width = job.size
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            height=height,
            width=width,
            count=3,
            dtype="uint8",
            photometric="RGB",
            tiled=True,
            blockxsize=BLOCK,
            blockysize=BLOCK,
            compress="deflate",
            interleave="pixel",
            zlevel=1,
        ) as file:
            for top in range(0, height, BLOCK):
                strip = rows_of(photo, top, min(BLOCK, height - top), width)
                file.write(strip.transpose(2, 0, 1), window=Window(0, top, width, len(strip)))
    return path


def rows_of(photo: np.ndarray, top: int, count: int, width: int) -> np.ndarray:
    """(count, width, 3) of the photo repeated in both directions, from row ``top`` on."""
    rows = photo[np.arange(top, top + count) % len(photo)]
    return rows[:, np.arange(width) % photo.shape[1]]


def measured(image: Path, tile: int, folder: Path) -> tuple[float, float]:
    """Peak MB and seconds of the command in a process of its own."""
    words = ["segment", str(image), "--tile", str(tile), "--save", SAVE, "-o", str(folder / "out")]
    begun = time.perf_counter()
    process = os.posix_spawn(sys.executable, [sys.executable, "-m", "maskweave", *words], dict(os.environ))
    _, status, usage = os.wait4(process, 0)
    if status:
        raise SystemExit(f"maskweave {' '.join(words)} failed")
    return usage.ru_maxrss * 1024 / 1e6, time.perf_counter() - begun


if __name__ == "__main__":
    sys.exit(main())

"""What the reliability scripts share: drawn inputs, the command in a process of its own, outputs compared."""

from __future__ import annotations

import argparse
import hashlib
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from measuring import machine, replace_between_marks

SMALL = ("--size", "128")
"""What is measured here is the job, not the network: it looks at small images."""


def draw(seed: int, size: tuple[int, int] = (96, 128), noise: float = 6) -> NDArray[np.uint8]:
    """An image of a soft background, two ellipses and noise, another for each seed."""
    rng = np.random.default_rng(seed)
    height, width = size
    y, x = np.mgrid[:height, :width]
    image = np.stack([(x * rng.uniform(0, 1) + y * rng.uniform(0, 1)) % 256 for _ in range(3)], axis=2)
    for _ in range(2):
        center, radius = rng.uniform(0.2, 0.8, 2) * size, rng.uniform(0.1, 0.3, 2) * size
        inside = ((y - center[0]) / radius[0]) ** 2 + ((x - center[1]) / radius[1]) ** 2 < 1
        image[inside] = rng.uniform(0, 256, 3)
    return np.clip(image + rng.normal(0, noise, image.shape), 0, 255).astype(np.uint8)


def draw_photos(
    folder: Path,
    count: int,
    *,
    suffix: str = ".jpg",
    size: tuple[int, int] = (96, 128),
    noises: tuple[float, ...] = (6,),
) -> Path:
    """Write ``count`` images, with each of ``noises`` in turn."""
    folder.mkdir(parents=True)
    for number in range(count):
        image = draw(number, size, noises[number % len(noises)])
        Image.fromarray(image).save(folder / f"{number:05}{suffix}")
    return folder


def draw_video(path: Path, frames: int) -> Path:
    """Write a video of one image that moves."""
    image = draw(0, (160, 320))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 160, 128, "yuv420p"
        for number in range(frames):
            left = min(2 * number, 160)
            part = np.ascontiguousarray(image[:128, left : left + 160])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(part, format="rgb24")))
        container.mux(stream.encode())
    return path


def command(*words: object) -> list[str]:
    """The words of `maskweave batch` as a process."""
    return [sys.executable, "-m", "maskweave", "batch", *map(str, words)]


def run(*words: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(command(*words), capture_output=True, text=True, check=False, **options)


def hashes(output: Path) -> dict[str, str]:
    """Every file a user sees, by its bytes; hidden ones apart."""
    return {
        path.relative_to(output).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(output.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(output).parts)
    }


def half_done(output: Path) -> list[str]:
    """Hidden files other than the record."""
    return [path.name for path in output.rglob(".*") if path.name != ".maskweave"]


def rows(output: Path, query: str) -> list[Any]:
    """Ask the record of a job; nothing where there is none yet."""
    path = output / ".maskweave" / "manifest.sqlite"
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as base:
        try:
            return base.execute(query).fetchall()
        except sqlite3.OperationalError:  # killed before its tables were made
            return []


def finished_files(output: Path) -> dict[str, tuple[int, int]]:
    """Files of finished items: which inode each is and when it was written, to see whether it is written again."""
    names = [
        name
        for (text,) in rows(output, "SELECT outputs FROM items WHERE state = 'done'")
        for name in json.loads(text)
    ]
    files = {name: output / name for name in names}
    return {name: ((status := path.stat()).st_ino, status.st_mtime_ns) for name, path in files.items()}


def main(
    mark: str, doc: str, options: Callable[[argparse.ArgumentParser], None], table: Callable[[Any], str]
) -> None:
    """Parse, measure, print, and write the table into a document where that is asked for."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--short", action="store_true", help="a small form: does it still hold?")
    parser.add_argument("--write", type=Path, help="Markdown file whose table is replaced")
    options(parser)
    chosen = parser.parse_args()
    text = f"{table(chosen)}\n\n{machine('onnxruntime', 'ray')}"
    print(text)
    if chosen.write is not None:
        replace_between_marks(chosen.write, mark, text)


def must(holds: bool, what: str) -> None:
    """Stop with an error where a promise is broken."""
    if not holds:
        raise SystemExit(f"broken promise: {what}")

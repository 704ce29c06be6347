"""Memory and file handles over a long job.

    python benchmarks/reliability/memory.py [--images 10000] [--write FILE] [--short]

Resident memory and open files of the command and of its workers, sampled while it runs. After the first fifth,
the warm-up, a straight line is laid through each; its slope is told an hour and for ten thousand images. Linux.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jobs import SMALL, command, draw_photos, main, must, rows

DRAWN = 200


@dataclass
class Samples:
    """Seconds, megabytes of all processes, and open files of the one that has most of them."""

    seconds: list[float] = field(default_factory=list)
    command: list[float] = field(default_factory=list)
    workers: list[float] = field(default_factory=list)
    files: list[int] = field(default_factory=list)


def table(options: Any) -> str:
    """Do the job, watch it, and tell."""
    images = 60 if options.short else options.images
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = many(folder, images)
        begun = time.perf_counter()
        words = (
            photos,
            *SMALL,
            "-o",
            folder / "out",
            "--save",
            "masks,coco",
            "--workers",
            str(options.workers),
        )
        process = subprocess.Popen(command(*words), stderr=subprocess.PIPE, text=True)
        samples = watch(process, pause=0.05 if options.short else 1.0)
        told = process.communicate()[1]
        taken = time.perf_counter() - begun
        must(process.returncode == 0, told)
        must(
            rows(folder / "out", "SELECT count(*) FROM items WHERE state = 'done'") == [(images,)], "all done"
        )
    lines = [
        "| processes | MB after warm-up | at the end | slope, MB an hour | slope, MB for 10,000 images |",
        "|---|---:|---:|---:|---:|",
    ]
    for title, values in (
        ("the command", samples.command),
        (f"{options.workers} worker{'s' * (options.workers > 1)}", samples.workers),
    ):
        first, last, an_hour = slope(samples.seconds, values)
        lines.append(
            f"| {title} | {first:.1f} | {last:.1f} | {an_hour:+.1f} | {an_hour * taken / 3600 * 1e4 / images:+.2f} |"
        )
    late = samples.files[len(samples.files) // 5 :] or [0]
    lines.append("")
    lines.append(
        f"{images:,} images of 128x96 in {taken:.0f} s. Open files of one process after warm-up: "
        f"{min(late)} to {max(late)}, {late[-1]} at the end."
    )
    return "\n".join(lines)


def many(folder: Path, images: int) -> Path:
    """``images`` files of `DRAWN` images."""
    drawn = sorted(draw_photos(folder / "drawn", min(DRAWN, images)).iterdir())
    photos = folder / "photos"
    photos.mkdir()
    for number in range(images):
        (photos / f"{number:06}.jpg").hardlink_to(drawn[number % len(drawn)])
    return photos


def watch(process: subprocess.Popen[str], *, pause: float) -> Samples:
    """Sample until the process ends."""
    samples, begun = Samples(), time.perf_counter()
    while process.poll() is None:
        with suppress(OSError, ValueError):  # a process ended meanwhile
            children = [pid for thread in _threads(process.pid) for pid in _children(process.pid, thread)]
            pids = [process.pid, *dict.fromkeys(map(int, children))]
            memory, files = [_resident(pid) for pid in pids], [_open_files(pid) for pid in pids]
            samples.seconds.append(time.perf_counter() - begun)
            samples.command.append(memory[0])
            samples.workers.append(sum(memory[1:]))
            samples.files.append(max(files))
        time.sleep(pause)
    return samples


def slope(seconds: list[float], values: list[float]) -> tuple[float, float, float]:
    """The line after warm-up: its value at the begin and at the end, and its slope an hour."""
    late = len(seconds) // 5
    at, memory = np.array(seconds[late:]), np.array(values[late:])
    rise, start = np.polyfit(at, memory, 1)
    return float(start + rise * at[0]), float(start + rise * at[-1]), float(rise * 3600)


def _threads(pid: int) -> list[str]:
    return [path.name for path in Path(f"/proc/{pid}/task").iterdir()]


def _children(pid: int, thread: str) -> list[str]:
    return Path(f"/proc/{pid}/task/{thread}/children").read_text().split()


def _resident(pid: int) -> float:
    (line,) = [
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")
    ]
    return int(line.split()[1]) / 1024


def _open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


if __name__ == "__main__":

    def options(parser: Any) -> None:
        """What the command line takes besides."""
        parser.add_argument("--images", type=int, default=10_000)
        parser.add_argument("--workers", type=int, default=1)

    main("memory", __doc__ or "", options, table)

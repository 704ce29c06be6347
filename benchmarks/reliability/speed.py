"""Speed-up from one worker to more, here and on Ray.

    python benchmarks/reliability/speed.py [--images 200] [--workers 2] [--rounds 3] [--write FILE] [--short]

The same folder with one worker and with ``--workers``, in turn, each worker with one thread as ever, so that a single
run has the thread count of each of several. Time from when every worker has had its first piece of work to the last
image, so that loading the models, and starting Ray, is told apart. Outputs must be the same, whatever the
executor and the number. Ray runs on this machine (extra [ray]); ``--executors local`` leaves it out. On a
machine that is busy otherwise the speed-up says little.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, Literal, TypeAlias

from jobs import draw_photos, hashes, main, must

import maskweave as mw
from maskweave.batch.executor import ExecutorConfig
from maskweave.batch.job import BatchJob
from maskweave.batch.run import run_batch
from maskweave.options import Request

MOST = 16
"""Images of a chunk at most; see `maskweave.batch.cluster`."""
Way: TypeAlias = tuple[Literal["local", "ray"], int]
"""An executor and a number of workers."""


def table(options: Any) -> str:
    """Measure and tell."""
    images, rounds = (8, 1) if options.short else (options.images, options.rounds)
    ways = [
        (executor, workers) for executor in options.executors.split(",") for workers in (1, options.workers)
    ]
    rates: dict[Way, list[float]] = {way: [] for way in ways}
    starts: dict[Way, list[float]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = draw_photos(folder / "photos", images, size=(480, 640))
        whole: dict[str, str] = {}
        for number in range(rounds):
            for way in ways:
                output = folder / f"out-{number}-{way[0]}-{way[1]}"
                start, rate = measure(photos, output, way, images)
                rates[way].append(rate)
                starts[way].append(start)
                whole = whole or hashes(output)
                must(hashes(output) == whole, f"other outputs with {way[1]} workers, {way[0]}")
    busy = os.getloadavg()[0]
    lines = [
        "| executor | workers | until the first image, s | images a second | speed-up |",
        "|---|---:|---:|---:|---:|",
    ]
    for way in ways:
        ups = [more / one for one, more in zip(rates[way[0], 1], rates[way], strict=True)]
        first, rate = statistics.median(starts[way]), statistics.median(rates[way])
        lines.append(f"| {way[0]} | {way[1]} | {first:.1f} | {rate:.1f} | {statistics.median(ups):.2f} |")
    lines += [
        "",
        f"{images} images of 640x480, {rounds} round{'s' * (rounds > 1)} in turn; load of the machine {busy:.1f}. "
        "All outputs are the same to the last byte.",
    ]
    return "\n".join(lines)


def measure(photos: Path, output: Path, way: Way, images: int) -> tuple[float, float]:
    """Seconds until the first image is done, and images a second from when each worker has done a piece of work.

    A piece is an image here, and a chunk of images on Ray, whose outcomes come together.
    """
    executor, workers = way
    job = BatchJob((str(photos),), Request.of(output=str(output), save=("masks", "coco")))
    times: list[float] = []
    begun = time.perf_counter()
    with mw.load(threads=1) as segmenter:
        run_batch(
            job,
            ExecutorConfig(executor=executor, workers=workers),
            model=segmenter.model,
            on_outcome=lambda outcome, counts: times.append(time.perf_counter()),
        )
    piece = 1 if executor == "local" else max(1, min(MOST, images // (4 * workers)))
    first = piece * workers
    return times[0] - begun, (images - first) / (times[-1] - times[first - 1])


if __name__ == "__main__":

    def options(parser: Any) -> None:
        """What the command line takes besides."""
        parser.add_argument("--images", type=int, default=200)
        parser.add_argument("--workers", type=int, default=2)
        parser.add_argument("--executors", default="local,ray", help="to be tried, comma-separated")
        parser.add_argument("--rounds", type=int, default=3)

    main("speed", __doc__ or "", options, table)

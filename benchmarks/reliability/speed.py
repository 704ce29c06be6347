"""Speed-up from one worker to more, and what the job adds to the work itself.

    python benchmarks/reliability/speed.py [--images 200] [--workers 2] [--rounds 3] [--write FILE] [--short]

The same folder with one worker and with ``--workers``, in turn; time from the first finished picture to the last,
so that loading the models is told apart. Outputs must be the same. On a machine that is busy otherwise the speed-
up says little.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from jobs import draw_photos, hashes, main, must

import maskweave as mw
from maskweave.batch.engine import How
from maskweave.batch.job import Job
from maskweave.batch.run import run_batch


def table(options: Any) -> str:
    """Measure and tell."""
    images, rounds = (6, 1) if options.short else (options.images, options.rounds)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = draw_photos(folder / "photos", images, size=(480, 640))
        rates: dict[int, list[float]] = {1: [], options.workers: []}
        starts: dict[int, list[float]] = {1: [], options.workers: []}
        for number in range(rounds):
            for workers, seen in rates.items():
                output = folder / f"out-{number}-{workers}"
                start, rate = measure(photos, output, workers)
                seen.append(rate)
                starts[workers].append(start)
            must(hashes(folder / f"out-{number}-1") == hashes(output), "the same outputs with more workers")
    ups = [more / one for one, more in zip(rates[1], rates[options.workers], strict=True)]
    busy = os.getloadavg()[0]
    lines = [
        "| workers | until the first picture, s | pictures a second | speed-up |",
        "|---:|---:|---:|---:|",
    ]
    for workers, seen in rates.items():
        up = 1.0 if workers == 1 else statistics.median(ups)
        first, rate = statistics.median(starts[workers]), statistics.median(seen)
        lines.append(f"| {workers} | {first:.1f} | {rate:.1f} | {up:.2f} |")
    lines += ["", f"{images} pictures of 640x480, {rounds} rounds in turn; load of the machine {busy:.1f}."]
    return "\n".join(lines)


def measure(photos: Path, output: Path, workers: int) -> tuple[float, float]:
    """Seconds until the first picture is done, and pictures a second from then on."""
    job = Job((str(photos),), str(output), save=("masks", "coco"))
    times: list[float] = []
    begun = time.perf_counter()
    with mw.load(threads=1) as segmenter:
        run_batch(
            job,
            How(workers=workers),
            model=segmenter.model,
            tell=lambda outcome, counts: times.append(time.perf_counter()),
        )
    return times[0] - begun, (len(times) - 1) / (times[-1] - times[0])


if __name__ == "__main__":

    def options(parser: Any) -> None:
        """What the command line takes besides."""
        parser.add_argument("--images", type=int, default=200)
        parser.add_argument("--workers", type=int, default=2)
        parser.add_argument("--rounds", type=int, default=3)

    main("speed", __doc__ or "", options, table)

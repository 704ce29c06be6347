"""A job of a million images on 64 workers, simulated from measured times of items.

    python benchmarks/reliability/simulate.py [--items 1000000] [--workers 64] [--write FILE] [--short]

Times of items are measured on a real job of this machine first and drawn from at random. Workers take chunks of
16 items as `--executor ray` does. Stragglers: one worker in twenty is three times slower, one item in ten thousand
takes a hundred times as long. Failures: each worker is killed after ten hours on average (what it had in its
chunk without a record is done again by another, after half a minute for a new process); one item in two thousand
takes its process down (a new one in two seconds). The record keeps up: writing a row is measured as well. This is
arithmetic, not a measurement of a cluster.
"""

from __future__ import annotations

import heapq
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jobs import draw_photos, main, must, rows, run

from maskweave.batch.items import Item, Outcome
from maskweave.batch.manifest import Manifest

CHUNK = 16
NEW_WORKER, NEW_CHILD = 30.0, 2.0
KILLED_EVERY = 10 * 3600.0


@dataclass
class Run:
    """How a simulated job went."""

    hours: float
    efficiency: float
    redone: int
    killed: int
    last: float


def table(options: Any) -> str:
    """Measure times, simulate, tell."""
    items = 20_000 if options.short else options.items
    with tempfile.TemporaryDirectory() as name:
        measured = item_times(Path(name), 30 if options.short else 300)
        row = row_seconds(Path(name), 200 if options.short else 5000)
    rng = np.random.default_rng(0)
    lines = [
        "| what goes wrong | hours | of the ideal time | items done twice | workers killed | last worker idle, s |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for title, slow, lost in (
        ("nothing", False, False),
        ("stragglers", True, False),
        ("stragglers, kills and crashes", True, True),
    ):
        went = simulate(rng, measured, items, options.workers, slow=slow, lost=lost)
        counts = f"{went.redone:,} | {went.killed} | {went.last:.0f}"
        lines.append(f"| {title} | {went.hours:.2f} | {1 / went.efficiency:.3f} | {counts} |")
    lines += [
        "",
        f"{items:,} items, {options.workers} workers; measured: {1000 * float(np.median(measured)):.0f} ms an item "
        f"(5 to 95 %: {1000 * np.quantile(measured, 0.05):.0f} to {1000 * np.quantile(measured, 0.95):.0f}), "
        f"{1e6 * row:.0f} µs a row of the record, which keeps one core busy for "
        f"{row * options.workers / float(np.mean(measured)):.1%} of the time.",
    ]
    return "\n".join(lines)


def item_times(folder: Path, count: int) -> np.ndarray:
    """Seconds of each item of a real job."""
    photos = draw_photos(folder / "photos", count, size=(480, 640))
    ran = run(photos, "-o", folder / "out", "--save", "masks,coco", "--workers", "1")
    must(ran.returncode == 0, ran.stderr)
    return np.array([seconds for (seconds,) in rows(folder / "out", "SELECT seconds FROM items")])


def row_seconds(folder: Path, count: int) -> float:
    """Seconds to write one row of the record, as the job does."""
    with Manifest(folder / "record.sqlite") as manifest:
        with manifest.planning("{}"):
            for number in range(count):
                manifest.add(Item(number, str(number), f"{number}.jpg"))
        begun = time.perf_counter()
        for number in range(count):
            manifest.record(Outcome(str(number), "done", "0" * 64, "1", "0" * 64, coco=bytes(400)))
        return (time.perf_counter() - begun) / count


def simulate(
    rng: np.random.Generator, measured: np.ndarray, items: int, workers: int, *, slow: bool, lost: bool
) -> Run:
    """Hand out chunks to whoever is free, until all items are done."""
    speed = np.ones(workers)
    if slow:
        speed[rng.permutation(workers)[: max(1, workers // 20)]] = 3.0
    free = [(0.0, worker) for worker in range(workers)]
    dies = rng.exponential(KILLED_EVERY, workers)
    left, busy, redone, killed = items, 0.0, 0, 0
    ended = np.zeros(workers)
    while left:
        now, worker = heapq.heappop(free)
        count = min(CHUNK, left)
        took = rng.choice(measured, count)
        if slow:
            took = took * np.where(rng.random(count) < 1e-4, 100, 1)
        ideal = float(took.sum())
        took = took * speed[worker]
        if lost:
            took = took + NEW_CHILD * (rng.random(count) < 1 / 2000)
        until = now + float(took.sum())
        if lost and until > dies[worker]:
            redone += int((now + np.cumsum(took) <= dies[worker]).sum())
            killed += 1
            heapq.heappush(free, (dies[worker] + NEW_WORKER, worker))
            dies[worker] += NEW_WORKER + rng.exponential(KILLED_EVERY)
            continue
        busy, left, ended[worker] = busy + ideal, left - count, until
        heapq.heappush(free, (until, worker))
    end = float(ended.max())
    return Run(end / 3600, busy / workers / end, redone, killed, end - float(ended.min()))


if __name__ == "__main__":

    def options(parser: Any) -> None:
        """What the command line takes besides."""
        parser.add_argument("--items", type=int, default=1_000_000)
        parser.add_argument("--workers", type=int, default=64)

    main("simulate", __doc__ or "", options, table)

"""`maskweave serve` under load: what HTTP costs, what ten times its capacity does, whether batches would help.

    python benchmarks/serving.py [--write docs/server.md] [--seconds S] [--short]

The load comes from this process over loopback and shares the cores with the server. The plain reference is the same
model called in Python with the same image; its answer must be the server's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import numpy as np
from measuring import Way, in_turn, machine, replace_between_marks, spread

import maskweave
from maskweave.catalog.entries import find
from maskweave.runtimes.onnxruntime import OnnxRuntime
from maskweave.serving.client import Client
from maskweave.sources.images import read_image

_IMAGE = Path(__file__).parents[1] / "docs" / "images" / "overlay.jpg"
_WAITING = 16  # the server's default

_PROBE = """
import http.client, json, sys, time
connection = http.client.HTTPConnection(sys.argv[1])
end, taken = time.perf_counter() + float(sys.argv[2]), []
while time.perf_counter() < end:
    start = time.perf_counter()
    connection.request("GET", "/healthz")
    connection.getresponse().read()
    taken.append(time.perf_counter() - start)
    time.sleep(0.02)
print(json.dumps(taken))
"""
"""A process of its own asks for /healthz, so that it is the server that is measured and not the load."""


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each storm")
    parser.add_argument("--short", action="store_true", help="each for a second: does it still run?")
    parser.add_argument("--write", type=Path, help="Markdown file whose table is replaced")
    options = parser.parse_args()
    seconds, rounds = (1.0, 2) if options.short else (options.seconds, 15)
    parts = [cost_table(rounds), batch_table(rounds), storm_table(seconds)]
    parts.append(machine("onnxruntime", "fastapi", "uvicorn", "httpx"))
    text = "\n\n".join(parts)
    print(text)
    if options.write is not None:
        replace_between_marks(options.write, "serving", text)


@contextmanager
def server(*options: str) -> Iterator[tuple[str, int]]:
    """`maskweave serve`: its address and its process id."""
    command = [sys.executable, "-m", "maskweave", "serve", "--port", "0", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        line = process.stderr.readline() if process.stderr else ""
        yield re.findall(r"http://\S+", line)[0], process.pid
    finally:
        process.terminate()
        process.wait()


def cost_table(rounds: int) -> str:
    """One image in Python and over HTTP, in turn."""
    data = _IMAGE.read_bytes()
    plain, over_http = [], []
    with server("--workers", "1") as (url, _), Client(url) as client, maskweave.load() as segmenter:
        expected = segmenter(data).instances
        if client.segment(data).masks != expected.masks:
            raise SystemExit("the server's answer is not the library's")
        for _ in range(rounds):
            plain.append(timed(lambda: segmenter(data)))
            over_http.append(timed(lambda: client.segment(data)))
    ratio = statistics.median(over_http) / statistics.median(plain)
    return "\n".join(
        [
            "| one image of 854x480 | ms | ratio |",
            "|---|---|---|",
            f"| `maskweave.load()(image)` | {spread(plain)} | 1 |",
            f"| `Client.segment(image)` | {spread(over_http)} | {ratio:.2f} |",
        ]
    )


def batch_table(rounds: int) -> str:
    """The engine alone, with several images at once and one after the other."""
    path = Path(maskweave.__file__).parent / "catalog" / "weights" / find("built-in").files[0].name
    image = read_image(_IMAGE)[:352, :512]
    sizes = (1, 2, 4, 8)
    runtime = OnnxRuntime(path, threads=1)
    ways = [
        Way(str(size), partial(runtime.run, {"image": np.repeat(image[None], size, axis=0)}))
        for size in sizes
    ]
    in_turn(ways, 1)
    times = in_turn(ways, rounds)
    runtime.close()
    each = [[seconds / size for seconds in taken.cpu] for size, taken in zip(sizes, times, strict=True)]
    one = statistics.median(each[0])
    rows = ["| images in a batch | CPU ms an image, 1 thread | ratio |", "|---|---|---|"]
    rows += [
        f"| {size} | {spread(taken)} | {statistics.median(taken) / one:.2f} |"
        for size, taken in zip(sizes, each, strict=True)
    ]
    return "\n".join(rows)


def timed(job: object) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    job()  # type: ignore[operator]
    return time.perf_counter() - start


@dataclass
class Storm:
    """What a storm of requests met."""

    seconds: float
    statuses: Counter[int] = field(default_factory=Counter)
    answered: list[float] = field(default_factory=list)
    health: list[float] = field(default_factory=list)


def storm_table(seconds: float) -> str:
    """Within capacity and ten times over it, with one process of all threads and with one process a core."""
    rows = [
        "| workers | clients at once | answered 200 a second | 429 a second | others | 200: ms | /healthz: ms, p99 "
        "| memory of the server, MB, first and last |",
        "|---|---|---|---|---|---|---|---|",
    ]
    cores = os.cpu_count() or 1
    for workers in dict.fromkeys((1, cores)):
        with server("--workers", str(workers)) as (url, pid):
            asyncio.run(storm(url, workers, seconds=1))  # the first of everything
            before = resident(pid)
            for clients in (workers, 10 * (workers + _WAITING)):
                met = asyncio.run(storm(url, clients, seconds=seconds))
                rows.append(row(workers, clients, met, before, resident(pid)))
    return "\n".join(rows)


def row(workers: int, clients: int, met: Storm, before: int, after: int) -> str:
    """One line of the table."""
    others = sum(count for status, count in met.statuses.items() if status not in (200, 429))
    p99 = percentile(met.health, 99)
    return (
        f"| {workers} | {clients} | {met.statuses[200] / met.seconds:.1f} | {met.statuses[429] / met.seconds:.1f} | "
        f"{others} | {spread(met.answered)} | {spread(met.health)}, {1000 * p99:.1f} | "
        f"{before / 1e6:.0f}, {after / 1e6:.0f} |"
    )


async def storm(url: str, clients: int, *, seconds: float) -> Storm:
    """So many clients, each with one request after the other; one that is sent away waits as it is told."""
    data = _IMAGE.read_bytes()
    met = Storm(seconds)
    deadline = time.perf_counter() + seconds
    limits = httpx.Limits(max_connections=clients)
    probe = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PROBE, url.rpartition("//")[2], str(seconds), stdout=asyncio.subprocess.PIPE
    )
    async with httpx.AsyncClient(base_url=url, timeout=120, limits=limits, trust_env=False) as many:

        async def ask() -> None:
            while time.perf_counter() < deadline:
                start = time.perf_counter()
                answer = await many.post("/v1/segment", content=data)
                met.statuses[answer.status_code] += 1
                if answer.status_code == 200:
                    met.answered.append(time.perf_counter() - start)
                else:
                    await asyncio.sleep(float(answer.headers["retry-after"]))

        await asyncio.gather(*(ask() for _ in range(clients)))
    told, _ = await probe.communicate()
    met.health = json.loads(told)
    return met


def percentile(values: Sequence[float], share: int) -> float:
    """The value under which ``share`` percent of them lie."""
    return float(np.percentile(values, share))


def resident(pid: int) -> int:
    """Bytes of memory of a process; 0 where the system does not tell."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0
    return 1024 * int(re.findall(r"VmRSS:\s+(\d+)", text)[0])


if __name__ == "__main__":
    main()

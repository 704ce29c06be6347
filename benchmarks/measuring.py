"""What the benchmarks share: ways timed in turn, peak memory, a line on the machine, tables between marks."""

from __future__ import annotations

import os
import platform
import statistics
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


@dataclass(frozen=True)
class Way:
    """One way to do a job. ``held``: bytes of what it is given, which somebody has to keep in memory meanwhile."""

    name: str
    run: Callable[[], object]
    held: int = 0


@dataclass
class Times:
    """Seconds of each run: ``cpu`` of all threads of this process, ``wall`` as a clock shows them."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)


def in_turn(ways: Sequence[Way], rounds: int) -> list[Times]:
    """Run the ways one after the other, ``rounds`` times over, so that what disturbs the machine meets all alike."""
    times = [Times() for _ in ways]
    for _ in range(rounds):
        for way, taken in zip(ways, times, strict=True):
            cpu, wall = time.process_time(), time.perf_counter()
            result = way.run()
            taken.wall.append(time.perf_counter() - wall)
            taken.cpu.append(time.process_time() - cpu)
            del result  # to free it is not part of the job
    return times


def peak_bytes(way: Way) -> int:
    """What a way is given plus the most that Python and NumPy held during one run (tracemalloc).

    OpenCV's results count, since NumPy holds them; what C code takes for itself does not. A result of C memory
    counts by its size.
    """
    tracemalloc.start()
    result = way.run()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return way.held + max(peak, int(getattr(result, "nbytes", 0)))


def spread(values: Sequence[float], factor: float = 1000) -> str:
    """Median (least–most) of ``values`` times ``factor``; milliseconds of seconds, where nothing else is said."""
    middle, least, most = (
        f"{factor * value:,.{0 if factor * value >= 100 else 1}f}"
        for value in (statistics.median(values), min(values), max(values))
    )
    return f"{middle} ({least}–{most})"


def machine(*packages: str) -> str:
    """One line: processor, cores, system, versions of Python and of ``packages`` that are installed."""
    versions = [f"Python {platform.python_version()}"]
    for package in packages:
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return f"{_processor()}, {os.cpu_count()} cores, {platform.system()}; {', '.join(versions)}."


def replace_between_marks(path: Path, mark: str, text: str) -> None:
    """Put ``text`` between the two marks of that name in a Markdown file."""
    begin, end = f"<!-- {mark} -->", f"<!-- end of {mark} -->"
    before, rest = path.read_text(encoding="utf-8").split(begin)
    path.write_text(f"{before}{begin}\n\n{text}\n\n{end}{rest.split(end)[1]}", encoding="utf-8")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()} ({platform.machine()})"

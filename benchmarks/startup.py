"""From nothing to the first answer: the import, `maskweave --help` and the first mask, each in a process of its own.

    python benchmarks/startup.py [--write docs/performance.md] [--rounds N] [--short]

Beside them stands a Python that does nothing. The files are in the system's cache and compiled to bytecode, since
every command runs once before the clock starts. Needs a system with wait4 (not Windows).
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring import Times, machine, replace_between_marks, spread
from PIL import Image

_IMAGE = Path(__file__).parents[1] / "docs" / "images" / "overlay.jpg"  # README's, with objects to find
_FIRST_MASK = "import maskweave as mw; print(mw.load()('image.png').instances.masks)"


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--short", action="store_true", help="each once: does it still run?")
    parser.add_argument("--write", type=Path, help="Markdown file whose table is replaced")
    options = parser.parse_args()
    commands = {
        "`python -c pass`": ["-c", "pass"],
        "`import maskweave`": ["-c", "import maskweave"],
        "`maskweave --help`": ["-m", "maskweave", "--help"],
        "first mask, Python": ["-c", _FIRST_MASK],
        "first mask, `maskweave segment`": ["-m", "maskweave", "segment", "image.png", "--save", "masks"],
    }
    with tempfile.TemporaryDirectory() as folder:
        with Image.open(_IMAGE) as image:
            image.resize((320, 240)).save(Path(folder) / "image.png")
        times = measure(list(commands.values()), Path(folder), 1 if options.short else options.rounds)
    text = f"{table(list(commands), times)}\n\n{len(times[0].cpu)} processes each. "
    text += machine("numpy", "opencv-python-headless", "onnxruntime", "typer")
    print(text)
    if options.write is not None:
        replace_between_marks(options.write, "startup", text)


def measure(commands: list[list[str]], folder: Path, rounds: int) -> list[Times]:
    """Run the commands in turn; the first run of each is not counted."""
    times = [Times() for _ in commands]
    for turn in range(rounds + 1):
        for command, taken in zip(commands, times, strict=True):
            cpu, wall = one_process(command, folder)
            if turn:
                taken.cpu.append(cpu)
                taken.wall.append(wall)
    return times


def one_process(command: list[str], folder: Path) -> tuple[float, float]:
    """Seconds of processor time (user and system, all threads) and by the clock of one Python process."""
    begin = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as child:
        told = child.stderr.read()
        _, status, usage = os.wait4(child.pid, 0)  # before Popen asks: it would not tell the times
        wall = time.perf_counter() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{command}: need exit code 0, got {child.returncode}: {told.decode()}")
    return usage.ru_utime + usage.ru_stime, wall


def table(names: list[str], times: list[Times]) -> str:
    """Markdown: a row a command."""
    lines = ["| process | CPU ms | more than bare Python | wall ms |", "|---|---:|---:|---:|"]
    bare = statistics.median(times[0].cpu)
    for name, taken in zip(names, times, strict=True):
        more = 1000 * (statistics.median(taken.cpu) - bare)
        lines.append(f"| {name} | {spread(taken.cpu)} | {more:.0f} | {spread(taken.wall)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

"""SIGKILL at random moments of a folder job and of a video job, then the same command.

    python benchmarks/reliability/killed.py [--kills 100] [--write FILE] [--short]

Every second time the workers are killed as well, as when a container is stopped; else they find their parent
gone. After the kill each file under a final name must be the one of an uninterrupted run, whole; after the same
command all must be, and files of items that the record had as finished must not have been written again.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs import SMALL, command, draw_photos, draw_video, finished_files, half_done, hashes, main, must, run


@dataclass
class Tally:
    """What was seen over all kills of one job."""

    kills: int = 0
    in_time: int = 0
    partial: int = 0
    different: int = 0
    redone: int = 0
    found: int = 0


def table(options: Any) -> str:
    """Kill both jobs and tell."""
    kills = 1 if options.short else options.kills
    lines = [
        "| job | kills | while at work | partial files under a final name | outputs not byte-identical after "
        "the same command | finished items written again |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = draw_photos(folder / "photos", 12 if options.short else 40)
        video = draw_video(folder / "clip.mp4", 10 if options.short else 50)
        for title, inputs in (("folder of photos", photos), ("video", video)):
            tally = kill_often(inputs, folder / title.split()[0], kills)
            must(not tally.partial + tally.different + tally.redone, f"{title}: {tally}")
            lines.append(
                f"| {title} | {tally.kills} | {tally.in_time} | {tally.partial} | {tally.different} | "
                f"{tally.redone} of {tally.found} |"
            )
    return "\n".join(lines)


def kill_often(inputs: Path, folder: Path, kills: int) -> Tally:
    """Do the job once in peace, then ``kills`` times with a kill in it."""
    words = (inputs, *SMALL, "--score", "0.05", "--save", "coco,masks,overlay")
    begun = time.perf_counter()
    ran = run(*words, "-o", folder / "whole")
    must(ran.returncode == 0, ran.stderr)
    seconds, whole = time.perf_counter() - begun, hashes(folder / "whole")
    tally, draw = Tally(), random.Random(0)
    for number in range(kills):
        output = folder / f"killed-{number}"
        kill_once(words, output, draw.uniform(0, seconds), all_of_them=number % 2 == 1, tally=tally)
        there, before = hashes(output), finished_files(output)
        tally.partial += sum(whole.get(name) != content for name, content in there.items())
        ran = run(*words, "-o", output)
        must(ran.returncode == 0, ran.stderr)
        must(not half_done(output), f"hidden files stay: {half_done(output)}")
        tally.different += hashes(output) != whole
        after = finished_files(output)
        tally.found += len(before)
        tally.redone += sum(after[name] != seen for name, seen in before.items())
    return tally


def kill_once(words: tuple[Any, ...], output: Path, after: float, *, all_of_them: bool, tally: Tally) -> None:
    """Begin the job and kill it ``after`` seconds."""
    process = subprocess.Popen(
        command(*words, "-o", output), start_new_session=True, stderr=subprocess.DEVNULL
    )
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        tally.in_time += 1
    with suppress(ProcessLookupError):  # it was done before
        if all_of_them:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()
    tally.kills += 1


if __name__ == "__main__":
    main("killed", __doc__ or "", lambda parser: parser.add_argument("--kills", type=int, default=100), table)

"""Workers of a cluster killed in the middle of a job.

    python benchmarks/reliability/cluster.py [--images 200] [--kills 5] [--write FILE] [--short]

Ray on this machine with two workers (extra [ray]). While outcomes come in, actors get SIGKILL, one at a time. Each
input must have one outcome, and the files must be those of the executor for one machine, which then finds nothing
left to do. Then a video is divided between two workers of Ray: its files, ids included, must be those of an undivided
run on one machine. Linux.
"""

from __future__ import annotations

import json
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobs import draw_photos, draw_video, hashes, main, must

import maskweave as mw
from maskweave.batch.executor import ExecutorConfig
from maskweave.batch.job import BatchJob
from maskweave.batch.run import run_batch
from maskweave.options import Request

STRETCHES = 4


def table(options: Any) -> str:
    """Do the job on Ray with kills, and in peace here, and compare."""
    images, kills = (8, 1) if options.short else (options.images, options.kills)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = draw_photos(folder / "photos", images)
        (photos / "00001.jpg").write_bytes(b"\xff\xd8\xff broken")
        seen, killed = on_ray(photos, folder / "ray", kills, every=max(1, images // (kills + 1)))
        must(len(seen) == len(set(seen)), "an input has two outcomes")
        lost = images - len(seen)
        must(not lost, f"{lost} inputs have no outcome")
        must(killed == kills, f"{killed} kills instead of {kills}")
        here: list[str] = []
        do(photos, folder / "here", ExecutorConfig(workers=1), here)
        must(hashes(folder / "ray") == hashes(folder / "here"), "other files than on one machine")
        again: list[str] = []
        do(photos, folder / "ray", ExecutorConfig(workers=1), again)
        must(not again, f"done again: {again}")
        frames = 12 if options.short else 120
        ids = divided(folder, frames)
    return (
        "| inputs | actors killed | inputs without an outcome | with two | files that differ from one machine's | "
        "left to do for the other executor |\n"
        "|---:|---:|---:|---:|---:|---:|\n"
        f"| {images} | {killed} | {lost} | {len(seen) - len(set(seen))} | 0 | {len(again)} |\n\n"
        f"A video of {frames} frames, divided into {STRETCHES} stretches: its files, with {ids} ids, are those of an "
        "undivided run on one machine."
    )


def divided(folder: Path, frames: int) -> int:
    """Have two workers of Ray look at a video; returns the number of ids in it."""
    video = draw_video(folder / "clip.mp4", frames)
    save, score = ("tracks", "coco", "overlay"), 0.05
    split = frames / 25 / STRETCHES
    do(
        video,
        folder / "video-ray",
        ExecutorConfig(executor="ray", workers=2, split=split),
        [],
        save=save,
        score=score,
    )
    do(video, folder / "video-here", ExecutorConfig(workers=1), [], save=save, score=score)
    must(hashes(folder / "video-ray") == hashes(folder / "video-here"), "a divided video has other files")
    ids = len(json.loads((folder / "video-here" / "clip.tracks.json").read_text())["annotations"])
    must(ids > 0, "nothing was found in the clip")
    return ids


def on_ray(photos: Path, output: Path, kills: int, *, every: int) -> tuple[list[str], int]:
    """Do the job while an actor is killed after ``every`` outcomes; returns the names done, and the kills."""
    seen: list[str] = []
    killed: list[int] = []

    def kill() -> None:
        if len(killed) < kills and len(seen) >= every * len(killed) + 1:
            living = [pid for pid in actors() if pid not in killed]
            if living:
                os.kill(living[0], signal.SIGKILL)
                killed.append(living[0])

    do(photos, output, ExecutorConfig(executor="ray", workers=2), seen, kill)
    return seen, len(killed)


def do(
    inputs: Path, output: Path, config: ExecutorConfig, seen: list[str], then: Any = None, **choices: Any
) -> None:
    """One run of the job; adds the names of what was done."""
    options = {"save": ("coco", "masks"), "size": 128, "output": str(output)} | choices
    job = BatchJob((str(inputs),), Request.of(**options))

    def on_outcome(outcome: Any, counts: Any) -> None:
        seen.append(outcome.name)
        if then is not None:
            then()

    with mw.load(threads=1, size=128) as segmenter:
        run_batch(job, config, model=segmenter.model, on_outcome=on_outcome)


def actors() -> Iterator[int]:
    """Processes of Ray's actors on this machine: they name themselves after what they do."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(b"ray::MapWorker"):
                yield int(path.parent.name)
        except OSError:
            continue


if __name__ == "__main__":

    def options(parser: Any) -> None:
        """What the command line takes besides."""
        parser.add_argument("--images", type=int, default=200)
        parser.add_argument("--kills", type=int, default=5)

    main("cluster", __doc__ or "", options, table)

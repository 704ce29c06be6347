"""Segmenting a video, the whole job: stage by stage, one after the other, and overlapped.

    python benchmarks/video.py [VIDEO] [--model NAME] [--size PIXELS] [--frames N] [--runs N] [--write FILE] [--short]

Reading, network, masks, ids, overlay and H.264 with audio. Without a video one is made: two photos under a moving
camera, 854x480. The two ways take turns, and must give the same objects. The overlapped way
can be no shorter than its longest stage that has one frame at a time, nor than all its work shared out over the
cores; how close it comes is its efficiency.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from measuring import machine, replace_between_marks, spread

import maskweave as mw
from maskweave.options import SegmentOptions
from maskweave.outputs.overlay import draw_overlay
from maskweave.outputs.video import VideoWriter
from maskweave.sources.video import VideoSource
from maskweave.stages import StageClock, segment_frames
from maskweave.types.frame import Frame
from maskweave.types.instances import Instances
from maskweave.video.tracking import MaskTracker

MARK, MARK_OTHERS = "video", "video options"
OTHERS = (("built-in", 320), ("compact-s-int8", None))
"""Models and input sizes that a second table sets beside what was asked for."""


@dataclass
class Run:
    """One whole job: seconds a frame on the clock and of all cores, by stage, and what was found."""

    wall: float
    cpu: float
    stages: dict[str, float]
    found: list[tuple[int, ...]] = field(repr=False)


def main() -> None:
    """Measure and print the table."""
    options = _options()
    frames, runs = (6, 1) if options.short else (options.frames, options.runs)
    with tempfile.TemporaryDirectory() as folder:
        video = options.video or demo_video(Path(folder))
        texts, rows = [], ["| model, input | network, ms | frames a second | times the best possible |"]
        rows.append("|---|---:|---:|---:|")
        for model, size in ((options.model, options.size), *OTHERS):
            with mw.load(model, size=size, threads=options.threads) as segmenter:
                plain, overlapped = both_ways(segmenter, video, frames, runs)
                texts.append(report(segmenter, video, plain, overlapped))
                rows.append(row(segmenter, plain, overlapped))
    others = "\n".join(rows)
    print(f"{texts[0]}\n\n{others}")
    if options.write is not None:
        replace_between_marks(options.write, MARK, texts[0])
        replace_between_marks(options.write, MARK_OTHERS, others)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("video", nargs="?", type=Path)
    parser.add_argument("--model", default="built-in")
    parser.add_argument("--size", type=int)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--frames", type=int, default=250)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--short", action="store_true", help="a few frames, once: does it still run?")
    parser.add_argument("--write", type=Path, help="Markdown file whose table is replaced")
    return parser.parse_args()


def demo_video(folder: Path) -> Path:
    """The video of `maskweave demo`."""
    from maskweave.cli.demo_video import write_video

    return write_video(folder / "drift.mp4")


def both_ways(segmenter: mw.Segmenter, video: Path, frames: int, runs: int) -> tuple[list[Run], list[Run]]:
    """Runs one after the other and overlapped, in turns."""
    one_run(segmenter, video, 3, overlap=True)
    taken: dict[bool, list[Run]] = {False: [], True: []}
    for _ in range(runs):
        for overlap, collected in taken.items():
            collected.append(one_run(segmenter, video, frames, overlap=overlap))
    return taken[False], taken[True]


def one_run(segmenter: mw.Segmenter, video: Path, frames: int, *, overlap: bool) -> Run:
    """The whole job on the first frames of a video."""
    clock, own, found = StageClock(), {"draw": 0.0, "encode": 0.0}, []
    wall, cpu = time.perf_counter(), time.process_time()
    with (
        tempfile.TemporaryDirectory() as folder,
        VideoSource(video) as source,
        VideoWriter(Path(folder) / "out.mp4", source.info) as writer,
    ):
        chosen: Iterator[Frame] = islice(source, frames)
        results = segment_frames(
            chosen, segmenter.model, SegmentOptions(), tracker=MaskTracker(), clock=clock, overlap=overlap
        )
        with closing(results):
            for result in results:
                frame, prediction = result.frame, result.prediction
                start = time.perf_counter()
                image = draw_overlay(frame.image, prediction)
                drawn = time.perf_counter()
                writer.write(image, time=frame.time, duration=frame.duration)
                own["draw"] += drawn - start
                own["encode"] += time.perf_counter() - drawn
                found.append(seen(prediction))
        start = time.perf_counter()
        writer.close()
        own["encode"] += time.perf_counter() - start
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    stages = {name: spent for name, spent in clock.seconds.items() if name != "draw and encode"} | own
    return Run(
        wall / len(found),
        cpu / len(found),
        {name: spent / len(found) for name, spent in stages.items()},
        found,
    )


def seen(prediction: object) -> tuple[int, ...]:
    """What two runs must agree on: ids, classes and areas of all objects."""
    if not isinstance(prediction, Instances) or prediction.track_ids is None:
        raise TypeError(f"need tracked instances, got {type(prediction).__name__}")
    columns = (prediction.track_ids, prediction.class_ids, prediction.masks.areas)
    return tuple(int(value) for column in columns for value in column)


def report(segmenter: mw.Segmenter, video: Path, plain: list[Run], overlapped: list[Run]) -> str:
    """Markdown: a row a stage, then both ways as a whole, and how close the second comes to what is possible."""
    if any(run.found != plain[0].found for run in [*plain, *overlapped]):
        raise AssertionError("the two ways found different objects")
    lines = ["| stage, one after the other | ms a frame |", "|---|---:|"]
    lines += [f"| {stage} | {spread([run.stages[stage] for run in plain])} |" for stage in plain[0].stages]
    for name, runs in (("whole job, one after the other", plain), ("whole job, overlapped", overlapped)):
        rate = 1 / statistics.median(run.wall for run in runs)
        lines.append(f"| **{name}** | {spread([run.wall for run in runs])}: {rate:.1f} frames a second |")
    concurrency = segmenter.model.concurrency
    work, longest, times = efficiency(plain, overlapped, concurrency)
    info, size = segmenter.model.runtime.describe(), getattr(segmenter.model, "long_side", "")
    lines += [
        "",
        f"{segmenter.name} at {size} px on {info.engine} {info.engine_version}, {video.name}, "
        f"{len(plain[0].found)} frames, {len(plain)} runs each; overlapped, the network has {concurrency} at a time. "
        f"All work shared out over {os.cpu_count()} cores takes {1000 * work:.1f} ms a frame, the longest stage "
        f"that has one frame at a time {1000 * longest:.1f} ms: the "
        f"overlapped job takes {times:.2f} times what is possible.",
        "",
        machine("opencv-python-headless", "onnxruntime", "av"),
    ]
    return "\n".join(lines)


def row(segmenter: mw.Segmenter, plain: list[Run], overlapped: list[Run]) -> str:
    """Markdown: one model and size in the second table."""
    rate = 1 / statistics.median(run.wall for run in overlapped)
    network = spread([run.stages["network"] for run in plain])
    size = getattr(segmenter.model, "long_side", "")
    times = efficiency(plain, overlapped, segmenter.model.concurrency)[2]
    return f"| {segmenter.name}, {size} px | {network} | {rate:.1f} | {times:.2f} |"


def efficiency(plain: list[Run], overlapped: list[Run], concurrency: int) -> tuple[float, float, float]:
    """Seconds a frame of all work shared out over the cores and of the longest stage; the job in the larger's.

    A network that looks at several frames at a time, in ``lanes``, is no stage that others must wait for.
    """
    work = statistics.median(run.cpu for run in overlapped) / (os.cpu_count() or 1)
    alone = [stage for stage in plain[0].stages if concurrency == 1 or stage != "network"]
    longest = max(statistics.median(run.stages[stage] for run in plain) for stage in alone)
    wall = statistics.median(run.wall for run in overlapped)
    return work, longest, wall / max(work, longest)


if __name__ == "__main__":
    main()

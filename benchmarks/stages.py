"""Seconds per stage of segmenting a video: decode, prepare, network, decode of results, track, draw, encode.

    python benchmarks/stages.py [VIDEO] [--model NAME] [--frames N] [--runs N] [--size PIXELS]

Without a video one is made: two photos under a moving camera, 854x480 (needs the demo extra). Each run does the
whole job; the table gives the median over the runs and the spread, per frame, in milliseconds.
"""

from __future__ import annotations

import argparse
import os
import platform
import runpy
import statistics
import tempfile
import time
from itertools import islice
from pathlib import Path

import maskweave as mw
from maskweave.outputs.overlay import draw_overlay
from maskweave.outputs.video import VideoWriter
from maskweave.pipeline import StageClock, Wish, segment_frames
from maskweave.sources.video import VideoSource
from maskweave.tracking import MaskTracker


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("video", nargs="?", type=Path)
    parser.add_argument("--model", default="built-in")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--size", type=int)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        video = options.video or demo_video(Path(folder))
        with mw.load(options.model, size=options.size, threads=options.threads) as segmenter:
            one_run(segmenter, video, 3, Path(folder))  # warm up
            runs = [one_run(segmenter, video, options.frames, Path(folder)) for _ in range(options.runs)]
            print_table(runs, segmenter, video)


def demo_video(folder: Path) -> Path:
    """The demo's video, made by its own script."""
    demo = runpy.run_path(str(Path(__file__).parent.parent / "scripts" / "demo.py"))
    path = folder / "walk.mp4"
    demo["make_video"](path)
    return path


def one_run(segmenter: mw.Segmenter, video: Path, frames: int, folder: Path) -> tuple[int, dict[str, float]]:
    """Frames done, and seconds per stage; drawing and encoding are told apart here."""
    clock = StageClock()
    seconds = {"draw": 0.0, "encode": 0.0}
    count = 0
    with VideoSource(video) as source, VideoWriter(folder / "out.mp4", source.info) as writer:
        results = segment_frames(
            islice(source, frames), segmenter.model, Wish(), tracker=MaskTracker(), clock=clock
        )
        for frame, prediction in results:
            start = time.perf_counter()
            picture = draw_overlay(frame.image, prediction)
            drawn = time.perf_counter()
            writer.write(picture, time=frame.time, duration=frame.duration)
            seconds["draw"] += drawn - start
            seconds["encode"] += time.perf_counter() - drawn
            count += 1
        start = time.perf_counter()
        writer.close()
        seconds["encode"] += time.perf_counter() - start
    stages = {name: spent for name, spent in clock.seconds.items() if name != "draw and encode"}
    return count, stages | seconds


def print_table(runs: list[tuple[int, dict[str, float]]], segmenter: mw.Segmenter, video: Path) -> None:
    """One row a stage, milliseconds per frame."""
    info = segmenter.model.runtime.describe()
    print(f"{segmenter.name} on {info.engine} {info.engine_version} ({info.device}), {video.name}")
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, {len(runs)} runs of {runs[0][0]} frames\n")
    print(f"{'stage':<20}{'ms/frame':>10}{'min':>9}{'max':>9}")
    for stage in runs[0][1]:
        row([1000 * seconds[stage] / frames for frames, seconds in runs], stage)
    totals = [1000 * sum(seconds.values()) / frames for frames, seconds in runs]
    row(totals, "whole")
    print(f"\n{1000 / statistics.median(totals):.1f} frames a second, one stage after the other")


def row(values: list[float], name: str) -> None:
    """Median, least and most."""
    print(f"{name:<20}{statistics.median(values):>10.2f}{min(values):>9.2f}{max(values):>9.2f}")


if __name__ == "__main__":
    main()

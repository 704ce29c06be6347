"""What users would pick instead, in turns with MaskWeave: whole jobs on a video, and cut-outs of photos.

    python benchmarks/peers.py [VIDEO] [--frames N] [--photos N] [--runs N] [--write FILE] [--short]

The video: each reads it, looks at every frame at a long side of 416 pixels, draws what it found, and writes a video,
as its own command does. Ultralytics' smallest segmentation network has random weights here, which can only help it:
it finds nothing, so nothing is cut out or drawn. supervision has no network: it is given what ours finds and follows,
draws with its annotators, and writes with its own function, as MPEG-4 Part 2 (ours is H.264, with audio).

The photos: each command cuts out a folder of them, from its start to its end. rembg's network U²-Netp has random
weights here, and so has it in our command: the same file in both. Beside it our command with the model in the
package, which is another network.

Without a peer (pip install ultralytics supervision 'rembg[cpu,cli]') its rows are left out; MASKWEAVE_REMBG may name
rembg's command in another environment.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

from measuring import Way, in_turn, machine, replace_between_marks

import maskweave as mw
from maskweave.cli.demo_video import write_photos
from video import demo_video, one_run

MARK, MARK_CUTOUTS = "peers", "peers cutouts"
SIZE = 416
PEER = "yolo11n-seg"
REMBG = os.environ.get("MASKWEAVE_REMBG") or shutil.which("rembg")


def main() -> None:
    """Measure and print the tables."""
    options = _options()
    frames, photos, runs = (4, 3, 1) if options.short else (options.frames, options.photos, options.runs)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        video = options.video or demo_video(folder)
        whole_jobs = _table(_video_ways(video, frames, folder), runs, frames, "whole job at 416 px", "frames")
        cutouts = _table(_cutout_ways(folder, photos), runs, photos, "cut-outs, the whole command", "photos")
    texts = {
        MARK: f"{whole_jobs}\n\n{video.name}, {frames} frames, {runs} runs each, in turn. "
        f"{machine('onnxruntime', 'torch', 'ultralytics', 'supervision')}",
        MARK_CUTOUTS: f"{cutouts}\n\n{photos} photos of 300 to 600 pixels' side, {runs} runs each, in turn. "
        f"{machine('onnxruntime', 'rembg')}",
    }
    for mark, text in texts.items():
        print(f"{text}\n")
        if options.write is not None:
            replace_between_marks(options.write, mark, text)


def _table(ways: Sequence[Way], runs: int, count: int, title: str, unit: str) -> str:
    for way in ways:
        way.run()  # what is loaded, built or compiled at the first run is not part of the job
    lines = [f"| {title} | {unit} a second |", "|---|---:|"]
    for way, taken in zip(ways, in_turn(ways, runs), strict=True):
        rates = [count / seconds for seconds in taken.wall]
        lines.append(f"| {way.name} | {statistics.median(rates):.1f} ({min(rates):.1f}–{max(rates):.1f}) |")
    return "\n".join(lines)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("video", nargs="?", type=Path)
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--photos", type=int, default=24)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--short", action="store_true", help="a few frames, once: does it still run?")
    parser.add_argument("--write", type=Path, help="Markdown file whose table is replaced")
    return parser.parse_args()


def _video_ways(video: Path, frames: int, folder: Path) -> list[Way]:
    ways = [_ours(model, video, frames) for model in ("compact-s", "compact-s-int8")]
    if find_spec("ultralytics") is not None:
        ways.append(Way(f"Ultralytics {PEER}, random weights", _ultralytics(video, frames, folder)))
    if find_spec("supervision") is not None:
        ways.append(Way("compact-s, drawn and written by supervision", _supervision(video, frames, folder)))
    return ways


def _ours(model: str, video: Path, frames: int) -> Way:
    segmenter = mw.load(model, size=SIZE)
    return Way(f"**MaskWeave** {model}", lambda: one_run(segmenter, video, frames, overlap=True))


def _ultralytics(video: Path, frames: int, folder: Path) -> Callable[[], None]:
    """The peer's own job, as its command with `save=True` does it."""
    from ultralytics import YOLO

    network = YOLO(f"{PEER}.yaml")

    def run() -> None:
        results = network.predict(
            str(video), stream=True, save=True, imgsz=SIZE, project=str(folder), exist_ok=True, verbose=False
        )
        for _ in islice(results, frames):
            pass
        results.close()

    return run


def _supervision(video: Path, frames: int, folder: Path) -> Callable[[], None]:
    """What our network and tracker give, in the pipeline of supervision's own examples."""
    import supervision as sv

    segmenter = mw.load("compact-s", size=SIZE)
    info = sv.VideoInfo.from_video_path(str(video))

    def run() -> None:
        annotators = (sv.MaskAnnotator(), sv.PolygonAnnotator(), sv.LabelAnnotator())
        with sv.VideoSink(str(folder / "supervision.mp4"), info) as sink:
            for result in islice(segmenter.stream(video), frames):
                image = result.frame.image[..., ::-1].copy()  # its annotators take BGR
                for annotator in annotators:
                    image = annotator.annotate(image, result.to_supervision())
                sink.write_frame(image)

    return run


def _cutout_ways(folder: Path, count: int) -> list[Way]:
    photos = folder / "photos"
    given = write_photos(folder / "originals")
    photos.mkdir()
    for number in range(count):
        shutil.copy(given[number % len(given)], photos / f"{number:03d}.jpg")
    out = folder / "cut-out"
    ours = [
        sys.executable,
        "-m",
        "maskweave",
        "segment",
        str(photos),
        "-q",
        "--save",
        "cutout",
        "-o",
        str(out),
    ]
    ways = [Way("**MaskWeave** built-in", lambda: _command(ours, out))]
    if find_spec("torch") is None:
        return ways
    import u2netp

    model = u2netp.save(folder / "models" / "u2net_custom" / "u2netp.onnx")
    same = [*ours, "-m", str(model), "--task", "foreground"]
    ways.append(Way("**MaskWeave** U²-Netp, random weights", lambda: _command(same, out)))
    if REMBG is not None:
        theirs = [REMBG, "p", "-m", "u2net_custom", "-x", json.dumps({"model_path": str(model)})]
        ways.append(
            Way(
                "rembg U²-Netp, random weights",
                lambda: _command([*theirs, str(photos), str(out)], out, REMBG_HOME=str(folder)),
            )
        )
    return ways


def _command(words: Sequence[str], out: Path, **settings: str) -> None:
    """Run a command whose outputs go into an empty folder: rembg passes over what is there already."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    subprocess.run(words, check=True, env={**os.environ, **settings}, capture_output=True)


if __name__ == "__main__":
    main()

"""A video segmented and drawn: the whole job of MaskWeave beside that of Ultralytics, in turns.

    python benchmarks/peers.py [VIDEO] [--frames N] [--runs N] [--write FILE] [--short]

Each reads the video, looks at every frame at a long side of 416 pixels, draws what it found, and writes a video, as
its own command does. Ultralytics' smallest segmentation network has random weights here, which can only help it: it
finds nothing, so nothing is cut out or drawn. Without the peer (pip install ultralytics) only our rows are there.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

from measuring import Way, in_turn, machine, replace_between_marks

import maskweave as mw
from video import demo_video, one_run

MARK = "peers"
SIZE = 416
PEER = "yolo11n-seg"


def main() -> None:
    """Measure and print the table."""
    options = _options()
    frames, runs = (4, 1) if options.short else (options.frames, options.runs)
    with tempfile.TemporaryDirectory() as folder:
        video = options.video or demo_video(Path(folder))
        ways = [_ours(model, video, frames) for model in ("compact-s", "compact-s-int8")]
        if find_spec("ultralytics") is not None:
            ways.append(Way(f"Ultralytics {PEER}, random weights", _peer(video, frames, Path(folder))))
        for way in ways:
            way.run()  # what is loaded or built at the first run is not part of the job
        times = in_turn(ways, runs)
    lines = ["| whole job at 416 px | frames a second |", "|---|---:|"]
    for way, taken in zip(ways, times, strict=True):
        rates = [frames / seconds for seconds in taken.wall]
        lines.append(f"| {way.name} | {statistics.median(rates):.1f} ({min(rates):.1f}–{max(rates):.1f}) |")
    lines += [
        "",
        f"{video.name}, {frames} frames, {runs} runs each, in turn. {machine('onnxruntime', 'torch', 'ultralytics')}",
    ]
    text = "\n".join(lines)
    print(text)
    if options.write is not None:
        replace_between_marks(options.write, MARK, text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("video", nargs="?", type=Path)
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--short", action="store_true", help="a few frames, once: does it still run?")
    parser.add_argument("--write", type=Path, help="Markdown file whose table is replaced")
    return parser.parse_args()


def _ours(model: str, video: Path, frames: int) -> Way:
    segmenter = mw.load(model, size=SIZE)
    return Way(f"**MaskWeave** {model}", lambda: one_run(segmenter, video, frames, overlap=True))


def _peer(video: Path, frames: int, folder: Path) -> Callable[[], None]:
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


if __name__ == "__main__":
    main()

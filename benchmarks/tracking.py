"""Tracking: HOTA, IDF1, MOTA and switches on drawn clips, flicker, and milliseconds per frame.

    python benchmarks/tracking.py [--seeds N] [--davis FOLDER [--clips NAMES] [--frames N]] [--short]

Clips are those of the tests (crossing, hidden, entering and leaving objects, a camera that swings, a variable
frame rate), with objects missed, unsure, false and of the wrong class, and outlines that tremble. The plain
reference matches by mask overlap with the frame before; trackers of the package ``trackers`` are measured where it
is installed.

Flicker is the mean over tracks and frames of 1 - IoU of a mask and the one before it, laid middle on middle.
FOLDER has a folder of JPEG frames per clip; the model in the package segments the first N of those NAMED (comma-
separated; all when none is). Time is the processor's own, of one thread, median over frames, so that a busy machine
counts less.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

import maskweave as mw
from maskweave.errors import MissingDependency
from maskweave.evaluation.tracking import TrackingClip, score_tracking
from maskweave.ops.iou import mask_iou
from maskweave.ops.masks import shift_masks
from maskweave.options import SegmentOptions
from maskweave.stages import segment_frames
from maskweave.types import Frame, Instances, Masks
from maskweave.video.stream import VideoStream
from maskweave.video.tracking import TRACKERS, MaskTracker, Tracker

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.video import scenes
from tests.video.overlap import OverlapTracker

ASKED = 0.5


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--davis", type=Path)
    parser.add_argument("--clips", type=lambda text: text.split(","))
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--short", action="store_true", help="one clip, once: does it still run?")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    makers = trackers()
    print(f"{'clip':<15}{'tracker':<16}{'HOTA':>7}{'AssA':>7}{'IDF1':>7}{'MOTA':>7}{'switches':>10}")
    every: dict[str, list[TrackingClip]] = {name: [] for name in makers}
    for clip, scene in list(scenes.SCENES.items())[: 1 if options.short else None]:
        for name, collected in one_scene(scene(), makers, 1 if options.short else options.seeds).items():
            every[name] += collected
            row(clip, name, collected)
    for name, collected in every.items():
        row("all", name, collected)
    print()
    tell_flicker("drawn traffic", flicker(drawn_results(False)), flicker(drawn_results(True)))
    if options.davis:
        names = options.clips or sorted(each.name for each in options.davis.iterdir() if each.is_dir())
        for name in names:
            raw, steady = (
                flicker(real_results(options.davis / name, options.frames, on)) for on in (False, True)
            )
            tell_flicker(name, raw, steady)
    print_speed(frames=10 if options.short else 300)


def trackers() -> dict[str, Callable[[], Tracker]]:
    """What is compared."""
    makers: dict[str, Callable[[], Tracker]] = {}
    for name, make in TRACKERS.items():
        try:
            make()
        except MissingDependency as error:
            print(error)
        else:
            makers[name] = make
    return makers | {"plain overlap": OverlapTracker}


def one_scene(
    scene: scenes.Scene, makers: dict[str, Callable[[], Tracker]], seeds: int
) -> dict[str, list[TrackingClip]]:
    """The results of every tracker on the same noise."""
    results: dict[str, list[TrackingClip]] = {name: [] for name in makers}
    images = list(scenes.frames(scene))
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        given = [(frame, truth, scenes.noisy(truth, rng)) for frame, truth in images]
        for name, make in makers.items():
            tracker, clip, stream = make(), TrackingClip(), VideoStream()
            min_score = tracker.start(ASKED)
            for frame, truth, found in given:
                clip.add(truth, tracker.update(stream.facts(frame), found[found.scores >= min_score]))
            results[name].append(clip)
    return results


def row(clip: str, name: str, collected: list[TrackingClip]) -> None:
    """One line of the table, in percent."""
    result = score_tracking(collected)
    figures = "".join(
        f"{100 * value:>7.1f}" for value in (result.hota, result.ass_a, result.idf1, result.mota)
    )
    print(f"{clip:<15}{name:<16}{figures}{result.switches:>10}", flush=True)


def drawn_results(steady: bool) -> Iterator[Instances]:
    """Tracked results on the traffic clip."""
    tracker, stream, rng = MaskTracker(steady_masks=steady), VideoStream(), np.random.default_rng(0)
    min_score = tracker.start(ASKED)
    for frame, truth in scenes.frames(scenes.traffic()):
        found = scenes.noisy(truth, rng)
        yield tracker.update(stream.facts(frame), found[found.scores >= min_score])


def real_results(folder: Path, frames: int, steady: bool) -> Iterator[Instances]:
    """Tracked results of the model in the package on a folder of frames."""
    with mw.load() as segmenter:
        images = (
            Frame(cv2.imread(str(path))[..., ::-1].copy(), index=index, time=Fraction(index, 25))
            for index, path in enumerate(sorted(folder.glob("*.jpg"))[:frames])
        )
        for result in segment_frames(
            images, segmenter.model, SegmentOptions(), tracker=MaskTracker(steady_masks=steady)
        ):
            yield result.instances


def tell_flicker(clip: str, raw: float, steady: float) -> None:
    """One line: the flicker of masks as they came and as they are shown."""
    less = f"{100 * (1 - steady / raw):.0f} % less" if raw else "nothing seen twice"
    print(f"flicker, {clip}: raw {raw:.4f}, steady {steady:.4f}, {less}", flush=True)


def flicker(results: Iterator[Instances]) -> float:
    """Mean of 1 - IoU of a track's masks in consecutive frames, laid middle on middle."""
    changes, before = [], None
    for result in results:
        if before is not None:
            _, old, new = np.intersect1d(before.track_ids, result.track_ids, return_indices=True)
            for first, second in zip(before.masks[old], result.masks[new], strict=True):
                changes.append(change(first, second))
        before = result
    return statistics.fmean(changes) if changes else 0.0


def change(first: Masks, second: Masks) -> float:
    """1 - IoU of two single masks, the first moved onto the middle of the second."""
    offset = np.rint(middle(second) - middle(first)).astype(np.int64)[None]
    return 1 - float(mask_iou(shift_masks(first, offset), second)[0, 0])


def middle(masks: Masks) -> np.ndarray:
    """x, y of the center of a single mask's pixels."""
    rows, columns = np.nonzero(masks.crops[0])
    return masks.corners[0] + (columns.mean(), rows.mean())


def print_speed(frames: int, objects: int = 20) -> None:
    """Milliseconds a frame with ``objects`` objects at 854x480."""
    rng, size = np.random.default_rng(0), (480, 854)
    floor, times = scenes.ground(0), []
    places = rng.uniform((60, 60), (740, 400), (objects, 2))
    speeds = rng.uniform(-3, 3, (objects, 2))
    tracker, stream = MaskTracker(), VideoStream()
    tracker.start(ASKED)
    for index in range(frames):
        image = scenes.window(floor, (index, 0), size)
        places += speeds
        radii = (24, 34)
        crops = [cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (49, 69)) > 0] * objects
        corners = (places - radii).round().astype(np.int64).clip(0, (854 - 49, 480 - 69))
        masks = Masks(crops, corners, size)
        found = Instances(masks, masks.boxes, np.full(objects, 0.9), np.zeros(objects, int), scenes.NAMES)
        frame = Frame(image, index=index, time=Fraction(index, 25))
        begun = time.thread_time()
        tracker.update(stream.facts(frame), found)
        times.append(1000 * (time.thread_time() - begun))
    low, median = np.percentile(times[5:], (10, 50))
    print(f"\n{objects} objects, 854x480: {median:.2f} ms a frame of one thread (a tenth under {low:.2f})")


if __name__ == "__main__":
    main()

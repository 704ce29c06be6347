"""An hour of live video: does memory grow, do files stay open, are ids used again?

    python benchmarks/reliability/stream.py [--minutes 60] [--network] [--write FILE] [--short]

A camera that is drawn in memory, 256x144, 25 frames a second on average and none like the other: 20, 40 or 60 ms
apart. It cuts to another scene every 5 to 40 seconds, objects enter and leave all the time, and every few minutes it
drops out for 1 to 40 seconds, on a clock that jumps, so that nothing waits. Its frames go through the live source's
own reconnection, the pipeline, the tracker and the writers into a temporary folder. A stand-in for the network knows
the objects' colors and overlooks one in twenty; ``--network`` takes the model in the package instead.

Memory is the process's resident set, sampled every second of video; the slope is a least-squares fit after the first
tenth, or the first three minutes where that is more. An id is used again when it comes back after a cut that was
found, or after the tracker's patience. Memory that grows by 5 MB or more an hour of video, ids that are used again
and files that are left open are errors. Under ten minutes the slope says nothing and does not count. Linux only.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jobs import main, must

import maskweave as mw
from maskweave.errors import SourceNotFound
from maskweave.models.base import Model, Prepared
from maskweave.ops.letterbox import Letterbox
from maskweave.options import SegmentOptions
from maskweave.outputs import make_writers
from maskweave.outputs.base import Target
from maskweave.run import write
from maskweave.sources.live import DroppedOut, LiveSource, Watch
from maskweave.stages import segment_frames
from maskweave.types import Frame, FrameResult, Instances, Masks, SourceInfo
from maskweave.video.scene_starts import SceneDetector
from maskweave.video.tracking import MaskTracker

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.runtimes.fake import FakeRuntime
from tests.video.scenes import ground, window

HEIGHT, WIDTH, RATE = 144, 256, 25
ALLOWED = 5.0  # MB an hour
WARM_UP, LEAST = 0.05, 1 / 6  # hours: what is left out at the start, and what a slope needs
PATIENCE = 1.0  # seconds, the tracker's
COLORS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0))  # one object each
OUTSIDE = 140  # pixels of an object's way that lie outside the image


def table(options: Any) -> str:
    """Run, tell, and stop where something grows or comes twice."""
    minutes = 0.5 if options.short else options.minutes
    camera = DrawnCamera(round(60 * RATE * minutes), seed=options.seed)
    memory, ids = Memory(), Ids(camera)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        model = stack.enter_context(mw.load()).model if options.network else ColorModel(options.seed)
        target = Target(Path(folder), camera.info, "instances", model.class_names, model=model.name)
        results = segment_frames(
            stack.enter_context(camera),
            model,
            SegmentOptions(),
            tracker=MaskTracker(patience=PATIENCE),
            overlap=True,
        )
        writers = make_writers(options.save.split(","), target)
        write(ids.watched(results), writers, progress=memory.sample)
    return told(camera, memory, ids, len(writers))


class DrawnCamera(LiveSource):
    """``count`` frames of drawn scenes; ``cuts`` has the numbers of those with which a scene begins."""

    def __init__(self, count: int, *, seed: int) -> None:
        super().__init__("drawn", watch=Watch(lambda: self.time, self._wait))
        self.info = SourceInfo("drawn", "live", rate=Fraction(RATE), time_base=Fraction(1, 90_000))
        self.time = 0.0
        self.cuts: set[int] = set()
        self.drop_outs = 0
        self._left, self._given = count, 0
        self._rng = np.random.default_rng(seed)
        self._back = self._cut = 0.0
        self._connection = self._connect()

    def _wait(self, seconds: float) -> None:
        self.time += seconds

    def _connect(self) -> object:
        if self.time < self._back:
            raise SourceNotFound("drawn: away")
        return object()

    def _hang_up(self, connection: object) -> None:
        self.drop_outs += 1
        self._back = self.time + self._rng.uniform(1, 40)

    def _timed_images(self, connection: object) -> Iterator[tuple[Fraction, np.ndarray]]:
        end = self.time + self._rng.uniform(60, 400)
        begin = self.time
        while self._left:
            if self.time >= end:
                raise DroppedOut("drawn so")
            if self.time >= self._cut:
                self._begin_scene()
            yield Fraction(round(1000 * (self.time - begin)), 1000), self._draw()
            self._left, self._given = self._left - 1, self._given + 1
            self.time += self._rng.choice((0.02, 0.04, 0.06))

    def _begin_scene(self) -> None:
        if self._given:
            self.cuts.add(self._given)
        self._cut = self.time + self._rng.uniform(5, 40)
        cast = self._rng.uniform(0.4, 1.0, 3)
        self._floor = (ground.__wrapped__(int(self._rng.integers(1 << 30))) * cast).astype(np.uint8)
        self._things = [
            (self._rng.uniform(0, WIDTH + OUTSIDE), self._rng.choice((-1, 1)) * self._rng.uniform(10, 40), y)
            for y in np.linspace(20, HEIGHT - 20, len(COLORS)) + self._rng.uniform(-8, 8, len(COLORS))
        ]

    def _draw(self) -> np.ndarray:
        image = window(self._floor, (20 * np.sin(0.3 * self.time), 0), (HEIGHT, WIDTH))
        for number, (start, speed, y) in enumerate(self._things):
            x = (start + speed * self.time) % (WIDTH + OUTSIDE) - OUTSIDE / 2
            cv2.ellipse(image, (round(x), round(y)), (16 + number, 12), 0, 0, 360, COLORS[number], -1)
        return image


class ColorModel(Model):
    """Knows the colors of the drawn objects; overlooks some, and is unsure of others."""

    def __init__(self, seed: int) -> None:
        super().__init__(FakeRuntime({}), name="colors", class_names=("car", "person"))
        self._rng = np.random.default_rng(seed)

    def prepare(self, image: np.ndarray) -> Prepared:
        """The image itself."""
        size = image.shape[:2]
        return Prepared({"image": image}, Letterbox.squash(size, size))

    def infer(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Nothing: the stand-in runtime would keep all that it was given."""
        return inputs

    def decode(self, outputs: dict[str, np.ndarray], letterbox: Letterbox, *, score: float) -> Instances:
        """One object a color."""
        packed = outputs["image"].astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
        crops, corners = [], []
        for red, green, blue in COLORS:
            mask = packed == (red << 16 | green << 8 | blue)
            if np.count_nonzero(mask) >= 30 and self._rng.random() > 0.05:
                x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
                crops.append(mask[y : y + height, x : x + width])
                corners.append((x, y))
        masks = Masks(crops, np.array(corners, int).reshape(-1, 2), letterbox.source_size)
        scores = self._rng.uniform(0.3, 0.95, len(masks))
        found = Instances(masks, masks.boxes, scores, np.arange(len(masks)) % 2, self.class_names)
        return found[found.scores >= score]


class Memory:
    """Samples of the resident set in MB and of open files, over hours of video."""

    def __init__(self) -> None:
        self.hours: list[float] = []
        self.megabytes: list[float] = []
        self.files: list[int] = []
        self._begin = time.process_time()

    def sample(self, result: FrameResult) -> None:
        """Look once a second."""
        done = result.frame.index + 1
        if done % RATE:
            return
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self.hours.append(done / RATE / 3600)
        self.megabytes.append(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)
        self.files.append(sum(1 for _ in Path("/proc/self/fd").iterdir()))
        if done % (300 * RATE) == 0:
            spent = 1000 * (time.process_time() - self._begin) / done
            print(
                f"{done // 60 // RATE:>3} min {self.megabytes[-1]:>8.1f} MB {spent:>6.1f} ms a frame",
                flush=True,
            )

    def warm(self) -> int:
        """The first sample that counts."""
        return int(np.searchsorted(self.hours, min(max(self.hours[-1] / 10, WARM_UP), self.hours[-1] / 2)))

    def slope(self) -> float:
        """MB an hour."""
        start = self.warm()
        return float(np.polyfit(self.hours[start:], self.megabytes[start:], 1)[0])


class Ids:
    """Ids as they come; only those of the last seconds are remembered, as new ones always rise."""

    def __init__(self, camera: DrawnCamera) -> None:
        self._camera = camera
        self._cuts = SceneDetector()
        self._last: dict[int, float] = {}
        self.highest = self.reused = self.carried = self.found = self.false = 0

    def watched(self, results: Iterable[FrameResult]) -> Iterator[FrameResult]:
        """Pass on what comes."""
        for result in results:
            self._look(result.frame, result.instances.track_ids.tolist())
            yield result

    def _look(self, frame: Frame, ids: list[int]) -> None:
        now, planted = float(frame.time), frame.index in self._camera.cuts
        cut = self._cuts.update(frame.image, now)
        self.found += cut and planted
        self.false += cut and not planted
        self.carried += sum(each in self._last for each in ids) if planted and not cut else 0
        oldest = now if cut else now - PATIENCE - 0.1
        self._last = {each: seen for each, seen in self._last.items() if seen >= oldest}
        self.reused += sum(each <= self.highest and each not in self._last for each in ids)
        self.highest = max([self.highest, *ids])
        self._last |= dict.fromkeys(ids, now)


def told(camera: DrawnCamera, memory: Memory, ids: Ids, writers: int) -> str:
    """All figures as a table; raises `SystemExit` where a promise is broken."""
    slope, warm = memory.slope(), memory.warm()
    megabytes, files = memory.megabytes[warm:], memory.files[warm:]
    counts = memory.hours[-1] >= LEAST
    must(not ids.reused, f"{ids.reused} ids were used again")
    # each writer may have begun to spool to the disk meanwhile
    must(files[-1] - files[0] <= writers, f"open files: {files[0]} after warming up, {files[-1]} at the end")
    rising = f"{slope:+.2f}" if counts else "too short"
    text = (
        "| minutes of video | drop-outs | MB after warm-up | at the end | slope, MB an hour | open files "
        "| ids handed out | used again |\n|---:|---:|---:|---:|---:|---:|---:|---:|\n"
        f"| {60 * memory.hours[-1]:.1f} | {camera.drop_outs} | {megabytes[0]:.1f} | {megabytes[-1]:.1f} | {rising} "
        f"| {min(files)} to {max(files)} | {ids.highest} | {ids.reused} |\n\n"
        f"{len(camera.cuts)} cuts, {ids.found} of them found, {ids.false} false; {ids.carried} ids kept over a cut "
        "that was not found."
    )
    if counts and slope >= ALLOWED:
        print(text)
        must(False, f"memory grows by {slope:.2f} MB an hour, {ALLOWED:g} are allowed")
    return text


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--minutes", type=float, default=60, help="of video")
    parser.add_argument("--save", default="overlay,coco,tracks,csv", help="formats, comma-separated")
    parser.add_argument("--network", action="store_true", help="the model in the package")
    parser.add_argument("--seed", type=int, default=0)


if __name__ == "__main__":
    main("stream", __doc__ or "", _options, table)

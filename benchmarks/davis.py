"""J and F on the DAVIS 2016 sequences, sequence by sequence: foreground and propagation, each beside its floors.

    python benchmarks/davis.py ../shared/data/davis2016 --write docs/benchmarks.md
    python benchmarks/davis.py --short                         # a drawn clip: does it still run?

The folder is in the benchmark's own layout (JPEGImages/480p, Annotations/480p). Only what is in the package is used.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from drawn import davis_or_drawn
from measuring import machine, replace_between_marks

import maskweave as mw
from maskweave.annotations.id_images import read_id_map
from maskweave.evaluation.davis import DavisFrame, DavisMetric, ObjectScores
from maskweave.sources.find import find_sources
from maskweave.types.frame import Frame, SourceInfo
from maskweave.types.prompt import Prompt
from maskweave.video.features import feature_network
from maskweave.video.foreground import foreground_frames
from maskweave.video.optical_flow import DenseFlow, warp
from maskweave.video.propagation import propagate_frames

Masks = Iterator[np.ndarray]
"""(H, W) bool, one a frame."""


class Held:
    """A source of frames that are in memory already, so that decoding is not timed."""

    def __init__(self, frames: list[Frame]) -> None:
        self.frames, self.info, self.warnings = frames, SourceInfo("held", "video", rate=Fraction(24)), []

    def __iter__(self) -> Iterator[Frame]:
        return iter(self.frames)


class Contest:
    """The methods of both tasks; the models are loaded once."""

    def __init__(self) -> None:
        self.model = mw.load()
        self.network = feature_network()
        self.network.guide = self.model.model.guide

    def foreground(self, frames: list[Frame], first: np.ndarray) -> Masks:
        """Ours, nothing given."""
        for result in foreground_frames(frames, self.model.model, self.network):
            yield result.semantic.class_map > 0

    def union(self, frames: list[Frame], first: np.ndarray) -> Masks:
        """Floor: every instance of every frame by itself."""
        for frame in frames:
            yield self.model(frame.image).instances.masks.union()

    def propagation(self, frames: list[Frame], first: np.ndarray) -> Masks:
        """Ours, the first mask given."""
        for result in propagate_frames(Held(frames), Prompt(0, first.astype(int)), self.network):
            yield result.instances.masks.union()

    def still(self, frames: list[Frame], first: np.ndarray) -> Masks:
        """Floor: the first mask, held still."""
        for _ in frames:
            yield first

    def flow_only(self, frames: list[Frame], first: np.ndarray) -> Masks:
        """Floor: the first mask, moved along by optical flow."""
        flow = DenseFlow()
        mask, former = first.astype(np.float32), None
        for frame in frames:
            gray = cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY)
            if former is not None:
                mask = warp(mask, flow.between(gray, former))
            former = gray
            yield mask > 0.5


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--short", action="store_true", help="a drawn clip: does it still run?")
    parser.add_argument("--sequences", nargs="*", help="only these")
    parser.add_argument("--tasks", nargs="*", default=["foreground", "propagation"])
    parser.add_argument("--write", type=Path, help="Markdown file whose tables are replaced")
    options = parser.parse_args()
    if (options.data is None) != options.short:
        parser.error("need either a folder of DAVIS or --short")
    contest = Contest()
    tasks: dict[str, dict[str, Callable[[list[Frame], np.ndarray], Masks]]] = {
        "foreground": {"union of instances": contest.union, "ours": contest.foreground},
        "propagation": {
            "first mask, still": contest.still,
            "flow only": contest.flow_only,
            "ours": contest.propagation,
        },
    }
    with davis_or_drawn(options.data) as data:
        for task in options.tasks:
            table = _table(data, options.sequences, tasks[task], skip_ends=task == "propagation")
            print(f"\n{task}\n{table}", flush=True)
            if options.write is not None:
                text = f"{table}\n\n{machine('numpy', 'opencv-python-headless', 'onnxruntime')}"
                replace_between_marks(options.write, f"davis {task}", text)


def _table(
    data: Path, chosen: list[str] | None, methods: dict[str, Callable[..., Masks]], *, skip_ends: bool
) -> str:
    """Markdown: a row a sequence, J, F and J&F of every method, and ours in frames a second."""
    head = "| sequence | " + " | ".join(f"{name}: J&F (J, F)" for name in methods) + " | frames/s |"
    lines = [head, "|---|" + "---:|" * (len(methods) + 1)]
    rows = []
    for folder in sorted((data / "Annotations" / "480p").iterdir()):
        if chosen and folder.name not in chosen:
            continue
        (source,) = find_sources([str(data / "JPEGImages" / "480p" / folder.name)], as_video=True)
        with source:
            frames = list(source)
        truths = [read_id_map(path) > 0 for path in sorted(folder.glob("*.png"))]
        scores, rate = {}, 0.0
        for name, method in methods.items():
            begin = time.perf_counter()
            masks = list(method(frames, truths[0]))
            rate = len(frames) / (time.perf_counter() - begin)
            scores[name] = score_sequence(folder.name, truths, masks, skip_ends=skip_ends)
        rows.append(([_values(each) for each in scores.values()], rate))
        lines.append(_line(folder.name, *rows[-1]))
        print(lines[-1], flush=True)
    means = np.mean([values for values, _ in rows], axis=0).tolist()
    lines.append(_line("**mean**", means, float(np.mean([rate for _, rate in rows]))))
    return "\n".join(lines)


def score_sequence(
    name: str, truths: list[np.ndarray], masks: list[np.ndarray], *, skip_ends: bool
) -> ObjectScores:
    """J and F of one sequence."""
    metric = DavisMetric(skip_ends=skip_ends)
    for truth, mask in zip(truths, masks, strict=True):
        metric.add(DavisFrame(truth.astype(int), name, [1]), mask.astype(int))
    return metric.result()[0]


def _values(scores: ObjectScores) -> tuple[float, float, float]:
    return 100 * scores.jf_mean, 100 * scores.regions.mean, 100 * scores.contours.mean


def _line(name: str, values: list[tuple[float, float, float]], rate: float) -> str:
    cells = [f"{both:.1f} ({regions:.1f}, {contours:.1f})" for both, regions, contours in values]
    return f"| {name} | " + " | ".join(cells) + f" | {rate:.1f} |"


if __name__ == "__main__":
    main()

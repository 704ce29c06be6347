"""What answers to boxes and clicks are worth: mean IoU with exact masks, with a guide and without, in one run.

    python benchmarks/prompts.py instances_val.json --images images --guide run-guide/model.onnx \\
        [--also efficient-sam-ti] [--objects 200] [--seed 0] [--write docs/benchmarks.md]

Objects with exact masks of at least 400 pixels are drawn at random, one of an image before any second. Each model is
told the true box; a box whose sides are off by up to a tenth; one click at the innermost pixel; and then three times
a click in the middle of the largest error. The filled box is the answer that needs no model. Times are of one answer
to a box, the image read.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from measuring import machine, replace_between_marks, spread

import maskweave as mw
from maskweave.evaluation.prompting import PromptIous, prompt_ious
from maskweave.models.base import Model
from maskweave.training.annotations import TrainingSet, read_training_set
from maskweave.training.cache import read_rgb
from maskweave.training.guide.crops import exact_objects
from maskweave.training.guide.validate import whole_mask
from maskweave.types.arrays import Image, Mask
from maskweave.types.instances import Instances
from maskweave.types.prompt import Point, Prompt

MIN_AREA = 400


@dataclass
class Timed:
    """A model whose answers to boxes are timed."""

    model: Model
    seconds: list[float] = field(default_factory=list)

    def prompt(self, image: Image, prompt: Prompt) -> Instances:
        """The model's answer."""
        begin = time.perf_counter()
        try:
            return self.model.prompt(image, prompt)
        finally:
            if prompt.boxes:
                self.seconds.append(time.perf_counter() - begin)

    def correct(self, image: Image, mask: Mask, points: Sequence[Point]) -> Mask:
        """The model's correction."""
        return self.model.correct(image, mask, points)


def main() -> None:
    """Ask, measure, print."""
    options = _options()
    data = read_training_set(options.annotations, options.images)
    rows = chosen(data, options.objects, np.random.default_rng(options.seed))
    lines = [
        "| prompt | the true box | a box off by 10 % | one click | after three corrections | ms a box |",
        "|---|---:|---:|---:|---:|---:|",
        f"| the filled box, no model | {filled(data, rows):.3f} | | | | |",
    ]
    for label, name, guide in _models(options):
        with mw.load(name, guide=guide, threads=options.threads) as segmenter:
            timed = Timed(segmenter.model)
            scores = measure(timed, data, rows, options.seed)
        values = (scores.box, scores.box_off, scores.click, scores.corrected)
        cells = " | ".join(f"{value:.3f}" for value in values)
        lines.append(f"| {label} | {cells} | {spread(timed.seconds)} |")
        print(lines[-1], flush=True)
    about = f"{len(rows)} objects, seed {options.seed}; {machine('onnxruntime', 'opencv-python-headless')}"
    text = about + "\n\n" + "\n".join(lines)
    print(text)
    if options.write:
        replace_between_marks(options.write, "prompts", text)


def chosen(data: TrainingSet, count: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """(image, object) of objects in random order, first one of each image, then second ones, and so on."""
    rows = rng.permutation(exact_objects(data, min_area=MIN_AREA).rows)
    seen: dict[int, int] = {}
    turns = []
    for image, _ in rows.tolist():
        turns.append(seen.get(image, 0))
        seen[image] = turns[-1] + 1
    order = np.argsort(turns, kind="stable")[:count]
    return [(int(image), int(row)) for image, row in rows[order]]


def measure(model: Timed, data: TrainingSet, rows: Sequence[tuple[int, int]], seed: int) -> PromptIous:
    """The means over objects; every model is told the same."""
    rng = np.random.default_rng(seed)
    found = []
    for image, row in rows:
        record = data.images[image]
        found.append(prompt_ious(model, read_rgb(record.path), whole_mask(record, row), rng))
    return PromptIous.mean(found)


def filled(data: TrainingSet, rows: Sequence[tuple[int, int]]) -> float:
    """Mean IoU of filled boxes with their masks."""
    shares = []
    for image, row in rows:
        mask = whole_mask(data.images[image], row)
        down, across = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        shares.append(mask.sum() / ((down[-1] - down[0] + 1) * (across[-1] - across[0] + 1)))
    return float(np.mean(shares))


def _models(options: argparse.Namespace) -> list[tuple[str, str, str | None]]:
    """(label, model, guide) of each row."""
    name = options.model
    rows: list[tuple[str, str, str | None]] = [(name, name, None)]
    if options.guide is not None:
        rows.append((f"{name} with {options.guide.name}", name, str(options.guide)))
    return rows + [(other, other, None) for other in options.also]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("annotations", type=Path)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--model", default="built-in", help="that finds objects where there is no guide")
    parser.add_argument("--guide", type=Path, help="file of a guide to be measured beside it")
    parser.add_argument("--also", nargs="*", default=[], help="other promptable models")
    parser.add_argument("--objects", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--write", type=Path, help="Markdown file whose table is replaced")
    return parser.parse_args()


if __name__ == "__main__":
    main()

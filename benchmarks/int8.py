"""INT8 beside fp32: file size, accuracy on validation images, and milliseconds of the network.

    python benchmarks/int8.py instances_train.json --images images --val instances_val.json -o int8.onnx

Calibrates on training images (--count of them, drawn by --seed) and measures both files on the validation images of
--sources. The two networks are timed in turns on one random 224x384 image, with one and with two threads; the
table gives medians. Needs the extras train and evaluate.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from maskweave.catalog.download import pull
from maskweave.catalog.entries import find
from maskweave.evaluation.coco_ap import CocoScores, mean_precision
from maskweave.evaluation.coco_truth import read_coco_truth
from maskweave.models.loading import load_model
from maskweave.runtimes.onnxruntime import OnnxRuntime
from maskweave.training.annotations import read_training_set
from maskweave.training.quantize import calibration_images, quantize
from maskweave.training.validate import WHOLE, validate

CORE = ("person", "cat", "dog", "horse", "sheep", "cow")


def main() -> None:
    """Quantize, measure both files and print the table."""
    options = _options()
    exact = options.model or pull(find("built-in"))[0]
    data = read_training_set(options.annotations, options.images)
    images = calibration_images(data, options.count, options.seed)
    quantize(exact, images, options.output)
    files = {"fp32": exact, "int8": options.output}
    print(f"{exact}, {options.count} calibration images, seed {options.seed}\n")
    scores = {name: _score(path, options) for name, path in files.items()}
    times = {threads: _times(files, threads, options.rounds) for threads in (1, 2)}
    _print(files, scores, times)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("annotations", type=Path, help="COCO file of the training images")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--val", type=Path, required=True, help="COCO file of the validation images")
    parser.add_argument("--val-images", type=Path, help="their folder, if another")
    parser.add_argument("--model", type=Path, help="an exported file; by default the one in the package")
    parser.add_argument("--sources", default="voc", help="comma-separated; all for every validation image")
    parser.add_argument("--limit", type=int, help="only so many validation images, evenly spread")
    parser.add_argument("--count", type=int, default=144, help="calibration images")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=60, help="timings of each network")
    parser.add_argument("-o", "--output", type=Path, required=True)
    return parser.parse_args()


def _score(path: Path, options: argparse.Namespace) -> CocoScores:
    model = load_model(path)
    names = model.class_names
    model.close()
    sources = None if options.sources == "all" else options.sources.split(",")
    truths = read_coco_truth(options.val, names, sources=sources)
    if options.limit:
        truths = truths[:: max(1, len(truths) // options.limit)][: options.limit]
    return validate(path, truths, options.val_images or options.images)[WHOLE]


def _times(files: dict[str, Path], threads: int, rounds: int) -> dict[str, float]:
    """Median milliseconds of each network, timed in turns."""
    image = np.random.default_rng(0).integers(0, 256, (1, 224, 384, 3), dtype=np.uint8)
    runs: dict[str, Callable[[], object]] = {}
    for name, path in files.items():
        engine = OnnxRuntime(path, threads=threads)
        runs[name] = lambda engine=engine: engine.run({"image": image})  # type: ignore[misc]
        runs[name]()  # warm up
    spent: dict[str, list[float]] = {name: [] for name in files}
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            spent[name].append(1000 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in spent.items()}


def _print(files: dict[str, Path], scores: dict[str, CocoScores], times: dict[int, dict[str, float]]) -> None:
    images = next(iter(scores.values())).images
    print(
        f"| on {images} images | file, MB | mask AP50 | of six classes | box AP50 | 1 thread, ms | 2 threads, ms |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, path in files.items():
        core = mean_precision(scores[name].masks_per_class[each] for each in CORE).ap50
        cells = [
            f"{path.stat().st_size / 1e6:.1f}",
            *(f"{value:.1f}" for value in (scores[name].masks.ap50, core, scores[name].boxes.ap50)),
            *(f"{times[threads][name]:.1f}" for threads in (1, 2)),
        ]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()

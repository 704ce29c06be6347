"""The classic's two routes side by side: OpenCV's run of the frozen graph, and the imported ONNX model.

    python benchmarks/classic.py TEXT_GRAPH --seeds 0 1 2
    python benchmarks/classic.py TEXT_GRAPH --rounds 7 --threads 1
    python benchmarks/classic.py TEXT_GRAPH --short            # a small image, once: does it still run?

TEXT_GRAPH is OpenCV's mask_rcnn_inception_v2_coco_2018_01_28.pbtxt. Weights are random, in the true shape; what is
added to the background's score decides how many objects are kept. Every engine runs the same image in turns, and
the times are the processor's own, since other work may be running: medians, spread (largest less smallest), and how
many times as long OpenCV takes. Agreement counts OpenCV's objects that the other route finds with the same class,
corners within half a pixel, and masks at IoU 0.99. OpenVINO is measured where it is installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from maskweave.models.importing import import_frozen_graph
from maskweave.models.mask_rcnn_tf import DETECTIONS, MASKS, OUTPUTS
from maskweave.runtimes.base import Runtime, Tensors
from maskweave.runtimes.onnxruntime import OnnxRuntime
from maskweave.runtimes.opencv import OpenCVRuntime
from maskweave.types.arrays import Image

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.models.classic import ClassicWeights, write_frozen

CLASS_GAIN = 0.7
BACKGROUNDS = {10: 15.85, 50: 13.17, 100: 5.0}
"""About how many objects are kept, and what the background's score must be for it with the weights of seed 1."""

SIZES = ((800, 1067), (800, 800), (601, 801))
SHORT = ((200, 267),)
PIXELS, MASK_IOU = 0.5, 0.99


def main() -> None:
    """Measure and print."""
    options = _options()
    if options.short:
        options.rounds = 1
    cv2.setNumThreads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), options.text_graph, options.threads, SHORT if options.short else SIZES)
        seeds = [1] if options.short else options.seeds
        if seeds:
            print("agreement with OpenCV, of objects kept\n")
            for seed in seeds:
                bench.agreement(seed)
        print(
            f"\nmilliseconds of the processor, {options.threads} thread(s), {options.rounds} rounds in turns\n"
        )
        for background in list(BACKGROUNDS.values())[: 1 if options.short else None]:
            bench.times(background, options.rounds)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("text_graph", type=Path)
    parser.add_argument(
        "--seeds", type=int, nargs="*", default=[], help="random weights whose results to compare"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--short", action="store_true", help="a small image, once: does it still run?")
    return parser.parse_args()


class Bench:
    """Makes graphs and runs engines on them."""

    def __init__(
        self, folder: Path, text_graph: Path, threads: int, sizes: tuple[tuple[int, int], ...]
    ) -> None:
        self.sizes = sizes
        self.folder = folder
        self.text_graph = text_graph
        self.threads = threads

    def agreement(self, seed: int) -> None:
        """Print how many of OpenCV's objects each other engine finds."""
        engines = self._engines(
            ClassicWeights(seed=seed, class_gain=CLASS_GAIN, background=BACKGROUNDS[50]).made
        )
        for size in self.sizes:
            blob = _blob(_image(size, seed))
            expected = engines["opencv"].run({"image_tensor": blob})
            for name, runtime in engines.items():
                if name != "opencv":
                    told = _agreement(expected, runtime.run({"image_tensor": blob}), size)
                    print(f"seed {seed}  {size[1]}x{size[0]}  {name:<16} {told}")

    def times(self, background: float, rounds: int) -> None:
        """Print the times of all engines on one image."""
        blob = _blob(_image(self.sizes[0], 0))
        engines = self._engines(ClassicWeights(seed=1, class_gain=CLASS_GAIN, background=background).made)
        count = len(_objects(engines["onnxruntime"].run({"image_tensor": blob}))[0])
        runs = {name: _runner(runtime, blob) for name, runtime in engines.items()}
        taken: dict[str, list[float]] = {name: [] for name in runs}
        for turn in range(rounds + 1):
            for name, run in runs.items():
                started = time.process_time()
                run()
                if turn:  # the first is to warm up
                    taken[name].append(1000 * (time.process_time() - started))
        opencv = statistics.median(taken["opencv"])
        for name, each in taken.items():
            median = statistics.median(each)
            spread = max(each) - min(each)
            print(f"{count:4d} kept  {name:<16} {median:7.0f} ± {spread:5.0f} ms   {opencv / median:5.2f} x")

    def _engines(self, weights: dict[str, NDArray[np.generic]]) -> dict[str, Runtime]:
        frozen = write_frozen(weights, self.folder / "frozen_inference_graph.pb")
        data = import_frozen_graph(frozen)
        opencv = OpenCVRuntime(frozen, text_graph=self.text_graph, outputs=OUTPUTS, verified=True)
        engines: dict[str, Runtime] = {
            "opencv": opencv,
            "onnxruntime": OnnxRuntime(data, threads=self.threads),
        }
        if importlib.util.find_spec("openvino") is not None:
            from maskweave.runtimes.openvino import OpenVINORuntime

            for precision in ("f32", "bf16"):
                runtime = OpenVINORuntime(data, threads=self.threads, precision=precision)
                engines[f"openvino {precision}"] = runtime
        return engines


def _runner(runtime: Runtime, blob: NDArray[np.float32]) -> Callable[[], Tensors]:
    return lambda: runtime.run({"image_tensor": blob})


def _image(size: tuple[int, int], seed: int) -> Image:
    """(H, W, 3) uint8 with coarse and fine structure."""
    random = np.random.default_rng(seed)
    layers = [
        cv2.resize(random.normal(0, 60, (edge, edge, 3)), size[::-1], interpolation=cv2.INTER_CUBIC)
        for edge in (4, 12, 40, 150)
    ]
    return np.clip(128 + sum(layers), 0, 255).astype(np.uint8)


def _blob(image: Image) -> NDArray[np.float32]:
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None], dtype=np.float32)


def _agreement(expected: Tensors, found: Tensors, size: tuple[int, int]) -> str:
    """How many objects of ``expected`` are among ``found``, and how far apart they are."""
    rows, masks = _objects(expected)
    other_rows, other_masks = _objects(found)
    pixels = np.array([size[1], size[0]] * 2)
    same, boxes_apart, worst_iou = 0, 0.0, 1.0
    for row, mask in zip(rows, masks, strict=True):
        candidates = np.flatnonzero(other_rows[:, 1] == row[1])
        if not len(candidates):
            continue
        distances = abs((other_rows[candidates, 3:] - row[3:]) * pixels).max(1)
        nearest, apart = candidates[distances.argmin()], float(distances.min())
        both, either = (
            (mask > 0.5) & (other_masks[nearest] > 0.5),
            (mask > 0.5) | (other_masks[nearest] > 0.5),
        )
        iou = float(both.sum() / max(1, either.sum())) if either.any() else 1.0
        if apart <= PIXELS and iou >= MASK_IOU:
            same += 1
            boxes_apart, worst_iou = max(boxes_apart, apart), min(worst_iou, iou)
    return (
        f"{same} of {len(rows)} the same ({len(other_rows)} found), corners within {boxes_apart:.4f} px, "
        f"masks at IoU {worst_iou:.4f} or more"
    )


def _objects(outputs: Tensors) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    rows = outputs[DETECTIONS].reshape(-1, 7).astype(np.float64)
    real = (rows[:, 2] > 0) & (rows[:, 5] > rows[:, 3]) & (rows[:, 6] > rows[:, 4])
    masks = outputs[MASKS][real]
    rows = rows[real]
    return rows, masks if masks.ndim == 3 else masks[np.arange(len(rows)), rows[:, 1].astype(int)]


if __name__ == "__main__":
    main()

"""From a training run of the guide to the file in the package and the figures in its model card.

    python scripts/ship_guide.py RUN instances_train.json instances_val.json --images images

Takes the averaged weights of RUN/last.pt, writes them in INT8, calibrated on training crops, into the package as
guide.onnx, pins its hash in the catalog, and replaces the table of docs/guide-card.md: what answers are worth before
and after they became whole numbers.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from shipping import FOLDER, ROOT, pin, replace_results

from maskweave.evaluation.prompting import PromptIous
from maskweave.training.annotations import read_training_set
from maskweave.training.checkpoint import load_checkpoint
from maskweave.training.guide.export import GuideInfo, export_guide
from maskweave.training.guide.network import GuideNet
from maskweave.training.guide.quantize import quantize_guide
from maskweave.training.guide.validate import validate

WEIGHTS = FOLDER / "guide.onnx"
CARD = ROOT / "docs/guide-card.md"
MIN_AREA = 400


def main() -> None:
    """Export, quantize, pin, measure, write."""
    options = _options()
    network = GuideNet()
    network.load_state_dict(load_checkpoint(options.run / "last.pt")["average"])
    data = read_training_set(options.train, options.images, exclude_sources=("pennfudan",))
    val = read_training_set(options.val, options.images)
    with tempfile.TemporaryDirectory() as folder:
        exact = Path(folder) / "guide.onnx"
        export_guide(network, exact, GuideInfo(license="Apache-2.0", version=options.version))
        quantize_guide(exact, data, WEIGHTS)
        pin(WEIGHTS)
        rows = [
            row(name, validate(file, val, max_objects=options.objects, min_area=MIN_AREA))
            for name, file in (("single precision", exact), ("INT8, as shipped", WEIGHTS))
        ]
    head = "| mean IoU | the true box | a box off by 10 % | one click | after three corrections |"
    text = "\n".join((head, "|---|---|---|---|---|", *rows))
    print(text)
    replace_results(CARD, text)


def row(name: str, scores: PromptIous) -> str:
    """A line of the card's table."""
    values = (scores.box, scores.box_off, scores.click, scores.corrected)
    return f"| {name} | " + " | ".join(f"{value:.3f}" for value in np.round(values, 3)) + " |"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of the run")
    parser.add_argument("train", type=Path, help="COCO file of the training images")
    parser.add_argument("val", type=Path, help="COCO file of the validation images")
    parser.add_argument("--images", type=Path, required=True, help="folder of both")
    parser.add_argument("--objects", type=int, default=300, help="validation objects to measure on")
    parser.add_argument("--version", default="1.0")
    return parser.parse_args()


if __name__ == "__main__":
    main()

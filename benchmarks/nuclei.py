"""Cell nuclei: the compact network trained on the 2018 Data Science Bowl, measured on the images kept for it.

    maskweave train instances_train.json --images images --recipe recipes/nuclei.toml -o run-nuclei
    python benchmarks/nuclei.py run-nuclei/model.onnx instances_val.json --images images [--write docs/benchmarks.md]

Prints mask AP50 and AP (COCO's, but 400 objects an image) and the Bowl's own score: for each image and each IoU of
0.50, 0.55, …, 0.95 the share of right objects among right, wrong and missed ones, averaged over all. Unlike AP it is
of one list of objects, so it depends on the least score; half of the images choose that, the other half are measured,
and the other way round. Two nuclei never share a pixel there: of two masks the surer one keeps it.
Source: https://www.kaggle.com/c/data-science-bowl-2018/overview/evaluation.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from measuring import machine, replace_between_marks

from maskweave.evaluation.coco_ap import CocoAP
from maskweave.evaluation.coco_truth import CocoTruth, read_coco_truth
from maskweave.models.loading import load_model
from maskweave.ops.iou import mask_iou
from maskweave.ops.semantic import paint_numbers
from maskweave.training.cache import read_rgb
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks

IOUS = np.arange(0.5, 1.0, 0.05)
SCORES = np.arange(0.2, 0.71, 0.05)
LEAST = 0.02
MOST = 400


def main() -> None:
    """Find, measure, print."""
    options = _options()
    model = load_model(options.model, size=options.size)
    truths = read_coco_truth(options.annotations, model.class_names)
    metric = CocoAP(model.class_names, max_objects=MOST)
    usual = CocoAP(model.class_names)
    tables = []
    for truth in truths:
        found = model.predict(read_rgb(options.images / truth.file_name), score=LEAST)
        if not isinstance(found, Instances):
            raise TypeError(f"{options.model}: need instances, got {type(found).__name__}")
        metric.add(truth, found)
        usual.add(truth, found)
        tables.append([bowl_score(truth, found[found.scores >= score]) for score in SCORES])
    scores, bowl = metric.result(), halves(np.array(tables))
    text = (
        f"{len(truths)} images, {sum(len(truth.instances) for truth in truths)} nuclei, input {options.size} px; "
        f"{machine('onnxruntime')}\n\n"
        "| | |\n|---|---|\n"
        f"| mask AP50 | {scores.masks.ap50:.1f} |\n"
        f"| with COCO's limit of 100 objects an image | {usual.result().masks.ap50:.1f} |\n"
        f"| mask AP (0.50 to 0.95) | {scores.masks.ap:.1f} |\n"
        f"| box AP50 | {scores.boxes.ap50:.1f} |\n"
        f"| the Bowl's score (mean over IoU 0.50 to 0.95) | {bowl:.3f} |"
    )
    print(text)
    if options.write:
        replace_between_marks(options.write, "nuclei", text)


def bowl_score(truth: CocoTruth, found: Instances) -> float:
    """TP / (TP + FP + FN), averaged over the IoUs; 1 where there is nothing and nothing was found."""
    masks = apart(found)
    overlap = mask_iou(masks, truth.instances.masks)
    shares = []
    for iou in IOUS:  # above 0.5, and masks that share no pixel: no object has two partners
        hits = int((overlap > iou).any(axis=1).sum())
        total = len(masks) + overlap.shape[1] - hits
        shares.append(hits / total if total else 1.0)
    return float(np.mean(shares))


def apart(found: Instances) -> Masks:
    """The masks without what surer ones cover; those of which nothing is left are gone."""
    ids = paint_numbers(found, np.arange(1, len(found) + 1))
    masks = Masks.from_dense(ids[None] == np.arange(1, len(found) + 1)[:, None, None])
    return masks[masks.areas > 0]


def halves(table: Sequence[Sequence[float]] | np.ndarray) -> float:
    """The mean over images, each at the least score that is best on the other half of them."""
    values = np.asarray(table)
    parts = np.arange(len(values)) % 2
    best = [int(values[parts != part].mean(axis=0).argmax()) for part in (0, 1)]
    return float(np.mean([row[best[part]] for row, part in zip(values, parts, strict=True)]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path, help="the run's model.onnx")
    parser.add_argument("annotations", type=Path, help="COCO file of the validation images")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--size", type=int, default=512, help="long side of the input")
    parser.add_argument("--write", type=Path, help="document whose table to replace")
    return parser.parse_args()


if __name__ == "__main__":
    main()

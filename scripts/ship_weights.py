"""From a training run to the files in the package and the figures in their model card.

    python scripts/ship_weights.py RUN instances_train.json instances_val.json --images images

Takes the averaged weights of RUN/last.pt, or those of --weights. Writes compact-s.onnx and, calibrated on training
images, compact-s-int8.onnx into the package, pins their hashes in the catalog, and replaces the tables of
docs/model-card.md. The score threshold is the one of best F1 on every other validation image that shows everyday
scenes; classes whose mask AP50 on the validation images is under 10 are marked experimental.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
from shipping import FOLDER, ROOT, pin, replace_results

from maskweave.evaluation.coco_ap import CocoScores
from maskweave.evaluation.coco_truth import CocoTruth, read_coco_truth
from maskweave.models.loading import load_model
from maskweave.ops.iou import mask_iou
from maskweave.training.annotations import read_training_set
from maskweave.training.cache import read_rgb
from maskweave.training.checkpoint import load_checkpoint
from maskweave.training.export import ExportInfo, export_onnx
from maskweave.training.network import Architecture, CompactNet
from maskweave.training.quantize import calibration_images, quantize
from maskweave.training.validate import validate
from maskweave.types.instances import Instances

WEIGHTS, WHOLE_NUMBERS = FOLDER / "compact-s.onnx", FOLDER / "compact-s-int8.onnx"
CARD = ROOT / "docs/model-card.md"
EXPERIMENTAL = 10.0
PEOPLE_AND_ANIMALS = ("person", "cat", "dog", "horse", "sheep", "cow")
CLASSES_OF_VOC = (
    *(
        "person",
        "bicycle",
        "car",
        "motorcycle",
        "airplane",
        "bus",
        "train",
        "boat",
        "bird",
        "cat",
        "dog",
        "horse",
    ),
    *("sheep", "cow", "bottle", "chair", "couch", "potted plant", "dining table", "tv"),
)
PARTS = ("voc", "coco")
THRESHOLDS = np.arange(0.2, 0.6, 0.025)


def main() -> None:
    """Export, choose the threshold, quantize, measure, write."""
    options = _options()
    state = load_checkpoint(options.weights or options.run / "last.pt")
    names = tuple(state["class_names"])
    network = CompactNet(Architecture(**json.loads(state["architecture"])))
    network.load_state_dict(state["average"])
    network.set_slope(float(state["slope"]))
    info = {"size": options.size, "license": "Apache-2.0", "version": options.version}
    export_onnx(network, WEIGHTS, ExportInfo(names, **info))
    truths = read_coco_truth(options.val, names)
    threshold = options.threshold or best_threshold(WEIGHTS, truths, options.images)
    scores = validate(WEIGHTS, truths, options.images)
    weak = tuple(name for name in names if weakest(scores, name) < EXPERIMENTAL)
    export_onnx(network, WEIGHTS, ExportInfo(names, score_threshold=threshold, experimental=weak, **info))
    data = read_training_set(options.train, options.images, class_names=names)
    quantize(WEIGHTS, calibration_images(data, options.calibration), WHOLE_NUMBERS)
    for file in (WEIGHTS, WHOLE_NUMBERS):
        pin(file)
    text = (
        f"{means(scores, names)}\n\n{table(scores, names, weak)}\n\nDefault score threshold {threshold:.3g}."
    )
    print(text)
    replace_results(CARD, text)
    curves = options.run / "curves.png"
    if curves.is_file():
        shutil.copy(curves, ROOT / "docs/images/compact-s-curves.png")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of the run")
    parser.add_argument("train", type=Path, help="COCO file of the training images")
    parser.add_argument("val", type=Path, help="COCO file of the validation images")
    parser.add_argument("--images", type=Path, required=True, help="folder of both")
    parser.add_argument("--weights", type=Path, help="checkpoint to take instead of the run's last")
    parser.add_argument("--size", type=int, default=416, help="default long side of the input")
    parser.add_argument(
        "--threshold", type=float, help="default score; chosen on validation images where left out"
    )
    parser.add_argument("--calibration", type=int, default=144, help="training images to calibrate INT8 on")
    parser.add_argument("--version", default="2.0")
    return parser.parse_args()


def best_threshold(model_file: Path, truths: list[CocoTruth], images: Path) -> float:
    """The score from which on F1 at mask IoU 0.5 is best, over every other image of the everyday sources."""
    model = load_model(model_file)
    right, wrong, objects = np.zeros(len(THRESHOLDS)), np.zeros(len(THRESHOLDS)), 0
    for truth in [each for each in truths if each.source in PARTS][::2]:
        found = model.predict(read_rgb(images / truth.file_name), score=float(THRESHOLDS[0]))
        if not isinstance(found, Instances):
            raise TypeError(f"{model_file}: need instances, got {type(found).__name__}")
        known = [truth.labeled is None or name in truth.labeled for name in found.names]
        found = found[np.array(known, dtype=bool)]
        true = truth.instances[~truth.crowd]
        objects += len(true)
        hits = matched(found, true)
        for row, threshold in enumerate(THRESHOLDS):
            shown = found.scores >= threshold
            right[row] += hits[shown].sum()
            wrong[row] += (~hits[shown]).sum()
    model.close()
    f1 = 2 * right / (right + wrong + objects)
    return round(float(THRESHOLDS[int(f1.argmax())]), 4)


def matched(found: Instances, true: Instances) -> np.ndarray:
    """(N,) whether each found object is a true one of its class at IoU 0.5; each true one is found once."""
    overlap = mask_iou(found.masks, true.masks) * (found.class_ids[:, None] == true.class_ids[None])
    hits = np.zeros(len(found), dtype=bool)
    for row in np.argsort(-found.scores):
        if overlap.shape[1] and overlap[row].max() >= 0.5:
            overlap[:, overlap[row].argmax()] = 0
            hits[row] = True
    return hits


def weakest(scores: dict[str, CocoScores], name: str) -> float:
    """Mask AP50 of a class on the part that has most of its objects; 0 where there is none."""
    part = max(PARTS, key=lambda each: scores[each].objects[name])
    return scores[part].masks_per_class[name].ap50 if scores[part].objects[name] else 0.0


def means(scores: dict[str, CocoScores], names: tuple[str, ...]) -> str:
    """Markdown: the means that the card promises."""
    lines = [
        "| mean over | mask AP50 | mask AP75 | mask AP | box AP50 | box AP75 | box AP |",
        "|---|---|---|---|---|---|---|",
    ]
    rows = (
        ("voc part, its 20 classes", "voc", CLASSES_OF_VOC),
        ("voc part, people and five animals", "voc", PEOPLE_AND_ANIMALS),
        ("coco part, the same 20 classes", "coco", CLASSES_OF_VOC),
        ("coco part, all 80 classes", "coco", names),
        ("coco part, person", "coco", ("person",)),
    )
    for title, part, classes in rows:
        each = scores[part]
        measured = [name for name in classes if each.objects.get(name)]
        cells = [
            np.mean([getattr(kind[name], figure) for name in measured])
            for kind in (each.masks_per_class, each.boxes_per_class)
            for figure in ("ap50", "ap75", "ap")
        ]
        lines.append(f"| {title} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |")
    return "\n".join(lines)


def table(scores: dict[str, CocoScores], names: tuple[str, ...], weak: tuple[str, ...]) -> str:
    """Markdown: mask AP50 (box AP50) of each class on each part."""
    lines = ["| class | " + " | ".join(f"{part} part" for part in PARTS) + " | |", "|---|---|---|---|"]
    for name in names:
        cells = [_cell(scores[part], name) for part in PARTS]
        lines.append(f"| {name} | {' | '.join(cells)} | {'experimental' if name in weak else ''} |")
    return "\n".join(lines)


def _cell(scores: CocoScores, name: str) -> str:
    count = scores.objects[name]
    if not count:
        return "–"
    mask, box = scores.masks_per_class[name].ap50, scores.boxes_per_class[name].ap50
    return f"{mask:.1f} ({box:.1f}), n {count}"


if __name__ == "__main__":
    main()

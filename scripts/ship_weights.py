"""From a training run to the file in the package and the figures in its model card.

    python scripts/ship_weights.py RUN instances_val.json --images images [--weights FILE]

Takes the averaged weights of RUN/last.pt, or of FILE, which scripts/mean_weights.py may have made of several runs.
Of the classes that the project has promised, those whose mask AP50 on the validation images is under 4 are left out
of the file, and those under 10 marked experimental; other classes need 12. The score threshold is the one of best F1
on every other image that shows everyday scenes. Writes compact-s.onnx into the package, pins its hash in the
catalogue, replaces the table of docs/model-card.md, and copies the run's curves and, in half precision, the weights
of all classes, from which a later run can go on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import re
import shutil
from pathlib import Path

import numpy as np

from maskweave.evaluation.coco_ap import CocoScores
from maskweave.evaluation.coco_truth import CocoTruth, read_coco_truth
from maskweave.models.loading import load_model
from maskweave.ops.iou import mask_iou
from maskweave.training.cache import read_rgb
from maskweave.training.checkpoint import load_checkpoint
from maskweave.training.export import ExportInfo, export_onnx
from maskweave.training.network import Architecture, CompactNet
from maskweave.training.start import save_small
from maskweave.training.validate import WHOLE, validate
from maskweave.types.instances import Instances

ROOT = Path(__file__).parent.parent
WEIGHTS = ROOT / "src/maskweave/catalogue/weights/compact-s.onnx"
ENTRIES = ROOT / "src/maskweave/catalogue/entries.py"
CARD = ROOT / "docs/model-card.md"
LEFT_OUT, EXPERIMENTAL, UNPROMISED = 4.0, 10.0, 12.0
PROMISED = (
    *(
        "person",
        "cat",
        "dog",
        "horse",
        "sheep",
        "cow",
        "car",
        "bus",
        "truck",
        "bicycle",
        "motorcycle",
        "boat",
    ),
    *("bottle", "chair", "couch", "dining table", "tv"),
)
CORE = ("person", "cat", "dog", "horse", "sheep", "cow")
PARTS = ("voc", "coco", "animals")
THRESHOLDS = np.arange(0.2, 0.6, 0.025)


def main() -> None:
    """Choose, export, measure, write."""
    options = _options()
    weights = options.weights or options.run / "last.pt"
    state = load_checkpoint(weights)
    names = tuple(state["class_names"])
    network = CompactNet(Architecture(**json.loads(state["architecture"])))
    network.load_state_dict(state["average"])
    draft = options.run / "all-classes.onnx"
    export_onnx(network, draft, ExportInfo(names, size=options.size))
    every = read_coco_truth(options.annotations, names)
    ap50 = {
        name: each.ap50
        for name, each in validate(draft, every, options.images)[WHOLE].masks_per_class.items()
    }
    kept = [
        row for row, name in enumerate(names) if ap50[name] >= (LEFT_OUT if name in PROMISED else UNPROMISED)
    ]
    kept_names = tuple(names[row] for row in kept)
    experimental = tuple(name for name in kept_names if ap50[name] < EXPERIMENTAL)
    info = ExportInfo(kept_names, options.size, licence="Apache-2.0", version=options.version)
    export_onnx(network, draft, info, keep=kept)
    threshold = best_threshold(draft, read_coco_truth(options.annotations, kept_names), options.images)
    info = ExportInfo(
        kept_names, options.size, info.nms_iou, threshold, "Apache-2.0", options.version, experimental
    )
    export_onnx(network, WEIGHTS, info, keep=kept)
    pin(WEIGHTS)
    scores = validate(WEIGHTS, read_coco_truth(options.annotations, kept_names), options.images)
    text = table(scores, kept_names, experimental)
    left = ", ".join(f"{name} ({ap50[name]:.1f})" for name in names if name not in kept_names)
    text += (
        f"\n\nLeft out of the file (mask AP50): {left or 'none'}. Default score threshold {threshold:.3g}."
    )
    print(text)
    begin, end = "<!-- results -->", "<!-- end of results -->"
    before, rest = CARD.read_text(encoding="utf-8").split(begin)
    CARD.write_text(f"{before}{begin}\n\n{text}\n\n{end}{rest.split(end)[1]}", encoding="utf-8")
    shutil.copy(options.run / "curves.png", ROOT / "docs/images/compact-s-curves.png")
    save_small([(weights, 1.0)], ROOT / "recipes/compact-s.pt")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of the run")
    parser.add_argument("annotations", type=Path, help="COCO file of the validation images")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--weights", type=Path, help="checkpoint to take instead of the run's last")
    parser.add_argument("--size", type=int, default=320, help="default long side of the input")
    parser.add_argument("--version", default="3")
    return parser.parse_args()


def best_threshold(model_file: Path, truths: list[CocoTruth], images: Path) -> float:
    """The score from which on F1 at mask IoU 0.5 is best, over every other image of the everyday sources."""
    model = load_model(model_file)
    right, wrong, objects = np.zeros(len(THRESHOLDS)), np.zeros(len(THRESHOLDS)), 0
    for truth in [each for each in truths if each.source in ("voc", "coco")][::2]:
        found = model.predict(read_rgb(images / truth.file_name), score=float(THRESHOLDS[0]))
        if not isinstance(found, Instances):
            raise TypeError(f"{model_file}: need instances, got {type(found).__name__}")
        known = [truth.labelled is None or name in truth.labelled for name in found.names]
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


def table(scores: dict[str, CocoScores], names: tuple[str, ...], experimental: tuple[str, ...]) -> str:
    """Markdown: AP50 of each class on each part, and the means."""
    parts = [part for part in PARTS if part in scores]
    lines = [
        "| class | " + " | ".join(f"{part} part" for part in parts) + " | |",
        "|---|" + "---|" * len(parts) + "---|",
    ]
    for name in names:
        cells = [_cell(scores[part], name) for part in parts]
        lines.append(f"| {name} | {' | '.join(cells)} | {'experimental' if name in experimental else ''} |")
    lines.append(_means("mean of the classes above", scores, parts, names))
    lines.append(_means(", ".join(CORE), scores, [part for part in parts if part != "animals"], CORE))
    whole = ", ".join(f"{part} {scores[part].masks.ap:.1f}" for part in parts)
    return "\n".join(lines) + f"\n\nMask AP over IoU 0.50 to 0.95: {whole}."


def _cell(scores: CocoScores, name: str) -> str:
    count = scores.objects[name]
    if not count:
        return "–"
    mask, box = scores.masks_per_class[name].ap50, scores.boxes_per_class[name].ap50
    return f"{mask:.1f} ({box:.1f}), n {count}"


def _means(title: str, scores: dict[str, CocoScores], parts: list[str], names: tuple[str, ...]) -> str:
    cells = [f"**{_mean(scores[part], names)}**" for part in parts] + ["–"] * (len(PARTS) - len(parts))
    return f"| **{title}** | {' | '.join(cells)} | |"


def _mean(scores: CocoScores, names: tuple[str, ...]) -> str:
    masks = [scores.masks_per_class[name].ap50 for name in names if scores.objects[name]]
    boxes = [scores.boxes_per_class[name].ap50 for name in names if scores.objects[name]]
    return f"{np.mean(masks):.1f} ({np.mean(boxes):.1f})" if masks and not math.isnan(sum(masks)) else "–"


def pin(file: Path) -> None:
    """Put the file's sha256 into the catalogue."""
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    text = ENTRIES.read_text(encoding="utf-8")
    pattern = r'("compact-s\.onnx",\s+Checksum\("sha256", ")[0-9a-f]{64}'
    new, count = re.subn(pattern, rf"\g<1>{digest}", text)
    if count != 1:
        raise SystemExit(f"{ENTRIES}: need one checksum of compact-s.onnx to replace, found {count}")
    ENTRIES.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()

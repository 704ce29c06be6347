"""Forty validation images with a model's results, good and bad, on sheets to look at.

    python scripts/look_at_val.py instances_val.json --images images --photos val-look/

Writes ``val-look-1.png`` … into docs/images: what the model found in colors with class and score, and the true
outlines as dark lines with the true class at their feet, on plain paper; no pixel of a photo is in them.
With --photos also the same sheets over the photos, for those who have the data (their licenses
do not let them be published here).

The images are chosen by rule, not by hand: a seeded sample in which every source has its share, the best and the
worst. What counts is the sum of IoU over the matches (same class, IoU over 0.5) divided by the mean of the numbers of
true and of found objects: the panoptic quality (arXiv:1801.00868) of one image.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as PILImage

from maskweave.api import load
from maskweave.evaluation.coco_truth import CocoTruth, read_coco_truth
from maskweave.models.base import Model
from maskweave.ops.iou import mask_iou
from maskweave.ops.palette import Color, object_color
from maskweave.outputs.labels import draw_label, draw_text
from maskweave.outputs.overlay import OverlayStyle, draw_overlay
from maskweave.sources.images import read_image
from maskweave.types.arrays import Image, Mask
from maskweave.types.instances import Instances

TILE, TITLE, GAP, COLUMNS, ROWS = (228, 304), 20, 10, 4, 5
_MIN_NAMED_SIDE = 500  # pixels of a tile
PAPER, GROUND, INK = 255, 238, (35, 35, 40)
BEST_AND_WORST = 8
GROUPS = ("sample", "best", "worst")
TITLE_COLORS: dict[str, Color] = {"best": (20, 120, 50), "sample": (70, 70, 80), "worst": (180, 40, 30)}


@dataclass(frozen=True)
class Looked:
    """An image with what is true and what was found in it; `quality` is in 0..1."""

    truth: CocoTruth
    found: Instances
    quality: float

    @property
    def title(self) -> str:
        """File, source and quality."""
        return f"{Path(self.truth.file_name).stem}  {self.truth.source}  {100 * self.quality:.0f}"


def main() -> None:
    """Predict, choose, draw."""
    options = _options()
    with load(options.model) as segmenter:
        looked = look(segmenter.model, options.annotations, options.images, options.every)
    chosen = choose(looked, options.count, options.seed)
    options.output.mkdir(parents=True, exist_ok=True)
    per_sheet = COLUMNS * ROWS
    for number, first in enumerate(range(0, len(chosen), per_sheet), start=1):
        part = chosen[first : first + per_sheet]
        path = options.output / f"val-look-{number}.png"
        save_small(sheet([(group, each, on_paper(each)) for group, each in part]), path)
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
        if options.photos:
            options.photos.mkdir(parents=True, exist_ok=True)
            tiles = [(group, each, on_photo(each, options.images)) for group, each in part]
            PILImage.fromarray(sheet(tiles)).save(options.photos / f"val-look-{number}.jpg", quality=90)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("annotations", type=Path, help="COCO file of the validation images")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--model", default="built-in")
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=int, default=1, help="look at every n-th image only, to try it out")
    parser.add_argument("--photos", type=Path, help="folder for the sheets with photos")
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/images"))
    return parser.parse_args()


def look(model: Model, annotations: Path, images: Path, every: int) -> list[Looked]:
    """Run the model over all images in which something is to be found."""
    looked = []
    for truth in read_coco_truth(annotations, model.class_names)[::every]:
        if truth.crowd.all():  # nothing labeled, or only crowds
            continue
        found = model.predict(read_image(images / truth.file_name))
        if isinstance(found, Instances):
            looked.append(Looked(truth, found, quality(truth, found)))
    return looked


def quality(truth: CocoTruth, found: Instances) -> float:
    """Panoptic quality of one image; what is found of a class that is not labeled there does not count."""
    true = truth.instances[~truth.crowd]
    found = found[_counted(truth, found)]
    overlap = mask_iou(true.masks, found.masks) * (true.class_ids[:, None] == found.class_ids[None])
    total = 0.0
    while overlap.size and overlap.max() > 0.5:
        row, column = np.unravel_index(overlap.argmax(), overlap.shape)
        total += float(overlap[row, column])
        overlap[row], overlap[:, column] = 0, 0
    return total / ((len(true) + len(found)) / 2)


def _counted(truth: CocoTruth, found: Instances) -> Mask:
    return np.array([truth.labeled is None or name in truth.labeled for name in found.names], dtype=bool)


def choose(looked: Sequence[Looked], count: int, seed: int) -> list[tuple[str, Looked]]:
    """The sample first, then the best, then the worst; with its group each."""
    ranked = sorted(looked, key=lambda each: (each.quality, len(each.truth.instances), each.truth.file_name))
    edge = min(BEST_AND_WORST, len(ranked) // 3)
    groups = {"best": ranked[::-1][:edge], "worst": ranked[:edge]}
    rest = sorted(ranked[edge : len(ranked) - edge], key=lambda each: each.truth.file_name)
    wanted = min(count - 2 * edge, len(rest))
    rng = np.random.default_rng(seed)
    order = [rest[int(row)] for row in rng.permutation(len(rest))]
    by_source: dict[str, list[Looked]] = {}
    for each in order:
        by_source.setdefault(each.truth.source, []).append(each)
    # systematic draw over the sources one after the other: each gets its share, to one image
    line = [each for source in sorted(by_source) for each in by_source[source]]
    groups["sample"] = [line[int((place + 0.5) * len(line) / wanted)] for place in range(wanted)]
    return [(group, each) for group in GROUPS for each in groups[group]]


def on_paper(looked: Looked) -> Image:
    """A tile without a pixel of the photo: what was found in colors, true outlines as dark lines."""
    scale = _scale(looked.found.size)
    height, width = (max(1, round(side * scale)) for side in looked.found.size)
    image = np.full((height, width, 3), GROUND, dtype=np.uint8)
    counted = _counted(looked.truth, looked.found)
    found = looked.found
    largest_first = np.argsort(-found.masks.areas, kind="stable").tolist()
    dense = found.masks.dense()
    for row in largest_first:
        cover = cv2.resize(dense[row].astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
        share = cover[..., None] * (0.62 if counted[row] else 0.25)
        image[:] = image + share * (np.array(object_color(row), dtype=np.float32) - image) + 0.5
    _draw_truth(image, looked.truth, scale, INK)
    taken: list[tuple[int, int]] = []
    for row in largest_first:
        x, y = (int(edge * scale) for edge in found.boxes[row, :2])
        y = max(y, 15)
        while any(abs(x - left) < 70 and abs(y - bottom) < 14 for left, bottom in taken):
            y += 14
        taken.append((x, y))
        text = f"{found.names[row]} {found.scores[row]:.2f}"
        draw_label(image, text, (x, y), pixels=10, color=object_color(row))
    return image


def on_photo(looked: Looked, images: Path) -> Image:
    """The same over the photo."""
    scale = _scale(looked.found.size)
    photo = draw_overlay(read_image(images / looked.truth.file_name), looked.found, OverlayStyle(opacity=0.4))
    size = tuple(max(1, round(side * scale)) for side in looked.found.size[::-1])
    image = np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    _draw_truth(image, looked.truth, scale, (255, 255, 255))
    return image


def _scale(size: tuple[int, int]) -> float:
    return min(TILE[0] / size[0], TILE[1] / size[1])


def _draw_truth(image: Image, truth: CocoTruth, scale: float, color: Color) -> None:
    """Outlines, pale ones around crowds, and the class's name at the foot of what is large enough."""
    for row in np.flatnonzero(
        ~truth.crowd & (truth.instances.masks.areas * scale**2 > _MIN_NAMED_SIDE)
    ).tolist():
        x1, _, _, y2 = truth.instances.masks.boxes[row].tolist()
        at = (int(x1 * scale) + 3, min(int(y2 * scale) + 1, image.shape[0] - 13))
        draw_text(image, truth.instances.names[row], at, pixels=10, color=color)
    for crop, (x, y), crowd in zip(
        truth.instances.masks.crops, truth.instances.masks.corners.tolist(), truth.crowd.tolist(), strict=True
    ):
        if not crop.size:
            continue
        contours, _ = cv2.findContours(crop.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
        middle = np.array([x + 0.5, y + 0.5])
        lines = [np.round((each + middle) * scale * 16 - 8).astype(np.int32) for each in contours]
        cv2.polylines(image, lines, True, (150,) * 3 if crowd else color, 1, cv2.LINE_AA, shift=4)


def sheet(tiles: Sequence[tuple[str, Looked, Image]]) -> Image:
    """Tiles in rows, each under its title."""
    rows = -(-len(tiles) // COLUMNS)
    step = (TILE[0] + TITLE + GAP, TILE[1] + GAP)
    page = np.full((rows * step[0] + GAP, COLUMNS * step[1] + GAP, 3), PAPER, dtype=np.uint8)
    for place, (group, looked, tile) in enumerate(tiles):
        top, left = GAP + place // COLUMNS * step[0], GAP + place % COLUMNS * step[1]
        title = f"{group}: {looked.title}" if group != "sample" else looked.title
        draw_text(page, title, (left, top), pixels=12, color=TITLE_COLORS[group])
        page[top + TITLE : top + TITLE + tile.shape[0], left : left + tile.shape[1]] = tile
    return page


def save_small(page: Image, path: Path) -> None:
    """PNG with a palette: flat colors need no more."""
    image = PILImage.fromarray(page).quantize(
        96, method=PILImage.Quantize.MEDIANCUT, dither=PILImage.Dither.NONE
    )
    image.save(path, optimize=True)


if __name__ == "__main__":
    main()

"""A hundred masks of 28x28 in a 3840x2160 image: paste, RLE, polygons, IoU, union, overlay, beside the usual ways.

    python benchmarks/masks.py [--write docs/performance.md] [--rounds N] [--short]

Every way is given what it likes best: the dense ways a stack of whole planes, pycocotools its own RLEs,
supervision both its dense and its compact masks. Results are compared before anything is timed. pycocotools,
faster-coco-eval and supervision are optional; what is missing is named and left out.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
from measuring import Way, in_turn, machine, peak_bytes, replace_between_marks, spread

from maskweave.ops.blas import single_threaded_blas
from maskweave.ops.iou import mask_iou
from maskweave.ops.paste import paste_masks
from maskweave.ops.polygons import Polygon, fill_polygons, masks_to_polygons
from maskweave.ops.rle import decode_masks, encode_masks
from maskweave.outputs.overlay import OverlayStyle, draw_overlay
from maskweave.types import Instances, Masks

_NAMES = tuple(f"class {number}" for number in range(10))
_FILL = OverlayStyle(contours=False, labels=False)


@dataclass(frozen=True)
class Scene:
    """An image with soft masks to paste into it, and the same masks pasted, compact and dense."""

    image: np.ndarray
    probs: np.ndarray
    boxes: np.ndarray
    masks: Masks
    dense: np.ndarray

    @property
    def instances(self) -> Instances:
        """The masks with scores and classes."""
        count = len(self.masks)
        return Instances(self.masks, self.boxes, np.ones(count), np.arange(count) % len(_NAMES), _NAMES)


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--short", action="store_true", help="a small image, once: does it still run?")
    parser.add_argument("--write", type=Path, help="Markdown file whose table is replaced")
    options = parser.parse_args()
    scene = make_scene(12, (240, 320)) if options.short else make_scene(100, (2160, 3840))
    lines = ["| step | way | CPU ms | × ours | MB | × ours |", "|---|---|---:|---:|---:|---:|"]
    print("\n".join(lines), flush=True)
    rounds = 1 if options.short else options.rounds
    for name, ways in steps(scene).items():
        lines += measure(name, ways, rounds)
        print("\n".join(lines[-len(ways) :]), flush=True)
    height, width = scene.masks.size
    note = machine("numpy", "opencv-python-headless", "pycocotools", "faster-coco-eval", "supervision")
    lines += ["", f"{len(scene.masks)} masks, {width}x{height}, rounds: {rounds}. {note}"]
    print(f"\n{lines[-1]}")
    if options.write is not None:
        replace_between_marks(options.write, "masks", "\n".join(lines))


def make_scene(count: int, size: tuple[int, int]) -> Scene:
    """Blobs with a few holes and parts, in boxes of all sizes up to nearly half of the short side."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[-1:1:28j, -1:1:28j]
    noise = np.stack([cv2.GaussianBlur(rng.normal(size=(28, 28)), (0, 0), 2) for _ in range(count)])
    logits = 6.6 - 6 * (x * x + y * y) + 3 * noise / noise.std()
    probs = (1 / (1 + np.exp(-logits))).astype(np.float32)
    height, width = size
    sides = np.exp(rng.uniform(np.log(height / 90), np.log(height / 2.16), (count, 2))).astype(int)
    corners = rng.integers(0, (width, height) - sides)
    boxes = np.concatenate([corners, corners + sides], axis=1).astype(float)
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Scene(image, probs, boxes, paste_masks(probs, boxes, size), paste_dense(probs, boxes, size))


def paste_dense(probs: np.ndarray, boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The classic loop: each mask resized to its box, cut, and written into a plane of the image's size."""
    planes = np.zeros((len(probs), *size), dtype=bool)
    for plane, grid, (x1, y1, x2, y2) in zip(planes, probs, boxes.astype(int).tolist(), strict=True):
        plane[y1:y2, x1:x2] = cv2.resize(grid, (x2 - x1, y2 - y1)) > 0.5
    return planes


def steps(scene: Scene) -> dict[str, list[Way]]:
    """The ways of each step, ours first; raises where their results differ."""
    coco, fast = optional("pycocotools.mask"), optional("faster_coco_eval.core.mask")
    supervision = optional("supervision")
    check_paste(scene)
    check_polygons(scene)
    return {
        "paste": paste_ways(scene),
        "masks → RLE": encode_ways(scene, coco, fast),
        "RLE → masks": decode_ways(scene, coco),
        "polygons": polygon_ways(scene),
        "IoU, all pairs": iou_ways(scene, coco, fast, supervision),
        "union": union_ways(scene, coco),
        "overlay, fill": fill_ways(scene, supervision),
        "overlay, fill, outlines, labels": overlay_ways(scene, supervision),
    }


def paste_ways(scene: Scene) -> list[Way]:
    """From soft masks in boxes to pixels."""
    probs, boxes, size = scene.probs, scene.boxes, scene.masks.size
    return [
        Way("**ours**", lambda: paste_masks(probs, boxes, size), probs.nbytes),
        Way("OpenCV resize into dense planes", lambda: paste_dense(probs, boxes, size), probs.nbytes),
    ]


def encode_ways(scene: Scene, coco: ModuleType | None, fast: ModuleType | None) -> list[Way]:
    """To COCO's compressed text. The peers get the Fortran-ordered stack that they read without a copy."""
    ways = [Way("**ours**", lambda: encode_masks(scene.masks), scene.masks.nbytes)]
    stack = np.asfortranarray(scene.dense.transpose(1, 2, 0).view(np.uint8))
    ours = [rle["counts"] for rle in encode_masks(scene.masks)]
    for name, module in (("pycocotools", coco), ("faster-coco-eval", fast)):
        if module is not None:
            way = Way(f"{name}, dense stack", lambda module=module: module.encode(stack), stack.nbytes)
            expect([text(rle) for rle in way.run()] == ours, f"RLEs of {name}")
            ways.append(way)
    return ways


def decode_ways(scene: Scene, coco: ModuleType | None) -> list[Way]:
    """And back."""
    rles = encode_masks(scene.masks)
    held = sum(len(rle["counts"]) for rle in rles)
    expect(decode_masks(rles, scene.masks.size) == scene.masks, "decoded masks")
    ways = [Way("**ours**", lambda: decode_masks(rles, scene.masks.size), held)]
    if coco is not None:
        expect(np.array_equal(coco.decode(rles).transpose(2, 0, 1), scene.dense), "masks of pycocotools")
        ways.append(Way("pycocotools, dense stack", lambda: coco.decode(rles), held))
    return ways


def polygon_ways(scene: Scene) -> list[Way]:
    """Outlines: ours along pixel borders, which give the mask back; OpenCV's through pixel centers."""

    def contours() -> list[object]:
        planes = scene.dense.view(np.uint8)
        return [cv2.findContours(plane, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)[0] for plane in planes]

    return [
        Way("**ours**, exact", lambda: masks_to_polygons(scene.masks), scene.masks.nbytes),
        Way("OpenCV findContours, dense planes", contours, scene.dense.nbytes),
    ]


def iou_ways(
    scene: Scene, coco: ModuleType | None, fast: ModuleType | None, supervision: ModuleType | None
) -> list[Way]:
    """The matrix of all pairs. RLEs and compact masks of the peers are ready."""
    ours = mask_iou(scene.masks, scene.masks)
    ways = [Way("**ours**", lambda: fresh_iou(scene.masks), scene.masks.nbytes)]
    rles = [{"size": rle["size"], "counts": text(rle).encode()} for rle in encode_masks(scene.masks)]
    held = sum(len(rle["counts"]) for rle in rles)
    for name, module in (("pycocotools", coco), ("faster-coco-eval", fast)):
        if module is not None:
            run = bind(module.iou, rles, rles, [0] * len(rles))
            ways.append(Way(f"{name}, RLEs", run, held))
    if supervision is not None:
        compact = supervision_masks(scene, supervision)
        run = bind(supervision.mask_iou_batch, compact, compact)
        ways.append(Way("supervision, compact masks", run, compact_bytes(compact)))
    ways.append(Way("dense matrix product", bind(dense_iou, scene.dense), scene.dense.nbytes))
    for way in ways:
        tolerance = 1e-6 if way.name.startswith("supervision") else 1e-9  # it divides in single precision
        expect(np.abs(way.run() - ours).max() < tolerance, f"IoU: {way.name}")
    return ways


def fresh_iou(masks: Masks) -> np.ndarray:
    """Of masks that do not know their areas yet."""
    again = Masks.of_tight(masks.crops, masks.corners, masks.size)
    return mask_iou(again, again)


def dense_iou(dense: np.ndarray) -> np.ndarray:
    """By products of strips of the planes, in single precision, which counts exactly up to 2^24."""
    flat, strip = dense.reshape(len(dense), -1), 1 << 18
    shared = np.zeros((len(dense), len(dense)))
    for start in range(0, flat.shape[1], strip):
        part = flat[:, start : start + strip].astype(np.float32)
        with single_threaded_blas():
            shared += part @ part.T
    areas = shared.diagonal()
    return shared / (areas[:, None] + areas[None] - shared)


def union_ways(scene: Scene, coco: ModuleType | None) -> list[Way]:
    """Where any object is."""
    ours = scene.masks.union()
    ways = [
        Way("**ours**", scene.masks.union, scene.masks.nbytes),
        Way("NumPy any, dense planes", lambda: scene.dense.any(axis=0), scene.dense.nbytes),
    ]
    if coco is not None:
        rles = encode_masks(scene.masks)
        held = sum(len(rle["counts"]) for rle in rles)
        ways.append(Way("pycocotools merge and decode", lambda: coco.decode(coco.merge(rles)), held))
    for way in ways:
        expect(np.array_equal(way.run(), ours), f"union: {way.name}")
    return ways


def fill_ways(scene: Scene, supervision: ModuleType | None) -> list[Way]:
    """Colors alone, at one opacity; images differ where objects overlap, so that only time is compared."""
    instances = scene.instances
    ways = [
        Way("**ours**", lambda: draw_overlay(scene.image, instances, _FILL), scene.masks.nbytes),
        Way("boolean index, dense planes", lambda: classic_overlay(scene), scene.dense.nbytes),
    ]
    if supervision is not None:
        painter = supervision.MaskAnnotator(opacity=_FILL.opacity, color_lookup=supervision.ColorLookup.INDEX)
        for name, found in supervision_detections(scene, supervision).items():
            run = bind(lambda found: painter.annotate(scene.image.copy(), found), found)
            ways.append(Way(f"supervision MaskAnnotator, {name} masks", run, mask_bytes(found)))
    return ways


def classic_overlay(scene: Scene) -> np.ndarray:
    """The loop of many examples: mix a color into the pixels that a plane selects."""
    image, opacity = scene.image.copy(), _FILL.opacity
    for row, plane in enumerate(scene.dense):
        color = np.array([40 * row % 256, 90 * row % 256, 200])
        image[plane] = (image[plane] * (1 - opacity) + color * opacity).astype(np.uint8)
    return image


def overlay_ways(scene: Scene, supervision: ModuleType | None) -> list[Way]:
    """The whole drawing in each one's own style."""
    instances = scene.instances
    ways = [Way("**ours**", lambda: draw_overlay(scene.image, instances), scene.masks.nbytes)]
    if supervision is not None:
        lookup = supervision.ColorLookup.INDEX
        painter = supervision.MaskAnnotator(opacity=_FILL.opacity, color_lookup=lookup)
        outliner = supervision.PolygonAnnotator(color_lookup=lookup)
        labeler = supervision.LabelAnnotator(color_lookup=lookup)
        captions = [
            f"{name} {score:.2f}" for name, score in zip(instances.names, instances.scores, strict=True)
        ]

        def draw(found: object) -> object:
            image = outliner.annotate(painter.annotate(scene.image.copy(), found), found)
            return labeler.annotate(image, found, labels=captions)

        for name, found in supervision_detections(scene, supervision).items():
            ways.append(
                Way(f"supervision, three annotators, {name} masks", bind(draw, found), mask_bytes(found))
            )
    return ways


def check_paste(scene: Scene) -> None:
    """The pixels of both ways are the same, but for values that lie on the threshold."""
    for plane, dense, grid, (x1, y1, x2, y2) in zip(
        scene.masks.dense(), scene.dense, scene.probs, scene.boxes.astype(int).tolist(), strict=True
    ):
        apart = np.abs(cv2.resize(grid, (x2 - x1, y2 - y1)) - 0.5) > 1e-5
        differ = plane ^ dense
        expect(not (differ[y1:y2, x1:x2] & apart).any(), "pasted pixels")
        differ[y1:y2, x1:x2] = False
        expect(not differ.any(), "pixels beside the box")


def check_polygons(scene: Scene) -> None:
    """Filled again, our polygons give every mask back."""
    for polygons, (crop, x, y) in zip(masks_to_polygons(scene.masks), scene.masks.placed(), strict=True):
        moved = [
            Polygon(each.exterior - (x, y), tuple(hole - (x, y) for hole in each.holes)) for each in polygons
        ]
        expect(np.array_equal(fill_polygons(moved, crop.shape).union(), crop), "filled polygons")


def supervision_masks(scene: Scene, supervision: ModuleType) -> object:
    """Its compact masks; their boxes include the last pixel."""
    module = importlib.import_module("supervision.detection.compact_mask")
    return module.CompactMask.from_dense(scene.dense, scene.masks.boxes - (0, 0, 1, 1), scene.masks.size)


def supervision_detections(scene: Scene, supervision: ModuleType) -> dict[str, object]:
    """The objects with dense and with compact masks."""
    rows = np.arange(len(scene.masks))
    return {
        name: supervision.Detections(
            xyxy=scene.boxes, mask=masks, class_id=rows, confidence=np.ones(len(rows))
        )
        for name, masks in (("dense", scene.dense), ("compact", supervision_masks(scene, supervision)))
    }


def mask_bytes(found: object) -> int:
    """What a set of supervision's detections holds in masks."""
    return found.mask.nbytes if isinstance(found.mask, np.ndarray) else compact_bytes(found.mask)


def compact_bytes(compact: object) -> int:
    """What supervision's compact masks hold."""
    return sum(lengths.nbytes for lengths in compact._rles)


def measure(step: str, ways: list[Way], rounds: int) -> list[str]:
    """Markdown rows: processor time and memory of each way, and how many times ours they are.

    Times are compared by their least: what else runs on the machine can only lengthen them.
    """
    memory = [peak_bytes(way) for way in ways]
    times = [taken.cpu for taken in in_turn(ways, rounds)]
    return [
        f"| {step if not row else ''} | {way.name} | {spread(cpu)} | {min(cpu) / min(times[0]):.1f} "
        f"| {memory[row] / 1e6:,.1f} | {memory[row] / memory[0]:.1f} |"
        for row, (way, cpu) in enumerate(zip(ways, times, strict=True))
    ]


def bind(function: Callable[..., object], *arguments: object) -> Callable[[], object]:
    """The call, to be made later."""
    return lambda: function(*arguments)


def text(rle: dict[str, object]) -> str:
    """The counts of an RLE, which some give as bytes."""
    counts = rle["counts"]
    return counts.decode() if isinstance(counts, bytes) else str(counts)


def expect(right: bool, what: str) -> None:
    """Stop where two ways differ: their times would mean nothing."""
    if not right:
        raise SystemExit(f"{what}: need the same result from every way, got another one")


def optional(name: str) -> ModuleType | None:
    """The module, or None with its reason printed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        print(f"{name}: left out ({error})")
        return None


if __name__ == "__main__":
    main()

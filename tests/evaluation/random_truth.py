"""Random data sets of objects and results, as COCO writes them, and what pycocotools says of them."""

import contextlib
import io
import json

import numpy as np


def random_data(seed):
    """A COCO file and a list of results: rings, holes, crowds, areas of their own, ties, empty images and classes."""
    from pycocotools import mask as coco_mask

    rng = np.random.default_rng(seed)
    images = [
        {"id": 7 * n, "file_name": f"{n}.jpg", "height": int(height), "width": int(width)}
        for n, (height, width) in enumerate(rng.integers(20, 160, (rng.integers(1, 5), 2)))
    ]
    categories = [{"id": 3 * n + 1, "name": f"class {n}"} for n in range(3)]  # the last has no objects
    truth, found = [], []
    levels = rng.random(4).round(2)
    for image in images[: len(images) - (seed % 3 == 0)]:  # or there is an image without annotations
        for _ in range(rng.integers(0, 6)):
            mask, segmentation, is_crowd = _shape(rng, image, coco_mask)
            if not mask.any():
                continue
            box = np.array(coco_mask.toBbox(coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))))
            box = box + (rng.random() < 0.3) * rng.uniform(0, 3, 4).round(2)
            box[2 + rng.integers(0, 2)] *= rng.random() > 0.05  # sides of no length
            area = mask.sum() * (1 if rng.random() < 0.6 else rng.uniform(0.3, 3))
            truth.append(
                {"id": len(truth) + 1, "image_id": image["id"], "category_id": int(rng.choice([1, 4])),
                 "segmentation": segmentation, "bbox": box.tolist(), "iscrowd": int(is_crowd),
                 "ignore": int(rng.random() < 0.1), "area": float(area if rng.random() < 0.9 else 1024)}
            )  # fmt: skip
            for _ in range(rng.integers(0, 3)):
                moved = np.roll(mask, rng.integers(-5, 6, 2), (0, 1))
                found.append(_result(truth[-1], moved, rng.choice(levels), coco_mask))
    for image in images:  # what is not there; in some more than count
        for _ in range(rng.integers(1, 4) if rng.random() < 0.9 else 110):
            mask = np.zeros((image["height"], image["width"]), bool)
            y, x, height, width = *rng.integers(0, mask.shape), *rng.integers(1, 40, 2)
            mask[y : y + height, x : x + width] = True
            wrong = {"image_id": image["id"], "category_id": int(rng.choice([1, 4, 7]))}
            found.append(_result(wrong, mask, rng.random(), coco_mask))
    order = rng.permutation(len(found))
    return {"images": images, "annotations": truth, "categories": categories}, [found[n] for n in order]


def numbers_of_pycocotools(truth, found, kind, limit=100):
    """Its twelve numbers in 0..100, NaN where it gives -1."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    boxed = [{name: value for name, value in each.items() if name != "segmentation"} for each in found]
    masked = [{name: value for name, value in each.items() if name != "bbox"} for each in found]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = json.loads(json.dumps(truth))
        coco.createIndex()
        run = COCOeval(coco, coco.loadRes(boxed if kind == "bbox" else masked), kind)
        run.params.maxDets = [1, 10, limit]
        run.evaluate()
        run.accumulate()
    # its summary looks for a limit of 100 by name
    precision, recall = run.eval["precision"], run.eval["recall"]
    tables = [precision[:, :, :, 0, 2], precision[0, :, :, 0, 2], precision[5, :, :, 0, 2]]
    tables += [precision[:, :, :, size, 2] for size in (1, 2, 3)]
    tables += [recall[:, :, 0, most] for most in range(3)] + [recall[:, :, size, 2] for size in (1, 2, 3)]
    return [100 * table[table > -1].mean() if (table > -1).any() else np.nan for table in tables]


def _shape(rng, image, coco_mask):
    size = image["height"], image["width"]
    rings = [_ring(rng, *size) for _ in range(rng.integers(1, 3))]
    mask = _filled(rings, size, coco_mask)
    kind = rng.choice(["rings", "rings", "counts", "text"])
    if kind == "rings":
        return mask, rings, False
    if rng.random() < 0.6:
        mask &= ~_filled([_ring(rng, *size)], size, coco_mask)
    segmentation = _text(mask, coco_mask) if kind == "text" else _counts(mask)
    return mask, segmentation, rng.random() < 0.4


def _ring(rng, height, width):
    """A ring that may reach over the edge, lie on whole pixels, or cross itself."""
    points = rng.uniform(-0.1, 1.1, (rng.integers(3, 12), 2)) * (width, height)
    if rng.random() < 0.6:
        angles = np.arange(len(points)) * 2 * np.pi / len(points)
        turning = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        points = points[0] + rng.uniform(1, 60) * turning
    if rng.random() < 0.7:
        points = points.clip(0, (width, height))
    return points.round(int(rng.choice([0, 2]))).ravel().tolist()


def _filled(rings, size, coco_mask):
    return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(rings, *size))).astype(bool)


def _counts(mask):
    flat = mask.ravel(order="F")
    counts = np.diff([0, *(np.flatnonzero(np.diff(flat)) + 1), len(flat)]).tolist()
    return {"size": list(mask.shape), "counts": [0, *counts] if flat[0] else counts}


def _text(mask, coco_mask):
    rle = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": list(mask.shape), "counts": rle["counts"].decode()}


def _result(of, mask, score, coco_mask):
    segmentation = _text(mask, coco_mask)
    box = coco_mask.toBbox(segmentation).tolist()
    names = {name: of[name] for name in ("image_id", "category_id")}
    return {**names, "segmentation": segmentation, "bbox": box, "score": float(score)}

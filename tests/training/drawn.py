"""A data set drawn by the tests: bright discs and squares on dark noise, in COCO format."""

import json
from pathlib import Path

import cv2
import numpy as np

SIDE = 96
CATEGORIES = [{"id": 7, "name": "disc"}, {"id": 9, "name": "square"}]


def draw_data_set(folder: Path, images: int = 6, seed: int = 0) -> Path:
    """Write images and an instances file into a folder and return the file's path."""
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    content = {"images": [], "annotations": [], "categories": CATEGORIES}
    for index in range(images):
        picture = rng.integers(0, 60, (SIDE, SIDE, 3), dtype=np.uint8)
        name = f"{index}.png"
        content["images"].append({"id": index, "file_name": name, "height": SIDE, "width": SIDE})
        for category, left in ((7, 6), (9, 54)):
            polygon = _outline(category, left + int(rng.integers(0, 6)), int(rng.integers(8, 50)))
            colour = (230, 60, 60) if category == 7 else (60, 60, 230)
            cv2.fillPoly(picture, [np.round(polygon).astype(np.int32)], colour)
            content["annotations"].append(annotation(len(content["annotations"]), index, category, polygon))
        cv2.imwrite(str(folder / "images" / name), picture)
    path = folder / "instances.json"
    path.write_text(json.dumps(content))
    return path


def annotation(number: int, image: int, category: int, polygon: np.ndarray) -> dict:
    """A COCO annotation of one polygon (P, 2)."""
    low, high = polygon.min(0), polygon.max(0)
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "iscrowd": 0,
        "segmentation": [polygon.ravel().tolist()],
        "bbox": [*low.tolist(), *(high - low).tolist()],
        "area": float((high - low).prod()),
    }


def _outline(category: int, left: int, top: int) -> np.ndarray:
    if category == 9:
        return np.array([[0, 0], [32, 0], [32, 32], [0, 32]]) + np.array([left, top], dtype=float)
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    return np.stack([np.cos(angles), np.sin(angles)], 1) * 16 + np.array([left + 16, top + 16])


def edit(path: Path, **changes: object) -> Path:
    """Replace top-level keys of an instances file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return path

"""A data set drawn by the tests: bright discs and squares on dark noise, in COCO format."""

import json
import shutil
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
        image = rng.integers(0, 60, (SIDE, SIDE, 3), dtype=np.uint8)
        name = f"{index}.png"
        content["images"].append({"id": index, "file_name": name, "height": SIDE, "width": SIDE})
        for category, left in ((7, 6), (9, 54)):
            polygon = _outline(category, left + int(rng.integers(0, 6)), int(rng.integers(8, 50)))
            color = (230, 60, 60) if category == 7 else (60, 60, 230)
            cv2.fillPoly(image, [np.round(polygon).astype(np.int32)], color)
            content["annotations"].append(annotation(len(content["annotations"]), index, category, polygon))
        cv2.imwrite(str(folder / "images" / name), image)
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


def write_as_yolo(instances: Path, folder: Path, val: int = 1) -> Path:
    """Write a drawn data set in YOLO's layout, the first `val` images as its val part; return its data.yaml."""
    content = json.loads(instances.read_text())
    classes = [category["id"] for category in content["categories"]]
    for image in content["images"]:
        part = "val" if image["id"] < val else "train"
        for kind in ("images", "labels"):
            (folder / kind / part).mkdir(parents=True, exist_ok=True)
        name = image["file_name"]
        shutil.copy(instances.parent / "images" / name, folder / "images" / part / name)
        lines = [
            f"{classes.index(each['category_id'])} "
            + " ".join(f"{value / SIDE:.8f}" for value in each["segmentation"][0])
            for each in content["annotations"]
            if each["image_id"] == image["id"]
        ]
        (folder / "labels" / part / name).with_suffix(".txt").write_text("\n".join(lines) + "\n")
    path = folder / "data.yaml"
    path.write_text("path: .\ntrain: images/train\nval: images/val\nnames:\n  0: disc\n  1: square\n")
    return path


def photo_like(seed, size=(240, 320)):
    """(H, W, 3) uint8 RGB: shapes of many sizes over smooth shades, with corners as photos have them."""
    rng = np.random.default_rng(seed)
    height, width = size
    shades = rng.integers(0, 255, (6, 8, 3), dtype=np.uint8)
    image = cv2.resize(shades, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(60):
        center = rng.uniform((0, 0), (width, height))
        corners = center + rng.normal(0, rng.uniform(4, 40), (rng.integers(3, 7), 2))
        cv2.fillPoly(image, [corners.astype(np.int32)], rng.integers(0, 255, 3).tolist(), cv2.LINE_AA)
    return image

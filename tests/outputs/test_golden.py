"""The overlay looks as it was found pleasant to look at.

After a wanted change: `python -m tests.outputs.test_golden`.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from maskweave.ops.semantic import semantic_from_instances
from maskweave.outputs.overlay import draw_overlay
from maskweave.types import Instances, Masks

GOLDEN = Path(__file__).parents[1] / "golden" / "overlay.png"


def scene():
    """A gradient with a ring and two overlapping disks, drawn as instances (left) and as classes (right)."""
    y, x = np.mgrid[:240, :320]
    image = np.stack([x * 0.6 + 30, y * 0.7 + 40, 200 - x * 0.4], axis=2).astype(np.uint8)
    distance = np.hypot(x - 90, y - 120)
    ring = (distance < 70) & (distance > 30)
    near, far = np.hypot(x - 220, y - 150) < 55, np.hypot(x - 270, y - 90) < 70
    masks = Masks.from_dense(np.stack([ring, near, far]))
    objects = Instances(masks, masks.boxes, [0.91, 0.78, 0.42], [0, 1, 1], ("cat", "dining table"))
    images = [draw_overlay(image, objects), draw_overlay(image, semantic_from_instances(objects))]
    return np.concatenate(images, axis=1)


def test_the_overlay_looks_as_before():
    with Image.open(GOLDEN) as image:
        golden = np.asarray(image.convert("RGB")).astype(int)
    drawn = scene().astype(int)
    assert drawn.shape == golden.shape
    difference = np.abs(drawn - golden).max(axis=2)
    # fonts and anti-aliasing differ a little between versions of Pillow and OpenCV; colors and places do not
    assert (difference > 40).mean() < 0.01
    assert difference.mean() < 1


if __name__ == "__main__":
    Image.fromarray(scene()).save(GOLDEN)

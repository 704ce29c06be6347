"""One view with known objects, and a prediction that wants gradients, for tests of the loss."""

import numpy as np
import torch

from maskweave.training.augment import View
from maskweave.training.network import RawOutput, kernel_layout, point_positions

SIZE = 64
PROTOTYPES = 4


def view(*, classes=(0,), labeled=(True, True), mask_weight=1.0, trust=1.0, silent=None, box=(8, 8, 40, 40)):
    """An image with an object of each class, all of them filling one box; `silent` is a class and a box."""
    count = len(classes)
    masks = np.zeros((count, SIZE // 2, SIZE // 2), np.uint8)
    x1, y1, x2, y2 = (side // 2 for side in box)
    if mask_weight:
        masks[:, y1:y2, x1:x2] = 255
    return View(
        image=np.zeros((SIZE, SIZE, 3), np.uint8),
        boxes=np.array([box] * count, np.float32).reshape(-1, 4),
        classes=np.array(classes, np.int64),
        masks=masks,
        mask_weights=np.full(count, mask_weight, np.float32),
        trust=np.full(count, trust, np.float32),
        silent=np.array([] if silent is None else [silent[1]], np.float32).reshape(-1, 4),
        silent_classes=np.array([] if silent is None else [silent[0]], np.int64),
        labeled=np.array(labeled),
    )


def prediction(seed=0):
    """Random output of one image: every point says a box of 28 pixels around it."""
    torch.manual_seed(seed)
    positions, _ = point_positions(SIZE, SIZE)
    points = len(positions)
    boxes = torch.cat([positions - 14, positions + 14], 1)[None]
    cells = SIZE // 4
    return RawOutput(
        class_logits=torch.randn(1, points, 2).requires_grad_(),
        distances=torch.randn(1, points, 4, 8).requires_grad_(),
        boxes=boxes.clone().requires_grad_(),
        kernels=torch.randn(1, points, kernel_layout(PROTOTYPES).size).requires_grad_(),
        prototypes=torch.randn(1, PROTOTYPES, cells, cells).requires_grad_(),
        features=torch.zeros(1, 1, 8, 8),
    )

"""Reduce each object to one point: its center of mass, or where it stands."""

from __future__ import annotations

import numpy as np

from maskweave.types.arrays import FloatArray
from maskweave.types.instances import Instances


def object_centers(instances: Instances) -> FloatArray:
    """(N, 2) x, y in pixels of each object's center of mass; the middle of the box where the mask is empty.

    Pixel (0, 0) covers 0 to 1, so one that stands alone has its center at (0.5, 0.5).

    >>> from maskweave.types import Masks
    >>> masks = Masks.from_dense(np.array([[[0, 1, 1], [0, 1, 1]]], dtype=bool))
    >>> object_centers(Instances(masks, masks.boxes, [1.0], [0], ("cat",))).tolist()
    [[2.0, 1.0]]
    """
    centers = (instances.boxes[:, :2] + instances.boxes[:, 2:]) / 2
    for row, (crop, x, y) in enumerate(instances.masks.placed()):
        if not crop.size:
            continue
        columns, rows = crop.sum(axis=0), crop.sum(axis=1)
        area = columns.sum()
        centers[row, 0] = x + 0.5 + columns @ np.arange(len(columns)) / area
        centers[row, 1] = y + 0.5 + rows @ np.arange(len(rows)) / area
    return centers


def standing_points(instances: Instances) -> FloatArray:
    """(N, 2) x, y in pixels of where each object stands: the middle of the lower edge of the box around its pixels.

    The object's own box, cut to the image, serves where the mask is empty.
    """
    height, width = instances.size
    boxes = np.clip(instances.boxes, 0, (width, height, width, height))
    seen = instances.masks.areas > 0
    boxes[seen] = instances.masks.boxes[seen]
    return np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1)

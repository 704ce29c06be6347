"""Operations on compact masks: shift, unite, remove pixels without data."""

from __future__ import annotations

import numpy as np

from maskweave.errors import InvalidValue
from maskweave.types.arrays import IntArray, Mask
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks
from maskweave.types.prediction import Prediction
from maskweave.types.semantic import IGNORE, SemanticMap


def shift_masks(masks: Masks, offsets: IntArray) -> Masks:
    """Move each of N masks by its (x, y) of ``offsets`` (N, 2); what leaves the image is cut off.

    Raises `InvalidValue` for offsets of another shape or that are no integers.
    """
    if offsets.shape != (len(masks), 2) or offsets.dtype.kind != "i":
        raise InvalidValue(f"offsets: need ({len(masks)}, 2) integers, got {offsets.shape} {offsets.dtype}")
    height, width = masks.size
    corners = masks.corners + np.where(masks.areas[:, None] > 0, offsets, 0)  # what is empty lies nowhere
    crops = list(masks.crops)
    ends = corners + np.array([crop.shape[::-1] for crop in crops], np.int64).reshape(-1, 2)
    over = np.flatnonzero((corners < 0).any(axis=1) | (ends > (width, height)).any(axis=1))
    for row in over.tolist():
        x, y = corners[row].tolist()
        part = crops[row][max(0, -y) : max(0, height - y), max(0, -x) : max(0, width - x)]
        cut = Masks([part], corners[row : row + 1].clip(0), masks.size)
        crops[row], corners[row] = cut.crops[0], cut.corners[0]
    return Masks.of_tight(crops, corners, masks.size)


def unite(masks: Masks) -> Masks:
    """One object, `Masks` of length 1, with the pixels of all; without pixels where there are none.

    >>> parts = Masks([np.ones((1, 2), dtype=bool)] * 2, [(0, 0), (3, 1)], (4, 6))
    >>> unite(parts).boxes.tolist(), unite(parts).areas.tolist()
    ([[0.0, 0.0, 5.0, 2.0]], [4])
    """
    seen = [row for row, crop in enumerate(masks.crops) if crop.size]
    if len(seen) == 1:
        return masks[seen]
    if not seen:
        return Masks([np.zeros((0, 0), dtype=bool)], [(0, 0)], masks.size)
    boxes = masks.boxes[seen].astype(np.int64)
    (left, top), (right, bottom) = boxes[:, :2].min(axis=0).tolist(), boxes[:, 2:].max(axis=0).tolist()
    whole = np.zeros((bottom - top, right - left), dtype=bool)
    for row in seen:
        crop, (x, y) = masks.crops[row], masks.corners[row].tolist()
        whole[y - top : y - top + crop.shape[0], x - left : x - left + crop.shape[1]] |= crop
    return Masks([whole], [(left, top)], masks.size)


def cut_to_valid(prediction: Prediction, valid: Mask) -> Prediction:
    """Take pixels without data out of the masks, and objects that have no others out of the result.

    ``valid``: (H, W) bool of the image, false where there is no data. In a map of classes such pixels are `IGNORE`.
    """
    if isinstance(prediction, SemanticMap):
        class_map = np.where(valid, prediction.class_map, IGNORE)
        return SemanticMap(class_map, prediction.class_names, prediction.mask_probs)
    return _cut_instances(prediction, valid)


def _cut_instances(instances: Instances, valid: Mask) -> Instances:
    masks = instances.masks
    crops = [crop & valid[y : y + crop.shape[0], x : x + crop.shape[1]] for crop, x, y in masks.placed()]
    cut = instances.replace(masks=Masks(crops, masks.corners, masks.size))
    return cut[cut.masks.areas > 0]

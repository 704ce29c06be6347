"""Remove pixels without data from results."""

from __future__ import annotations

import numpy as np

from maskweave.types.arrays import Mask
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks
from maskweave.types.prediction import Prediction
from maskweave.types.semantic import IGNORE, SemanticMap


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

"""Objects as the server's answers hold them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from maskweave.ops.rle import encode_masks
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks
from maskweave.types.prediction import Prediction
from maskweave.types.semantic import SemanticMap


def objects_of(prediction: Prediction) -> list[dict[str, Any]]:
    """One entry for each object, with its track id where it has one; of a map for each class but the background."""
    if isinstance(prediction, SemanticMap):
        return _regions(prediction)
    ids = prediction.track_ids
    numbers = range(1, len(prediction) + 1) if ids is None else ids.tolist()
    return _entries(prediction, numbers)


def _entries(instances: Instances, numbers: Sequence[int]) -> list[dict[str, Any]]:
    columns = zip(
        numbers,
        instances.names,
        instances.scores.tolist(),
        instances.masks.areas.tolist(),
        instances.boxes.tolist(),
        encode_masks(instances.masks),
        strict=True,
    )
    return [
        {"id": number, "class": name, "score": round(score, 5), "area": area, "box": box, "rle": rle}
        for number, name, score, area, box, rle in columns
    ]


def _regions(semantic: SemanticMap) -> list[dict[str, Any]]:
    names = [name for name in semantic.present() if name != "background"]
    dense = np.array([semantic.mask(name) for name in names], dtype=bool).reshape(-1, *semantic.size)
    masks = Masks.from_dense(dense)
    columns = zip(names, masks.areas.tolist(), masks.boxes.tolist(), encode_masks(masks), strict=True)
    return [
        {"id": number, "class": name, "score": None, "area": area, "box": box, "rle": rle}
        for number, (name, area, box, rle) in enumerate(columns, start=1)
    ]

"""Validate a guide: the exported file answers prompts about objects whose masks are exact, as users ask it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from maskweave.evaluation.prompting import PromptIous, prompt_ious
from maskweave.models.loading import RuntimeOptions, load_model
from maskweave.training.annotations import ImageRecord, TrainingSet
from maskweave.training.cache import read_rgb
from maskweave.training.guide.crops import exact_objects
from maskweave.types.arrays import Mask


def validate(
    model_file: Path | str, data: TrainingSet, *, max_objects: int, min_area: int, threads: int | None = None
) -> PromptIous:
    """Mean IoUs of an exported guide's answers on objects that are drawn evenly from a data set's."""
    rows = exact_objects(data, min_area=min_area).rows
    chosen = rows[np.linspace(0, len(rows) - 1, min(len(rows), max_objects)).round().astype(int)]
    model = load_model(model_file, options=RuntimeOptions(threads=threads))
    rng = np.random.default_rng(0)
    try:
        return PromptIous.mean(
            [
                prompt_ious(
                    model, read_rgb(data.images[image].path), whole_mask(data.images[image], row), rng
                )
                for image, row in chosen.tolist()
            ]
        )
    finally:
        model.close()


def whole_mask(record: ImageRecord, number: int) -> Mask:
    """(H, W) mask of one of an image's objects."""
    whole = np.zeros(record.size, dtype=np.bool_)
    crop = record.objects[number].mask
    if crop is not None:
        (height, width), (x, y) = crop.shape, crop.corner
        whole[y : y + height, x : x + width] = crop.dense() > 0
    return whole

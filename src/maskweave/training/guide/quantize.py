"""Quantize an exported guide to whole numbers, calibrated on crops as a run shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskweave.training.annotations import TrainingSet
from maskweave.training.cache import read_rgb
from maskweave.training.guide.crops import exact_objects, make_crop
from maskweave.training.quantize import quantize_network

EXACT_LAYERS = ("out.",)
"""Convolutions that keep single precision: the last one, whose output is the mask."""
_MIN_AREA = 100


def quantize_guide(
    model_file: Path, data: TrainingSet, output: Path, *, count: int = 100, size: int = 256
) -> None:
    """Write an INT8 version of a file that `export_guide` wrote.

    Args:
        model_file: The exported file.
        data: Whose objects it is calibrated on: training data, never what is measured on.
        output: Where to; appears only when whole.
        count: How many crops to calibrate on.
        size: Side of the crops, as the file takes them.
    """
    inputs = _inputs(data, count, size)
    quantize_network(model_file, inputs, output, exact_layers=EXACT_LAYERS)


def _inputs(data: TrainingSet, count: int, size: int) -> list[dict[str, NDArray[Any]]]:
    objects = exact_objects(data, min_area=_MIN_AREA)
    rng = np.random.default_rng(0)
    inputs = []
    for number, row in enumerate(rng.choice(len(objects.rows), count, p=objects.odds)):
        image, item = objects.rows[row].tolist()
        record = data.images[image]
        crop, guidance, _ = make_crop(record, item, read_rgb(record.path), number % 3, size, rng)
        inputs.append({"image": crop[None], "guidance": guidance[None]})
    return inputs

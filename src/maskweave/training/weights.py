"""Read the weights of an exported file by the names of the network's layers, to train further from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from maskweave.catalog.cache import packaged_path
from maskweave.catalog.entries import find
from maskweave.catalog.entry import BUILT_IN
from maskweave.training.errors import CheckpointError

_HALF, _WHOLE = ".float", "_quantized"
"""What the names of weights end with that a file holds in half precision, and in whole numbers."""


def starting_file(start: str, packaged: str) -> Path:
    """The file that a run starts from: of `packaged`, a name of the catalog, for "built-in", or the path itself."""
    return packaged_path(find(packaged).files[0]) if start == BUILT_IN else Path(start)


def read_weights(path: Path) -> tuple[dict[str, Tensor], list[str], float]:
    """All weights of a compact model's exported file as float tensors by name, its class names, and its slope.

    Raises:
        CheckpointError: It is no compact model.
    """
    weights, properties = read_exported(path, "compact")
    slope = float(properties.get("maskweave.slope", "0"))
    return weights, json.loads(properties["maskweave.class_names"]), slope


def read_exported(path: Path, family: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """All weights of a file that MaskWeave exported, INT8 files included, as float tensors, and its metadata.

    Raises:
        CheckpointError: It is no ONNX file, or none of this family.
    """
    import onnx
    from onnx import numpy_helper

    try:
        model = onnx.load(str(path))
    except Exception as error:  # protobuf's own errors differ between its versions
        raise CheckpointError(f"{path}: not a readable ONNX file ({error}).") from error
    properties = {each.key: each.value for each in model.metadata_props}
    if properties.get("maskweave.family") != family:
        raise CheckpointError(f"{path}: need a {family} model that MaskWeave exported, got another file.")
    stored = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    weights = {name: torch.from_numpy(value.astype(np.float32)) for name, value in stored.items()}
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0].endswith(_WHOLE):
            name = node.input[0].removesuffix(_WHOLE).removesuffix(_HALF)
            weights[name] = torch.from_numpy(_as_floats(stored, node.input))
    return weights, properties


def _as_floats(stored: Mapping[str, NDArray[np.generic]], names: list[str]) -> NDArray[np.float32]:
    """Whole numbers less their zero point, times their scale: one each, or one for every row."""
    numbers, scale, zero = (stored[name].astype(np.float32) for name in names)
    shape = (-1,) + (1,) * (numbers.ndim - 1)
    floats: NDArray[np.float32] = (numbers - zero.reshape(shape)) * scale.reshape(shape)
    return floats

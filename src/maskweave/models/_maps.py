"""Outputs that are maps of the whole picture."""

from __future__ import annotations

import numpy as np

from maskweave.errors import EngineError
from maskweave.runtimes.base import Tensors, TensorSpec
from maskweave.types.arrays import FloatArray

_FLOATS = ("float32", "float16")


def is_float_map(tensor: TensorSpec, *, channels: int | None = None) -> bool:
    """Whether an output is (1, C, h, w) floats, of just so many ``channels`` where that is told."""
    shape = tensor.shape
    if len(shape) != 4 or shape[0] not in (1, None) or tensor.dtype not in _FLOATS:
        return False
    return channels is None or shape[1] == channels


def first_map(name: str, outputs: Tensors, key: str, *, channels: int) -> FloatArray:
    """(C, h, w) float32 of output ``key``; raises `EngineError` when it has other axes or another C."""
    found = outputs.get(key)
    if found is None or found.ndim != 4 or len(found) < 1 or found.shape[1] != channels or not found.size:
        got = "nothing" if found is None else found.shape
        raise EngineError(f"{name}: need output {key} (1, {channels}, h, w), got {got}")
    planes: FloatArray = found[0].astype(np.float32, copy=False)
    return planes

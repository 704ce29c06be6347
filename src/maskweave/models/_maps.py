"""Outputs that are maps of the whole image, channels before or behind the two sides."""

from __future__ import annotations

import numpy as np

from maskweave.errors import EngineError
from maskweave.models._network_input import canvas_of
from maskweave.runtimes.base import RuntimeInfo, Tensors, TensorSpec
from maskweave.types.arrays import FloatArray

_FLOATS = ("float32", "float16")
_FIRST, _LAST = 1, 3
_UNEVEN = 0.02  # by how much the two sides of a map may be reduced differently


def channels_axis(info: RuntimeInfo, tensor: TensorSpec) -> int:
    """Which axis of a map of four axes counts its channels: 1, or 3 where the sides of the input stand before.

    Networks of Keras and TensorFlow keep their channels last, also where an export has turned the input
    (tf2onnx ``--inputs-as-nchw``). What leaves both open is read with its channels first.
    """
    shape = tensor.shape
    canvas = canvas_of(info)
    first, last = _are_sides(shape[2:4], canvas), _are_sides(shape[1:3], canvas)
    if shape[_LAST] is not None and None in shape[1:3] and shape[_FIRST] is None:
        return _LAST
    return _LAST if last and not first else _FIRST


def channels_of(info: RuntimeInfo, tensor: TensorSpec) -> int | None:
    """How many channels a map has; None where that varies."""
    return tensor.shape[channels_axis(info, tensor)]


def is_float_map(info: RuntimeInfo, tensor: TensorSpec, *, channels: int | None = None) -> bool:
    """Whether an output is a map of floats, with exactly that many ``channels`` where given."""
    shape = tensor.shape
    if len(shape) != 4 or shape[0] not in (1, None) or tensor.dtype not in _FLOATS:
        return False
    return channels is None or channels_of(info, tensor) == channels


def first_map(name: str, outputs: Tensors, key: str, *, channels: int, axis: int = _FIRST) -> FloatArray:
    """(C, h, w) float32 of output ``key``, whose channels are on ``axis``.

    Raises `EngineError` when it has other axes or another C.
    """
    found = outputs.get(key)
    if found is None or found.ndim != 4 or len(found) < 1 or found.shape[axis] != channels or not found.size:
        got = "nothing" if found is None else found.shape
        need = f"(1, {channels}, h, w)" if axis == _FIRST else f"(1, h, w, {channels})"
        raise EngineError(f"{name}: need output {key} {need}, got {got}")
    planes: FloatArray = found[0].astype(np.float32, copy=False)
    return planes if axis == _FIRST else np.ascontiguousarray(np.moveaxis(planes, -1, 0))


def _are_sides(sides: tuple[int | None, ...], canvas: tuple[int | None, int | None]) -> bool:
    """Whether two axes are the input's height and width, both reduced alike."""
    height, width = sides
    if height is None or width is None or min(height, width) < 2 or not canvas[0] or not canvas[1]:
        return False
    down, across = canvas[0] / height, canvas[1] / width
    return abs(down - across) <= _UNEVEN * max(down, across)

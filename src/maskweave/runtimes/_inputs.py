"""Whether arrays fit the inputs that a network says it has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maskweave.errors import EngineError
from maskweave.runtimes.base import Tensors, TensorSpec
from maskweave.types.arrays import Array


def check_inputs(inputs: Tensors, specs: Sequence[TensorSpec]) -> None:
    """Raise `EngineError` unless names, shapes and dtypes of ``inputs`` are those of ``specs``."""
    check_names(inputs, [spec.name for spec in specs])
    for spec in specs:
        array = inputs[spec.name]
        if array.dtype != np.dtype(spec.dtype) or not _fits(array, spec.shape):
            shape = ", ".join("any" if edge is None else str(edge) for edge in spec.shape)
            raise EngineError(
                f"input {spec.name}: need ({shape}) {spec.dtype}, got {array.shape} {array.dtype}"
            )


def check_names(inputs: Tensors, names: Sequence[str]) -> None:
    """Raise `EngineError` unless ``inputs`` are called as in ``names``."""
    if set(inputs) != set(names):
        raise EngineError(f"inputs: need {', '.join(names) or 'none'}, got {', '.join(inputs) or 'none'}")


def _fits(array: Array, shape: tuple[int | None, ...]) -> bool:
    return array.ndim == len(shape) and all(
        need is None or need == got for need, got in zip(shape, array.shape, strict=True)
    )

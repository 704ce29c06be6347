"""Pick a network's outputs by name and check their shapes."""

from __future__ import annotations

from collections.abc import Mapping

from maskweave.errors import EngineError
from maskweave.runtimes.base import Tensors
from maskweave.types.arrays import Array


def first_image(model: str, outputs: Tensors, ranks: Mapping[str, int]) -> tuple[Array, ...]:
    """The part of the only image in each named output of a batch; ``ranks``: how many axes each has, batch included.

    Raises `EngineError` that says which outputs came when one is missing, has other axes, or another batch than 1.
    """
    for name, rank in ranks.items():
        array = outputs.get(name)
        if array is None or array.ndim != rank or len(array) != 1:
            need = ", ".join(f"{each} (1, {', '.join('…' * (axes - 1))})" for each, axes in ranks.items())
            raise EngineError(f"{model}: need outputs {need}, got {seen(outputs)}")
    return tuple(outputs[name][0] for name in ranks)


def seen(outputs: Tensors) -> str:
    """Names and shapes, for messages."""
    return ", ".join(f"{name} {array.shape}" for name, array in outputs.items()) or "none"

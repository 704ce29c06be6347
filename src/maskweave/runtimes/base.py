"""The seam to inference engines: arrays in, arrays out, nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np

from maskweave.errors import EngineError
from maskweave.types.arrays import Array

Tensors: TypeAlias = dict[str, Array]


@dataclass(frozen=True)
class TensorSpec:
    """Name, shape (None where it varies) and dtype name ("float32", "uint8", …) of one tensor."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str


@dataclass(frozen=True)
class RuntimeInfo:
    """The engine and the device that really run a model, and the model's own tensors and metadata.

    ``concurrency``: how many runs at a time are done sooner than one after the other. ``inner``: what a model of two
    networks passes from the first to the second.
    """

    engine: str
    engine_version: str
    device: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    metadata: Mapping[str, str]
    concurrency: int = 1
    inner: tuple[TensorSpec, ...] = ()


class Runtime(Protocol):
    """A loaded network."""

    def run(self, inputs: Tensors) -> Tensors:
        """Run the network on named arrays and return named arrays. Several threads may ask at once.

        Raises `EngineError` when the arrays do not fit the network's inputs, or the engine fails.
        """
        ...

    def describe(self) -> RuntimeInfo:
        """Describe the engine, its device, and the model's own tensors and metadata."""
        ...

    def close(self) -> None:
        """Free the network; the object is not used afterwards."""
        ...


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

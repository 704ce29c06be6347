"""Equalize the ranges of channels between convolutions, so that eight bits fit them all.

A tensor has one scale in an INT8 network, set by its widest channel; a channel a hundred times narrower is left with
two or three values. Between two convolutions, with nothing or a (leaky) ReLU in the middle, a channel can be
multiplied where it is made and divided where it is read, and the network computes what it did. Source: Nagel et al.,
"Data-free quantization through weight equalization and bias correction", arXiv:1906.04721.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_TRANSPARENT = ("Relu", "LeakyRelu")
"""What passes a positive factor through."""
_MAX_FACTOR = 16.0
"""A channel is scaled by one to this."""
_DENSE, _DEPTHWISE = 0.5, 1.0
"""How much of the difference is evened out: all of it where the reading weights have a scale for each channel, half
where a row of them shares one (arXiv:2211.10438)."""


class Link(NamedTuple):
    """Two convolutions that read on from each other: nodes of an ONNX graph, and the name of the tensor between."""

    first: Any
    second: Any
    tensor: str


def links(graph: Any) -> list[Link]:
    """All pairs of convolutions, each with weights of its own, with nothing but an activation between them."""
    readers: dict[str, list[Any]] = {each.name: [None] for each in graph.output}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)

    def own(conv: Any) -> bool:
        return all(len(readers[name]) == 1 for name in conv.input[1:])

    found = []
    for first in (node for node in graph.node if node.op_type == "Conv" and own(node)):
        tensor = first.output[0]
        while len(readers[tensor]) == 1 and (reader := readers[tensor][0]) is not None:
            if reader.op_type == "Conv" and own(reader):
                found.append(Link(first, reader, tensor))
            if reader.op_type not in _TRANSPARENT:
                break
            tensor = reader.output[0]
    return found


def equalize(network: Any, maxima: Mapping[str, NDArray[np.float32]]) -> None:
    """Even out the channels of every link of an ONNX network, in place.

    Args:
        network: The model; its convolutions have their weights and biases as initializers.
        maxima: For the tensor of each link the largest magnitude of each channel, (C,).
    """
    from onnx import numpy_helper

    weights = {each.name: each for each in network.graph.initializer}

    def scale(name: str, factors: NDArray[np.floating[Any]]) -> None:
        value = numpy_helper.to_array(weights[name])
        scaled = (value * factors).astype(value.dtype)
        weights[name].CopyFrom(numpy_helper.from_array(scaled, name))

    for first, second, tensor in links(network.graph):
        depthwise = numpy_helper.to_array(weights[second.input[1]]).shape[1] == 1
        factors = _factors(maxima[tensor], _DEPTHWISE if depthwise else _DENSE)
        scale(first.input[1], factors.reshape(-1, 1, 1, 1))
        scale(first.input[2], factors)
        scale(second.input[1], (1 / factors).reshape((-1, 1, 1, 1) if depthwise else (1, -1, 1, 1)))


def _factors(maxima: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    widest = maxima.max()
    if not widest:
        return np.ones_like(maxima)
    even = widest / np.maximum(maxima, widest / _MAX_FACTOR ** (1 / share))
    factors: NDArray[np.float32] = np.clip(even**share, 1, _MAX_FACTOR).astype(np.float32)
    return factors

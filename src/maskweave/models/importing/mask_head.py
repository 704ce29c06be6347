"""The mask head in an ONNX graph, rearranged: the same numbers for a twelfth of the work.

The published head enlarges features of 4x4 to 15x15 bilinearly (corners on corners), convolves 3x3 to D channels,
takes ReLU, and gives a mask for each of 90 classes. Enlarging and convolving are both linear, and enlarging treats
all channels alike. So the channels are mixed first, on 16 places instead of 225: one product with all nine taps of
the kernel. Then a constant matrix places the nine results: (225 places) x (16 places, 9 taps), with zeros where a
tap looks beyond the edge. Of the last layer only the object's own class is computed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from maskweave.models.importing.frozen_graph import FrozenGraph
from maskweave.models.importing.graph_writer import Features, GraphWriter

_SCOPE = "SecondStageBoxPredictor"
_SMALL, _LARGE, _TAPS = 4, 15, 3


def add_masks(
    writer: GraphWriter, frozen: FrozenGraph, features: Features, labels: str, *, classes: int, name: str
) -> str:
    """Add mask probabilities (N, 15, 15) of ``features`` (N, C, 4, 4), each for its class in ``labels`` (N,)."""
    channels = features.width
    kernel = frozen.constant(f"{_SCOPE}/Conv/weights", (_TAPS, _TAPS, channels, None))
    depth = kernel.shape[3]
    last = frozen.constant(f"{_SCOPE}/Conv_1/weights", (1, 1, depth, classes))[0, 0]

    places = writer.op("Reshape", features.name, writer.integers([0, channels, _SMALL**2]))
    rows = writer.op(
        "Reshape", writer.op("Transpose", places, perm=[0, 2, 1]), writer.integers([-1, channels])
    )
    mixed = writer.op("MatMul", rows, writer.floats(kernel.transpose(2, 0, 1, 3).reshape(channels, -1)))
    taps = writer.op("Reshape", mixed, writer.integers([-1, _SMALL**2 * _TAPS**2, depth]))
    placed = writer.op("MatMul", writer.floats(_placing()), taps)
    biases = writer.floats(frozen.constant(f"{_SCOPE}/Conv/biases", (depth,)))
    hidden = writer.op("Relu", writer.op("Add", placed, biases))

    own = writer.op("Gather", writer.floats(last.T[:, :, None]), labels)  # (N, depth, 1)
    bias = frozen.constant(f"{_SCOPE}/Conv_1/biases", (classes,))
    own_bias = writer.op("Gather", writer.floats(bias[:, None, None]), labels)
    logits = writer.op("Add", writer.op("MatMul", hidden, own), own_bias)
    return writer.op(
        "Sigmoid", writer.op("Reshape", logits, writer.integers([-1, _LARGE, _LARGE])), name=name
    )


def _placing() -> NDArray[np.float64]:
    """(225, 16 * 9): what each place of the enlarged grid takes from each small place through each tap."""
    along = np.zeros((_LARGE, _SMALL, _TAPS))
    at = np.arange(_LARGE) * (_SMALL - 1) / (_LARGE - 1)
    enlarging = np.maximum(0, 1 - abs(at[:, None] - np.arange(_SMALL)))
    for tap in range(_TAPS):
        first, end = max(0, 1 - tap), min(_LARGE, _LARGE + 1 - tap)
        along[first:end, :, tap] = enlarging[first + tap - 1 : end + tap - 1]
    both: NDArray[np.float64] = np.einsum("yis,xjt->yxijst", along, along)
    return both.reshape(_LARGE**2, _SMALL**2 * _TAPS**2)

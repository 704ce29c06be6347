"""Inception v2 as TF-Slim builds it and the Object Detection API cuts it: both halves of the network's body.

Every convolution is followed by batch normalization, which is folded into its weights, and ReLU. Where the stride is
2 the padding is TensorFlow's SAME: the odd pixel goes to the right and below. Sources:
https://github.com/tensorflow/models/blob/master/research/slim/nets/inception_v2.py,
https://github.com/tensorflow/models/blob/master/research/object_detection/models/faster_rcnn_inception_v2_feature_extractor.py,
https://arxiv.org/abs/1512.00567.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from maskweave.models.importing.frozen_graph import FrozenGraph
from maskweave.models.importing.graph_writer import Features, GraphWriter

FIRST, SECOND = "FirstStageFeatureExtractor/InceptionV2", "SecondStageFeatureExtractor/InceptionV2"
"""Scopes of the weights before and after the crops."""

_EPSILON = 0.001  # of batch normalization
_COLORS = 3
_STEM_MULTIPLIER = 8  # channels that the first layer makes of each color before it mixes them

_Block: TypeAlias = tuple[tuple[str, ...], ...]

# Branches of a block, in the order in which they are joined. Layers are called as their weights; "1a" has stride 2.
_PLAIN: _Block = (
    ("Conv2d_0a_1x1",),
    ("Conv2d_0a_1x1", "Conv2d_0b_3x3"),
    ("Conv2d_0a_1x1", "Conv2d_0b_3x3", "Conv2d_0c_3x3"),
)
_AVERAGING: _Block = (*_PLAIN, ("AvgPool_0a_3x3", "Conv2d_0b_1x1"))
_MAXIMUM: _Block = (*_PLAIN, ("MaxPool_0a_3x3", "Conv2d_0b_1x1"))
_HALVING: _Block = (
    ("Conv2d_0a_1x1", "Conv2d_1a_3x3"),
    ("Conv2d_0a_1x1", "Conv2d_0b_3x3", "Conv2d_1a_3x3"),
    ("MaxPool_1a_3x3",),
)
_FIRST_BLOCKS = {
    "Mixed_3b": _AVERAGING,
    "Mixed_3c": _AVERAGING,
    "Mixed_4a": _HALVING,
    "Mixed_4b": _AVERAGING,
    "Mixed_4c": _AVERAGING,
    "Mixed_4d": _AVERAGING,
    "Mixed_4e": _AVERAGING,
}
_SECOND_BLOCKS = {"Mixed_5a": _HALVING, "Mixed_5b": _AVERAGING, "Mixed_5c": _MAXIMUM}


def add_first_stage(writer: GraphWriter, frozen: FrozenGraph, image: str) -> Features:
    """Add the layers up to Mixed_4e: (1, 3, H, W) in -1..1 to (1, C, ⌈H/16⌉, ⌈W/16⌉)."""
    layers = _Layers(writer, frozen, FIRST, place=FIRST)
    features = layers.stem(Features(image, _COLORS))
    features = layers.pool("MaxPool_2a_3x3", features, stride=2)
    features = layers.convolution("Conv2d_2b_1x1", features)
    features = layers.convolution("Conv2d_2c_3x3", features)
    features = layers.pool("MaxPool_3a_3x3", features, stride=2)
    return layers.blocks(_FIRST_BLOCKS, features)


def add_second_stage(writer: GraphWriter, frozen: FrozenGraph, crops: Features, *, place: str) -> Features:
    """Add Mixed_5a to 5c: crops (N, C, 7, 7) to (N, C', 4, 4). Called again, it uses the same weights.

    ``place`` names the tensors.
    """
    return _Layers(writer, frozen, SECOND, place=place).blocks(_SECOND_BLOCKS, crops)


class _Layers:
    """Adds layers of one scope to a graph."""

    def __init__(self, writer: GraphWriter, frozen: FrozenGraph, scope: str, *, place: str) -> None:
        self._writer = writer
        self._frozen = frozen
        self._scope = scope
        self._place = place

    def stem(self, image: Features) -> Features:
        """Conv2d_1a_7x7, a separable convolution without anything between its parts, as the one that they make."""
        layer = f"{self._scope}/Conv2d_1a_7x7"
        depth = self._frozen.constant(f"{layer}/depthwise_weights", (7, 7, _COLORS, _STEM_MULTIPLIER))
        mix = self._frozen.constant(f"{layer}/pointwise_weights", (1, 1, _COLORS * _STEM_MULTIPLIER, None))
        kernel = np.einsum("hwcm,cmo->hwco", depth, mix.reshape(_COLORS, _STEM_MULTIPLIER, -1))
        return self._folded("Conv2d_1a_7x7", kernel, image, stride=2)

    def convolution(self, layer: str, features: Features, *, stride: int = 1) -> Features:
        """A convolution called like Mixed_3b/Branch_0/Conv2d_0a_1x1, whose last letter is its kernel's edge."""
        edge = int(layer[-1])
        kernel = self._frozen.constant(f"{self._scope}/{layer}/weights", (edge, edge, features.width, None))
        return self._folded(layer, kernel, features, stride=stride)

    def pool(self, layer: str, features: Features, *, stride: int = 1) -> Features:
        """A pool over 3x3; averages leave out what lies beyond the edge."""
        kind = "AveragePool" if "AvgPool" in layer else "MaxPool"
        pooled = self._writer.op(
            kind,
            features.name,
            name=f"{self._place}/{layer}",
            kernel_shape=[3, 3],
            strides=[stride, stride],
            **_padding(3, stride),
        )
        return Features(pooled, features.width)

    def blocks(self, blocks: dict[str, _Block], features: Features) -> Features:
        """Blocks one after the other."""
        for block, branches in blocks.items():
            ends = [
                self._branch(f"{block}/Branch_{number}", layers, features)
                for number, layers in enumerate(branches)
            ]
            names = [end.name for end in ends]
            joined = self._writer.op("Concat", *names, name=f"{self._place}/{block}", axis=1)
            features = Features(joined, sum(end.width for end in ends))
        return features

    def _branch(self, branch: str, layers: tuple[str, ...], features: Features) -> Features:
        for layer in layers:
            stride = 2 if "_1a_" in layer else 1
            add = self.convolution if layer.startswith("Conv") else self.pool
            features = add(f"{branch}/{layer}", features, stride=stride)
        return features

    def _folded(
        self, layer: str, kernel: NDArray[np.float32], features: Features, *, stride: int
    ) -> Features:
        """Convolution, batch normalization and ReLU; ``kernel`` is (height, width, in, out)."""
        scope, width = f"{self._scope}/{layer}/BatchNorm", kernel.shape[-1]
        gamma, beta, mean, variance = (
            self._frozen.constant(f"{scope}/{part}", (width,)).astype(np.float64)
            for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        scale = gamma / np.sqrt(np.maximum(variance, 0) + _EPSILON)
        weights = self._writer.floats(
            (kernel * scale).transpose(3, 2, 0, 1), f"{self._scope}/{layer}/weights"
        )
        biases = self._writer.floats(beta - mean * scale, f"{self._scope}/{layer}/biases")
        name = f"{self._place}/{layer}"
        made = self._writer.op(
            "Conv",
            features.name,
            weights,
            biases,
            name=f"{name}/Conv",
            kernel_shape=list(kernel.shape[:2]),
            strides=[stride, stride],
            **_padding(kernel.shape[0], stride),
        )
        return Features(self._writer.op("Relu", made, name=name), width)


def _padding(edge: int, stride: int) -> dict[str, object]:
    """TensorFlow's SAME; engines plan better with numbers, which hold where every position is taken."""
    return {"pads": [edge // 2] * 4} if stride == 1 else {"auto_pad": "SAME_UPPER"}

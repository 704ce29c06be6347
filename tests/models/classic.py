"""The classic Mask R-CNN of random weights: every constant that OpenCV's text graph of it refers to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tensorboard.compat.proto.graph_pb2 import GraphDef

from tests.models.graphs import constant

Array = NDArray[np.generic]

FIRST, SECOND = "FirstStageFeatureExtractor/InceptionV2", "SecondStageFeatureExtractor/InceptionV2"
BOXES = "SecondStageBoxPredictor"

# Inception v2 (arXiv:1512.00567, with the widths of TF-Slim's inception_v2.py): output channels by branch.
_STEM = {"Conv2d_2b_1x1": 64, "Conv2d_2c_3x3": 192}
_LAYERS = ("Conv2d_0a_1x1", "Conv2d_0b_3x3", "Conv2d_0c_3x3")
_BLOCKS = {
    "Mixed_3b": ((64,), (64, 64), (64, 96, 96), (32,)),
    "Mixed_3c": ((64,), (64, 96), (64, 96, 96), (64,)),
    "Mixed_4a": ((128, 160), (64, 96, 96)),
    "Mixed_4b": ((224,), (64, 96), (96, 128, 128), (128,)),
    "Mixed_4c": ((192,), (96, 128), (96, 128, 128), (128,)),
    "Mixed_4d": ((160,), (128, 160), (128, 160, 160), (96,)),
    "Mixed_4e": ((96,), (128, 192), (160, 192, 192), (96,)),
    "Mixed_5a": ((128, 192), (192, 256, 256)),
    "Mixed_5b": ((352,), (192, 320), (160, 224, 224), (128,)),
    "Mixed_5c": ((352,), (192, 320), (192, 224, 224), (128,)),
}
_FIXED: dict[str, Array] = {
    "Preprocessor/mul/x": np.float32(2 / 255),
    "Preprocessor/sub/y": np.float32(1),
    "CropAndResize/crop_size": np.array([14, 14], np.int32),
    "CropAndResize_1/crop_size": np.array([14, 14], np.int32),
    f"{BOXES}/AvgPool/reduction_indices": np.array([1, 2], np.int32),
    f"{BOXES}_1/ResizeBilinear/size": np.array([15, 15], np.int32),
    f"{BOXES}_1/transpose/perm": np.array([0, 3, 1, 2], np.int32),
}

# Above what keeps the size of activations, with negative biases: only so do different places stay different.
_GAIN = 1.7


@dataclass
class ClassicWeights:
    """Makes the constants of the whole network, layer after layer.

    ``thin`` divides all widths inside, for tests that need a network at once. Random weights spread far enough that
    some class passes the graph's own threshold of 0.3 and that masks have an inside and an outside, little enough
    that boxes stay near their anchors. ``background`` is added to the logit of the background: fewer objects.
    ``class_gain`` is how sure scores are; larger images, in which activations differ more, need less.
    """

    seed: int = 0
    thin: int = 1
    classes: int = 90
    background: float = 0.0
    class_gain: float = 14.0
    made: dict[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)
        self.made |= _FIXED
        self.made[f"{BOXES}/Reshape_1/shape"] = np.array([-1, 1, self.classes + 1], np.int32)
        width = self._stem()
        for block, branches in _BLOCKS.items():
            second = block.startswith("Mixed_5")
            width = self._block(f"{SECOND if second else FIRST}/{block}", branches, width)
            if block == "Mixed_4e":
                self._first_heads(width)
        self._second_heads(width)

    def _stem(self) -> int:
        layer, width = f"{FIRST}/Conv2d_1a_7x7", 64 // self.thin
        self.made[f"{layer}/depthwise_weights"] = self._normal((7, 7, 3, 8), 49)
        self.made[f"{layer}/pointwise_weights"] = 2**0.5 * self._normal((1, 1, 24, width), 24)
        self._batch_norm(layer, width)
        for name, out in _STEM.items():
            width = self._convolution(f"{FIRST}/{name}", width, out)
        return width

    def _block(self, scope: str, branches: tuple[tuple[int, ...], ...], width: int) -> int:
        halving = len(branches) == 2
        joined = width if halving else 0
        for number, widths in enumerate(branches):
            layers = list(_LAYERS[: len(widths)])
            if halving:
                layers[-1] = "Conv2d_1a_3x3"
            elif number == 3:
                layers = ["Conv2d_0b_1x1"]
            inside = width
            for layer, out in zip(layers, widths, strict=True):
                inside = self._convolution(f"{scope}/Branch_{number}/{layer}", inside, out)
            joined += inside
        name, _, block = scope.rpartition("/")
        places = [name, name.replace("/", "_1/")] if name == SECOND else [f"{name}/InceptionV2"]
        for place in places:
            self.made[f"{place}/{block}/concat/axis"] = np.int32(3)
        return joined

    def _convolution(self, layer: str, width: int, out: int) -> int:
        edge, out = int(layer[-1]), out // self.thin
        self.made[f"{layer}/weights"] = _GAIN * self._normal((edge, edge, width, out), edge**2 * width)
        self._batch_norm(layer, out)
        return out

    def _batch_norm(self, layer: str, width: int) -> None:
        for part, low, high in (
            ("gamma", 0.8, 1.2),
            ("beta", -0.8, 0.2),
            ("moving_mean", -0.2, 0.2),
            ("moving_variance", 0.7, 1.4),
        ):
            values = self.random.uniform(low, high, width).astype(np.float32)
            self.made[f"{layer}/BatchNorm/{part}"] = values

    def _first_heads(self, width: int) -> None:
        hidden = 512 // self.thin
        self._biased("Conv", 2**0.5 * self._normal((3, 3, width, hidden), 9 * width))
        for part, gain, values in (("BoxEncodingPredictor", 0.1, 4), ("ClassPredictor", 0.5, 2)):
            kernel = gain * self._balanced((1, 1, hidden, 12 * values), hidden)
            self._biased(f"FirstStageBoxPredictor/{part}", kernel)

    def _second_heads(self, width: int) -> None:
        hidden, classes = 256 // self.thin, self.classes
        self._biased(f"{BOXES}/BoxEncodingPredictor", 0.1 * self._balanced((width, 4 * classes), width))
        self._biased(f"{BOXES}/ClassPredictor", self.class_gain * self._balanced((width, classes + 1), width))
        self.made[f"{BOXES}/ClassPredictor/biases"][0] += self.background
        self._biased(f"{BOXES}/Conv", 2**0.5 * self._normal((3, 3, width, hidden), 9 * width))
        self._biased(f"{BOXES}/Conv_1", self._balanced((1, 1, hidden, classes), hidden))

    def _biased(self, layer: str, weights: Array) -> None:
        self.made[f"{layer}/weights"] = weights
        self.made[f"{layer}/biases"] = self.random.uniform(-0.1, 0.1, weights.shape[-1]).astype(np.float32)

    def _balanced(self, shape: tuple[int, ...], fan_in: int) -> Array:
        """Weights that answer to what differs between places: features after ReLU have large means."""
        weights = self._normal(shape, fan_in)
        return weights - weights.mean(axis=-2, keepdims=True)

    def _normal(self, shape: tuple[int, ...], fan_in: int) -> Array:
        return (self.random.standard_normal(shape) / fan_in**0.5).astype(np.float32)


def write_frozen(constants: dict[str, Array], out: Path) -> Path:
    """Write a frozen graph of these constants."""
    graph = GraphDef(node=[constant(name, value) for name, value in constants.items()])
    out.write_bytes(graph.SerializeToString())
    return out

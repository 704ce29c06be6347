"""NanoDet-Plus-m-1.5x as published, restated: channels shuffled, blue first, anonymous weights in its ONNX file."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.nn import functional

from maskweave.training.network import MEAN

UNITS, WIDTHS, NECK, CLASSES, BINS = (4, 8, 4), (176, 352, 704), 128, 80, 8
SLOPE = 0.1
FIRST = "backbone.conv1.0"


def random_arrays(seed=0):
    """Arrays under the names of the published checkpoint, of sizes that keep activations near one."""
    rng = np.random.default_rng(seed)
    arrays = {}

    class Shapes:
        """Stands for the network's values; keeps the shapes of its weights."""

        def conv(self, width, name, outputs, kernel=1, *, groups=1, **_):
            fan_in = width // groups * kernel * kernel
            shape = (outputs, width // groups, kernel, kernel)
            arrays[f"{name}.weight"] = rng.normal(0, (1.5 / fan_in) ** 0.5, shape).astype(np.float32)
            arrays[f"{name}.bias"] = rng.normal(0, 0.1, outputs).astype(np.float32)
            return outputs

        def pool(self, width):
            return width

        double = shuffle = pool

        def join(self, *widths):
            return sum(widths)

        def add(self, first, _):
            return first

        def halves(self, width):
            return width // 2, width // 2

    run(Shapes(), 3)
    return arrays


class TorchOps:
    """Computes."""

    def __init__(self, arrays):
        self.arrays = arrays

    def conv(self, x, name, _outputs, kernel=1, *, stride=1, groups=1, active=True):
        weight, bias = (torch.from_numpy(self.arrays[f"{name}.{part}"]) for part in ("weight", "bias"))
        padding = 0 if name == FIRST else kernel // 2  # the first one's margin is there already
        x = functional.conv2d(x, weight, bias, stride, padding, groups=groups)
        return functional.leaky_relu(x, SLOPE) if active else x

    def pool(self, x):
        return functional.max_pool2d(x, 3, 2, 1)

    def double(self, x):
        return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)

    def shuffle(self, x):
        count, channels, height, width = x.shape
        return x.view(count, 2, channels // 2, height, width).transpose(1, 2).reshape(x.shape)

    def join(self, *parts):
        return torch.cat(parts, 1)

    def add(self, first, second):
        return first + second

    def halves(self, x):
        return x.chunk(2, 1)


class OnnxOps:
    """Writes nodes; weights get numbers for names, as exporters give them."""

    def __init__(self, arrays):
        self.arrays, self.nodes, self.weights = arrays, [], []

    def node(self, kind, *inputs, outputs=1, **attributes):
        names = [f"{len(self.nodes)}.{number}" for number in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, **attributes))
        return names[0] if outputs == 1 else names

    def constant(self, value):
        name = f"onnx::{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(value, name))
        return name

    def conv(self, x, name, _outputs, kernel=1, *, stride=1, groups=1, active=True):
        arrays = [self.constant(self.arrays[f"{name}.{part}"]) for part in ("weight", "bias")]
        layout = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [kernel // 2] * 4}
        x = self.node("Conv", x, *arrays, group=groups, **layout)
        return self.node("LeakyRelu", x, alpha=SLOPE) if active else x

    def pool(self, x):
        return self.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])

    def double(self, x):
        scales = self.constant(np.array([1, 1, 2, 2], np.float32))
        return self.node("Resize", x, "", scales, mode="linear")

    def shuffle(self, x):
        return x  # of the file only weights and their order matter

    def join(self, *parts):
        return self.node("Concat", *parts, axis=1)

    def add(self, first, second):
        return self.node("Add", first, second)

    def halves(self, x):
        return self.node("Split", x, outputs=2, axis=1)


def run(ops, x):
    """What each level's last convolution says: 80 class logits and 32 distance logits."""
    x = ops.pool(ops.conv(x, FIRST, 24, 3, stride=2))
    maps = []
    for number, units in enumerate(UNITS):
        x = _stage(ops, x, f"backbone.stage{number + 2}", (24, *WIDTHS)[number], WIDTHS[number] // 2, units)
        maps.append(x)
    levels = _pyramid(ops, maps)
    return [_head(ops, level, features) for level, features in enumerate(levels)]


def _stage(ops, x, name, channels, half, units):
    for unit in range(units):
        if unit == 0:
            down = {"kernel": 3, "stride": 2, "groups": channels, "active": False}
            first = ops.conv(x, f"{name}.0.branch1.0", channels, **down)
            first = ops.conv(first, f"{name}.0.branch1.2", half)
            second = x
        else:
            first, second = ops.halves(x)
        stride = 2 if unit == 0 else 1
        second = ops.conv(second, f"{name}.{unit}.branch2.0", half)
        second = ops.conv(
            second, f"{name}.{unit}.branch2.3", half, 3, stride=stride, groups=half, active=False
        )
        second = ops.conv(second, f"{name}.{unit}.branch2.5", half)
        x = ops.shuffle(ops.join(first, second))
    return x


def _pyramid(ops, maps):
    fine, middle, coarse = (
        ops.conv(x, f"fpn.reduce_layers.{number}.conv", NECK) for number, x in enumerate(maps)
    )
    middle = _block(ops, "fpn.top_down_blocks.0.blocks.0", ops.join(ops.double(coarse), middle))
    fine = _block(ops, "fpn.top_down_blocks.1.blocks.0", ops.join(ops.double(middle), fine))
    down = _separable(ops, fine, "fpn.downsamples.0", 2)
    middle = _block(ops, "fpn.bottom_up_blocks.0.blocks.0", ops.join(down, middle))
    down = _separable(ops, middle, "fpn.downsamples.1", 2)
    last = _block(ops, "fpn.bottom_up_blocks.1.blocks.0", ops.join(down, coarse))
    extra = [
        _separable(ops, x, f"fpn.extra_lvl_{way}_conv.0", 2) for way, x in (("in", coarse), ("out", last))
    ]
    return [fine, middle, last, ops.add(*extra)]


def _block(ops, name, x):
    y = x
    for ghost, active in (("ghost1", True), ("ghost2", False)):
        half = ops.conv(y, f"{name}.{ghost}.primary_conv.0", 64, active=active)
        cheap = ops.conv(half, f"{name}.{ghost}.cheap_operation.0", 64, 3, groups=64, active=active)
        y = ops.join(half, cheap)
    short = ops.conv(x, f"{name}.shortcut.0", 2 * NECK, 5, groups=2 * NECK, active=False)
    return ops.add(y, ops.conv(short, f"{name}.shortcut.2", NECK, active=False))


def _separable(ops, x, name, stride=1):
    x = ops.conv(x, f"{name}.depthwise", NECK, 5, stride=stride, groups=NECK)
    return ops.conv(x, f"{name}.pointwise", NECK)


def _head(ops, level, x):
    for depth in range(2):
        x = _separable(ops, x, f"head.cls_convs.{level}.{depth}")
    return ops.conv(x, f"head.gfl_cls.{level}", CLASSES + 4 * BINS, active=False)


def published_answer(arrays, images):
    """(N, P, 112) logits of the published network on uint8 RGB images (N, H, W, 3).

    Around them lies a pixel of gray, as around ours, where the published network has the mean of each channel.
    """
    framed = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=MEAN)
    blue_first = torch.from_numpy(framed[..., ::-1].copy()).float()
    mean, deviation = torch.tensor([103.53, 116.28, 123.675]), torch.tensor([57.375, 57.12, 58.395])
    x = ((blue_first - mean) / deviation).permute(0, 3, 1, 2)
    with torch.no_grad():
        levels = run(TorchOps(arrays), x)
    return torch.cat([level.flatten(2).transpose(1, 2) for level in levels], 1)


def save_npz(path, arrays):
    """Write the arrays under their names; return the path."""
    np.savez(path, **arrays)
    return path


def save_onnx(path, arrays):
    """Write the published graph: an input `data` and convolutions in the order in which they run; return the path."""
    ops = OnnxOps(arrays)
    levels = run(ops, "data")
    image = helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, 416, 416])
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in levels]
    graph = helper.make_graph(ops.nodes, "torch-jit-export", [image], outputs, ops.weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path

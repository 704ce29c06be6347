"""Write the network as an ONNX graph, node by node.

Writing it by hand instead of tracing takes no time, needs only the ``onnx`` package, keeps names short and puts
nothing of the machine that exports into the file. `tests/training` compares it with torch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from maskweave.training.network import (
    BINS,
    MEAN,
    NECK,
    SCALE,
    CompactNet,
    Conv,
    Ghost,
    GhostBlock,
    MaskBranch,
    Stage,
    kernel_layout,
)
from maskweave.training.shuffle import Slices

_OPSET, _IR = 17, 8
_MIN_HALF_VALUES = 256
"""Weights of fewer values than this stay in single precision: they weigh nothing."""


class NetworkWriter:
    """Collects nodes and weights; every method adds a node and returns the name of its output.

    Args:
        network: Whose weights are written, under the names that they have there.
    """

    def __init__(self, network: nn.Module) -> None:
        self.nodes: list[Any] = []
        self.weights: dict[str, Any] = {}
        self._names = {module: name for name, module in network.named_modules()}
        self._count = 0

    def node(self, kind: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        """Add a node with one output."""
        self._count += 1
        output = name or f"{kind.lower()}{self._count}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def constant(self, values: Any, kind: type) -> str:
        """Add a small constant."""
        self._count += 1
        name = f"constant{self._count}"
        self.weights[name] = numpy_helper.from_array(np.asarray(values, dtype=kind), name)
        return name

    def conv(self, x: str, module: Conv | nn.Module) -> str:
        """Add a convolution and, where it has one, its activation."""
        conv = module.conv if isinstance(module, Conv) else module
        if not isinstance(conv, nn.Conv2d) or conv.bias is None:
            raise TypeError(f"graph: need a convolution with bias, got {type(conv).__name__}")
        name = self._names[conv]
        inputs = [x, self._weight(f"{name}.weight", conv.weight), self._weight(f"{name}.bias", conv.bias)]
        kernel, stride, padding = (int(v[0]) for v in (conv.kernel_size, conv.stride, conv.padding))
        y = self.node(
            "Conv",
            *inputs,
            group=conv.groups,
            kernel_shape=[kernel] * 2,
            strides=[stride] * 2,
            pads=[padding] * 4,
        )
        if not isinstance(module, Conv) or not module.active:
            return y
        return self.node("LeakyRelu", y, alpha=module.slope) if module.slope else self.node("Relu", y)

    def relu6(self, x: str) -> str:
        """Clip a map to 0..6."""
        return self.node("Clip", x, self.constant(0, np.float32), self.constant(6, np.float32))

    def chain(self, x: str, modules: nn.Module) -> str:
        """Add convolutions one after the other, through nested sequences."""
        for module in modules.children():
            x = self.chain(x, module) if isinstance(module, nn.Sequential) else self.conv(x, module)
        return x

    def double(self, x: str) -> str:
        """Resize a map to twice its sides, bilinear."""
        scales = self.constant([1, 1, 2, 2], np.float32)
        return self.node("Resize", x, "", scales, mode="linear", coordinate_transformation_mode="half_pixel")

    def join(self, *inputs: str) -> str:
        """Concatenate channels."""
        return self.node("Concat", *inputs, axis=1)

    def split(self, x: str, sizes: list[int]) -> list[str]:
        """Cut channels into parts of the given sizes."""
        if len(sizes) == 1:
            return [x]
        self._count += 1
        outputs = [f"split{self._count}.{part}" for part in range(len(sizes))]
        self.nodes.append(helper.make_node("Split", [x, self.constant(sizes, np.int64)], outputs, axis=1))
        return outputs

    def model(self, name: str, inputs: list[Any], outputs: list[Any]) -> Any:
        """All that was added, as a checked model without metadata."""
        graph = helper.make_graph(self.nodes, name, inputs, outputs, list(self.weights.values()))
        opset = helper.make_opsetid("", _OPSET)
        model = helper.make_model(graph, opset_imports=[opset], producer_name="maskweave")
        model.ir_version = _IR
        onnx.checker.check_model(model)
        return model

    def _weight(self, name: str, values: Tensor) -> str:
        """Add a weight once; large ones as half precision with a cast that engines fold when they load."""
        half = values.numel() >= _MIN_HALF_VALUES
        if name not in self.weights:
            array = values.detach().float().cpu().numpy().astype(np.float16 if half else np.float32)
            self.weights[name] = numpy_helper.from_array(array, name)
            if half:
                self.node("Cast", name, name=f"{name}.float", to=TensorProto.FLOAT)
        return f"{name}.float" if half else name


def build_model(network: CompactNet) -> Any:
    """The whole network with preprocessing as an ONNX model without metadata; see `export` for its contract."""
    g = NetworkWriter(network)
    architecture = network.architecture
    detail, *maps = _backbone(g, network, _prepare(g))
    levels = _pyramid(g, network, maps)
    parts: dict[str, list[str]] = {"scores": [], "distances": [], "kernels": []}
    for index, features in enumerate(levels):
        head = network.heads[index]
        tower = g.chain(features, head.tower)
        parts["scores"].append(_flat(g, g.conv(tower, head.classes)))
        parts["distances"].append(_flat(g, g.conv(tower, head.distances)))
        parts["kernels"].append(_flat(g, _kernels(g, network.masks, index, g.join(features, tower))))
    g.node("Sigmoid", g.node("Concat", *parts["scores"], axis=2), name="scores")
    for name in ("distances", "kernels"):
        g.node("Concat", *parts[name], name=name, axis=2)
    g.node("Identity", _prototypes(g, network.masks, detail, levels), name="prototypes")
    g.node("Identity", levels[0], name="features")
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", "height", "width", 3])
    shapes: dict[str, list[Any]] = {
        "scores": ["n", architecture.classes, "points"],
        "distances": ["n", 4 * BINS, "points"],
        "kernels": ["n", kernel_layout(architecture.prototypes).size, "points"],
        "prototypes": ["n", architecture.prototypes, "height/4", "width/4"],
        "features": ["n", NECK, "height/8", "width/8"],
    }
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()
    ]
    return g.model("compact", [image], outputs)


def _prepare(g: NetworkWriter) -> str:
    x = g.node("Cast", g.node("Transpose", "image", perm=[0, 3, 1, 2]), to=TensorProto.FLOAT)
    return g.node("Mul", g.node("Sub", x, g.constant(MEAN, np.float32)), g.constant(SCALE, np.float32))


def _backbone(g: NetworkWriter, network: CompactNet, x: str) -> list[str]:
    x = g.conv(x, network.backbone.stem)
    maps = [g.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])]
    for stage in network.backbone.stages:
        maps.append(_stage(g, maps[-1], stage))
    return maps


def _stage(g: NetworkWriter, x: str, stage: Stage) -> str:
    """A stage: every unit's channels are split once, into what each reader takes."""
    plan = stage.plan
    readers = (*plan.reads, plan.output)
    pieces: dict[tuple[int, int, int], str] = {}

    def made(source: int, y: str) -> None:
        own = sorted(each for reader in readers for each in reader if each[0] == source)
        names = g.split(y, [last - first for _, first, last in own])
        pieces.update(zip(own, names, strict=True))

    def read(slices: Slices) -> str:
        return g.join(*(pieces[each] for each in slices))

    made(0, g.chain(x, stage.shortcut))
    for number, unit in enumerate(stage.units):
        made(1 + number, g.chain(x if number == 0 else read(plan.reads[number - 1]), unit))
    return read(plan.output)


def _pyramid(g: NetworkWriter, network: CompactNet, maps: list[str]) -> list[str]:
    pyramid = network.pyramid
    fine, middle, coarse = (g.conv(x, reduce) for reduce, x in zip(pyramid.reduce, maps, strict=True))
    middle = _block(g, pyramid.top_down[0], g.double(coarse), middle)
    fine = _block(g, pyramid.top_down[1], g.double(middle), fine)
    middle = _block(g, pyramid.bottom_up[0], g.chain(fine, pyramid.down[0]), middle)
    last = _block(g, pyramid.bottom_up[1], g.chain(middle, pyramid.down[1]), coarse)
    extra = g.node("Add", g.chain(coarse, pyramid.extra_in), g.chain(last, pyramid.extra_out))
    return [fine, middle, last, extra]


def _block(g: NetworkWriter, block: GhostBlock, upper: str, lower: str) -> str:
    x = g.join(upper, lower)
    return g.node("Add", _ghost(g, block.second, _ghost(g, block.first, x)), g.chain(x, block.shortcut))


def _ghost(g: NetworkWriter, ghost: Ghost, x: str) -> str:
    first = g.conv(x, ghost.primary)
    return g.join(first, g.conv(first, ghost.cheap))


def _kernels(g: NetworkWriter, masks: MaskBranch, level: int, x: str) -> str:
    return g.conv(g.conv(g.conv(x, masks.reduce[level]), masks.spread), masks.kernels)


def _prototypes(g: NetworkWriter, masks: MaskBranch, detail: str, levels: list[str]) -> str:
    fine, middle, coarse = (g.conv(x, conv) for x, conv in zip(levels, masks.levels, strict=False))
    x = g.node("Add", fine, g.double(g.node("Add", middle, g.double(coarse))))
    x = g.chain(g.node("Relu", x), masks.mix)
    x = g.node("Add", g.double(g.conv(x, masks.coarse)), g.chain(detail, masks.detail))
    return g.conv(g.chain(g.node("Relu", x), masks.fine), masks.out)


def _flat(g: NetworkWriter, x: str) -> str:
    """(N, C, h, w) to (N, C, h * w)."""
    return g.node("Reshape", x, g.constant([0, 0, -1], np.int64))

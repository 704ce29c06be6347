"""The network written out as an ONNX graph, node by node.

Writing it by hand instead of tracing takes no time, needs only the ``onnx`` package, keeps names short and puts
nothing of the machine that exports into the file. `tests/training` compares it with torch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from maskweave.training.errors import TrainingError
from maskweave.training.location import NARROWEST, TERMS, UNIT
from maskweave.training.network import (
    MAX_LOG_DISTANCE,
    MEAN,
    PROTOTYPE_STRIDE,
    SCALE,
    STRIDES,
    CompactNet,
    ConvNorm,
    PyramidPooling,
    Residual,
    SharedTower,
)

_OPSET, _IR = 17, 8
_SMALLEST_HALF = 256
"""Weights of fewer values than this stay in single precision: they weigh nothing."""


class GraphWriter:
    """Collects nodes and weights; every method adds a node and returns the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: dict[str, Any] = {}
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

    def weight(self, name: str, values: Tensor) -> str:
        """Add a weight once; large ones as half precision with a cast that engines fold when they load."""
        if name not in self.weights:
            array = values.detach().float().cpu().numpy()
            if array.size < _SMALLEST_HALF:
                self.weights[name] = numpy_helper.from_array(array, name)
                return name
            self.weights[name] = numpy_helper.from_array(array.astype(np.float16), name)
            self.node("Cast", name, name=f"{name}.float", to=TensorProto.FLOAT)
        return name if values.numel() < _SMALLEST_HALF else f"{name}.float"

    def conv(self, x: str, name: str, module: nn.Conv2d) -> str:
        """Add a plain convolution."""
        inputs = [x, self.weight(f"{name}.weight", module.weight)]
        if module.bias is not None:
            inputs.append(self.weight(f"{name}.bias", module.bias))
        return self._conv(inputs, module)

    def conv_norm(self, x: str, name: str, module: ConvNorm) -> str:
        """Add a convolution with its normalisation folded in."""
        scale, shift = scale_and_shift(module.norm)
        folded = module.conv.weight.detach() * scale[:, None, None, None]
        inputs = [x, self.weight(f"{name}.weight", folded), self.weight(f"{name}.bias", shift)]
        y = self._conv(inputs, module.conv)
        return self.node("Relu", y) if module.relu else y

    def _conv(self, inputs: list[str], module: nn.Conv2d) -> str:
        kernel, stride, padding = (int(v[0]) for v in (module.kernel_size, module.stride, module.padding))
        return self.node("Conv", *inputs, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[padding] * 4)

    def double(self, x: str, *, smooth: bool) -> str:
        """Resize a map to twice its sides, bilinear or nearest."""
        scales = self.constant([1, 1, 2, 2], np.float32)
        if smooth:
            return self.node(
                "Resize", x, "", scales, mode="linear", coordinate_transformation_mode="half_pixel"
            )
        modes = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return self.node("Resize", x, "", scales, mode="nearest", **modes)


def build_model(network: CompactNet) -> Any:
    """The whole network with preprocessing as an ONNX model without metadata; see `export` for its contract."""
    g = GraphWriter()
    architecture = network.architecture
    detail, *maps = _backbone(g, network, _prepare(g))
    levels = _neck(g, network, maps)
    classes, boxes, coefficients = _heads(g, network, levels)
    g.node("Concat", *boxes, name="boxes", axis=1)
    g.node("Sigmoid", g.node("Concat", *classes, axis=1), name="scores")
    g.node("Concat", *coefficients, name="coefficients", axis=1)
    _prototypes(g, network, detail, levels[0])
    g.node("Identity", levels[0], name="features")
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", "height", "width", 3])
    shapes: dict[str, list[Any]] = {
        "boxes": ["n", "points", 4],
        "scores": ["n", "points", network.class_out.out_channels],
        "coefficients": ["n", "points", architecture.prototypes + TERMS],
        "prototypes": ["n", architecture.prototypes + TERMS, "height/4", "width/4"],
        "features": ["n", architecture.neck, "height/8", "width/8"],
    }
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()
    ]
    graph = helper.make_graph(g.nodes, "compact", [image], outputs, list(g.weights.values()))
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", _OPSET)], producer_name="maskweave"
    )
    model.ir_version = _IR
    onnx.checker.check_model(model)
    return model


def scale_and_shift(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """What evaluation-mode batch normalisation multiplies by and adds, each (C,)."""
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise TrainingError("export: need batch normalisation with running statistics, got one without.")
    scale = norm.weight.detach() * (variance + norm.eps).rsqrt()
    return scale, norm.bias.detach() - mean * scale


def _prepare(g: GraphWriter) -> str:
    x = g.node("Cast", g.node("Transpose", "image", perm=[0, 3, 1, 2]), to=TensorProto.FLOAT)
    return g.node("Mul", g.node("Sub", x, g.constant(MEAN, np.float32)), g.constant(SCALE, np.float32))


def _backbone(g: GraphWriter, network: CompactNet, x: str) -> list[str]:
    x = g.conv_norm(x, "stem", network.backbone.stem)
    maps = []
    for index, stage in enumerate(network.backbone.stages):
        for depth, module in enumerate(stage.children()):
            name = f"stage{index}.{depth}"
            if isinstance(module, Residual):
                x = _residual(g, x, name, module)
            elif isinstance(module, ConvNorm):
                x = g.conv_norm(x, name, module)
        maps.append(x)
    maps[-1] = _pool(g, maps[-1], network.backbone.pool)
    return maps


def _residual(g: GraphWriter, x: str, name: str, module: Residual) -> str:
    y = g.conv_norm(g.conv_norm(x, f"{name}.first", module.first), f"{name}.second", module.second)
    return g.node("Relu", g.node("Add", x, y))


def _pool(g: GraphWriter, x: str, module: PyramidPooling) -> str:
    levels = [g.conv_norm(x, "pool.reduce", module.reduce)]
    for _ in range(3):
        levels.append(g.node("MaxPool", levels[-1], kernel_shape=[5, 5], strides=[1, 1], pads=[2, 2, 2, 2]))
    return g.conv_norm(g.node("Concat", *levels, axis=1), "pool.merge", module.merge)


def _neck(g: GraphWriter, network: CompactNet, maps: list[str]) -> list[str]:
    neck = network.neck

    def conv(part: str, index: int, x: str) -> str:
        return g.conv_norm(x, f"neck.{part}{index}", getattr(neck, part)[index])

    fine, middle, coarse = (conv("lateral", index, x) for index, x in enumerate(maps))
    coarse = g.node("Relu", coarse)
    middle = conv("down", 1, g.node("Add", middle, g.double(coarse, smooth=False)))
    fine = conv("down", 0, g.node("Add", fine, g.double(middle, smooth=False)))
    middle = conv("smooth", 0, g.node("Add", middle, conv("up", 0, fine)))
    coarse = conv("smooth", 1, g.node("Add", coarse, conv("up", 1, middle)))
    return [fine, middle, coarse]


def _prototypes(g: GraphWriter, network: CompactNet, detail: str, features: str) -> None:
    module = network.prototypes
    x = g.double(g.conv_norm(features, "prototypes.reduce", module.reduce), smooth=True)
    x = g.node("Relu", g.node("Add", x, g.conv_norm(detail, "prototypes.detail", module.detail)))
    x = g.conv(g.conv_norm(x, "prototypes.mix", module.mix), "prototypes.out", module.out)
    g.node("Concat", x, _coordinates(g, x), name="prototypes", axis=1)


def _coordinates(g: GraphWriter, prototypes: str) -> str:
    """(N, 6, h, w): `location.coordinate_maps` for every image."""
    shape = g.node("Shape", prototypes)
    count = g.node("Gather", shape, g.constant([0], np.int64))
    sides = g.node("Slice", shape, g.constant([2], np.int64), g.constant([4], np.int64))
    grid = g.node("Mul", _centres(g, prototypes, PROTOTYPE_STRIDE), g.constant(1 / UNIT, np.float32))
    x, y = (g.node("Gather", grid, g.constant([axis], np.int64), axis=2) for axis in (0, 1))
    one = g.node("Div", x, x)  # centres are never zero
    terms = (one, x, y, g.node("Mul", x, x), g.node("Mul", x, y), g.node("Mul", y, y))
    flat = g.node("Transpose", g.node("Concat", *terms, axis=2), perm=[0, 2, 1])
    size = g.node("Concat", count, g.constant([TERMS], np.int64), sides, axis=0)
    planes = g.node("Reshape", flat, g.node("Concat", g.constant([1, TERMS], np.int64), sides, axis=0))
    return g.node("Expand", planes, size)


def _heads(g: GraphWriter, network: CompactNet, levels: list[str]) -> tuple[list[str], list[str], list[str]]:
    classes, boxes, coefficients = [], [], []
    for level, features in enumerate(levels):
        trunk = _tower(g, features, "trunk", network.trunk, level)
        shape = _tower(g, trunk, "shape", network.shape_tower, level)
        kinds = _tower(g, trunk, "class", network.class_tower, level)
        classes.append(_flat(g, g.conv(kinds, "class_out", network.class_out), network.class_out))
        raw = g.conv(shape, "box_out", network.box_out)
        boxes.append(_boxes(g, raw, _flat(g, raw, network.box_out), STRIDES[level]))
        learned, relative = (
            _flat(g, g.conv(shape, name, module), module)
            for name, module in (
                ("coefficient_out", network.coefficient_out),
                ("location_out", network.location_out),
            )
        )
        coefficients.append(g.node("Concat", learned, _location(g, relative, boxes[-1]), axis=2))
    return classes, boxes, coefficients


def _tower(g: GraphWriter, x: str, name: str, tower: SharedTower, level: int) -> str:
    for depth, conv in enumerate(tower.convs):
        scale, shift = scale_and_shift(tower.norms[depth][level])  # type: ignore[index]
        x = g.conv(x, f"{name}.{depth}", conv)  # type: ignore[arg-type]
        x = g.node("Mul", x, g.weight(f"{name}.{depth}.scale{level}", scale[:, None, None]))
        x = g.node("Add", x, g.weight(f"{name}.{depth}.shift{level}", shift[:, None, None]))
        x = g.node("Relu", x)
    return x


def _flat(g: GraphWriter, x: str, module: nn.Conv2d) -> str:
    """(N, C, h, w) to (N, h * w, C)."""
    shape = g.constant([0, -1, module.out_channels], np.int64)
    return g.node("Reshape", g.node("Transpose", x, perm=[0, 2, 3, 1]), shape)


def _boxes(g: GraphWriter, raw: str, flat: str, stride: int) -> str:
    clipped = g.node("Min", flat, g.constant(MAX_LOG_DISTANCE, np.float32))
    distances = g.node("Mul", g.node("Exp", clipped), g.constant(stride, np.float32))
    before = g.node("Slice", distances, *(g.constant([v], np.int64) for v in (0, 2, 2)))
    after = g.node("Slice", distances, *(g.constant([v], np.int64) for v in (2, 4, 2)))
    centres = _centres(g, raw, stride)
    return g.node("Concat", g.node("Sub", centres, before), g.node("Add", centres, after), axis=2)


def _location(g: GraphWriter, relative: str, boxes: str) -> str:
    """`location.absolute_terms`."""

    def cut(x: str, first: int, last: int) -> str:
        return g.node("Slice", x, *(g.constant([v], np.int64) for v in (first, last, 2)))

    def times(*factors: str) -> str:
        product, *rest = factors
        for factor in rest:
            product = g.node("Mul", product, factor)
        return product

    boxes = g.node("Mul", boxes, g.constant(1 / UNIT, np.float32))
    low, high = cut(boxes, 0, 2), cut(boxes, 2, 4)
    centre = g.node("Mul", g.node("Add", low, high), g.constant(0.5, np.float32))
    extent = g.node("Max", g.node("Sub", high, low), g.constant(NARROWEST / UNIT, np.float32))
    steep = g.node("Reciprocal", extent)
    x, y, a, b = cut(centre, 0, 1), cut(centre, 1, 2), cut(steep, 0, 1), cut(steep, 1, 2)
    one, u, v, uu, uv, vv = (cut(relative, term, term + 1) for term in range(TERMS))
    u, v, uu, uv, vv = times(u, a), times(v, b), times(uu, a, a), times(uv, a, b), times(vv, b, b)
    two = g.constant(2, np.float32)
    linear_x = g.node("Sub", g.node("Sub", u, times(uu, x, two)), times(uv, y))
    linear_y = g.node("Sub", g.node("Sub", v, times(vv, y, two)), times(uv, x))
    squares = g.node("Add", times(uu, x, x), g.node("Add", times(uv, x, y), times(vv, y, y)))
    constant = g.node("Add", g.node("Sub", g.node("Sub", one, times(u, x)), times(v, y)), squares)
    return g.node("Concat", constant, linear_x, linear_y, uu, uv, vv, axis=2)


def _centres(g: GraphWriter, raw: str, stride: int) -> str:
    """(1, h * w, 2) x, y of the centres of a map's points in input pixels."""
    shape = g.node("Shape", raw)
    grids = []
    sides = [g.node("Gather", shape, g.constant(axis, np.int64), axis=0) for axis in (2, 3)]
    size = g.node("Slice", shape, g.constant([2], np.int64), g.constant([4], np.int64))
    for side, layout in ((sides[1], [1, -1]), (sides[0], [-1, 1])):
        steps = g.node("Range", g.constant(0, np.int64), side, g.constant(1, np.int64))
        middle = g.node("Add", g.node("Cast", steps, to=TensorProto.FLOAT), g.constant(0.5, np.float32))
        line = g.node("Mul", middle, g.constant(stride, np.float32))
        grid = g.node("Expand", g.node("Reshape", line, g.constant(layout, np.int64)), size)
        grids.append(g.node("Reshape", grid, g.constant([1, -1, 1], np.int64)))
    return g.node("Concat", *grids, axis=2)

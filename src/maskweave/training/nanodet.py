"""Load the weights of NanoDet-Plus-m-1.5x into a compact network's detector.

Published as ``nanodet-plus-m-1.5x_416.onnx`` (Apache-2.0, https://github.com/RangiLyu/nanodet/releases); the same
arrays under the names of the training checkpoint, normalization folded in, are read from an .npz file. An exported
graph has lost the names of most weights, so there the convolutions are taken in the order in which they run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from maskweave.ops.coco_names import COCO_NAMES
from maskweave.training.errors import CheckpointError
from maskweave.training.modules import Chain, bias_of
from maskweave.training.network import (
    BINS,
    MEAN,
    NECK,
    SCALE,
    Architecture,
    CompactNet,
    Conv,
    GhostBlock,
    Stage,
)

CLASS_NAMES = COCO_NAMES
"""The order of the published network's outputs."""
_MEAN, _DEVIATION = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)
"""What the published network subtracts from, and divides by, the values of its channels: blue, green, red."""
SLOPE = 0.1
"""Of its leaky ReLUs."""

Weights = dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Weight and bias of each convolution by its name in the published checkpoint."""


def read_nanodet(path: Path) -> Weights:
    """Read the published .onnx file, or an .npz of the checkpoint's arrays.

    Raises:
        CheckpointError: It is another network.
    """
    layers = [(name, shape) for name, shape, _ in _layers()]
    if path.suffix == ".npz":
        return _named_arrays(path, layers)
    found = _convolutions(path)
    if [weight.shape for weight, _ in found] != [shape for _, shape in layers]:
        raise CheckpointError(
            f"{path}: need the {len(layers)} convolutions of NanoDet-Plus-m-1.5x in their order, got "
            f"{len(found)} others. Give the published nanodet-plus-m-1.5x_416.onnx."
        )
    return {name: pair for (name, _), pair in zip(layers, found, strict=True)}


def _named_arrays(path: Path, layers: list[tuple[str, tuple[int, ...]]]) -> Weights:
    """Weight and bias of every layer of an .npz file."""
    needed = {f"{name}.weight": shape for name, shape in layers}
    needed |= {f"{name}.bias": shape[:1] for name, shape in layers}
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            stored = {name: arrays[name] for name in needed if name in arrays}
    except (OSError, ValueError, EOFError, TypeError, BadZipFile) as error:
        raise CheckpointError(f"{path}: not a readable .npz file ({error}).") from error
    for name, shape in needed.items():
        got = stored[name].shape if name in stored else "none"
        if got != shape:
            raise CheckpointError(
                f"{path}: need the arrays of NanoDet-Plus-m-1.5x, {name} {shape}, got {got}."
            )
    return {name: (stored[f"{name}.weight"], stored[f"{name}.bias"]) for name, _ in layers}


def is_nanodet(path: Path) -> bool:
    """Whether a file looks like NanoDet-Plus: an .npz of its arrays, or an ONNX graph with as many convolutions."""
    if path.suffix == ".npz":
        return True
    return path.suffix == ".onnx" and len(_convolutions(path)) == len(list(_layers()))


def load_nanodet(network: CompactNet, weights: Weights, rows: list[int | None]) -> None:
    """Fill a network's detector and give it leaky ReLUs; its mask branch is left alone.

    Args:
        network: Whose backbone, pyramid and heads to fill.
        weights: As `read_nanodet` gives them.
        rows: For each class of the network its row in `CLASS_NAMES`, None for a class that NanoDet-Plus lacks.
    """
    network.set_slope(SLOPE)
    order: NDArray[np.intp] = np.arange(len(weights["backbone.conv1.0"][0]))
    for number, stage in enumerate(network.backbone.stages):
        order = _fill_stage(stage, f"backbone.stage{number + 2}", weights, order)
        name = f"fpn.reduce_layers.{number}.conv"
        _fill(network.pyramid.reduce[number], weights[name], inputs=order)
    for name, _, module in _layers(network):
        if module is not None:
            _fill(module, weights[name])
    _fill(network.backbone.stem, _stem(*weights["backbone.conv1.0"]))
    known = [row for row in rows if row is not None]
    own = [index for index, row in enumerate(rows) if row is not None]
    with torch.no_grad():
        for level, head in enumerate(network.heads):
            weight, bias = (torch.from_numpy(array) for array in weights[f"head.gfl_cls.{level}"])
            for target, source in ((head.classes.weight, weight), (bias_of(head.classes), bias)):
                target[own] = source[known]
            head.distances.weight.copy_(weight[-4 * BINS :])
            bias_of(head.distances).copy_(bias[-4 * BINS :])


def _stem(
    weight: NDArray[np.float32], bias: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The first convolution for red, green, blue, one mean and one scale, instead of blue first and three of each."""
    mean, deviation = (np.array(each, dtype=np.float32).reshape(1, 3, 1, 1) for each in (_MEAN, _DEVIATION))
    shifted = bias + (weight * ((MEAN - mean) / deviation)).sum((1, 2, 3))
    return (weight / (deviation * SCALE))[:, ::-1], shifted


def _fill_stage(stage: Stage, name: str, weights: Weights, order: NDArray[np.intp]) -> NDArray[np.intp]:
    """Fill a stage whose input channels stand in an order; return the order of its output channels."""
    plan = stage.plan
    _fill(stage.shortcut[0], weights[f"{name}.0.branch1.0"], outputs=order)
    _fill(stage.shortcut[1], weights[f"{name}.0.branch1.2"], inputs=order, outputs=plan.orders[0])
    for number, unit in enumerate(stage.units):
        reads = order if number == 0 else plan.read_orders[number - 1]
        for layer, part in enumerate((0, 3, 5)):
            _fill(
                unit[layer],
                weights[f"{name}.{number}.branch2.{part}"],
                inputs=reads if layer == 0 else None,
                outputs=plan.orders[1 + number] if layer == 2 else None,
            )
    return plan.output_order


def _fill(
    module: Conv,
    arrays: tuple[NDArray[np.float32], NDArray[np.float32]],
    *,
    inputs: NDArray[np.intp] | None = None,
    outputs: NDArray[np.intp] | None = None,
) -> None:
    weight, bias = arrays
    if inputs is not None:
        weight = weight[:, inputs]
    if outputs is not None:
        weight, bias = weight[outputs], bias[outputs]
    with torch.no_grad():
        module.conv.weight.copy_(_tensor(weight))
        bias_of(module.conv).copy_(_tensor(bias))


def _tensor(array: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))


class Layer(NamedTuple):
    """A convolution as published: its name, the shape of its weight, and the module whose channels keep its order."""

    name: str
    shape: tuple[int, ...]
    module: Conv | None = None


def _layers(network: CompactNet | None = None) -> Iterator[Layer]:
    """All convolutions in the order in which they run."""
    network = network or CompactNet(Architecture(len(CLASS_NAMES)))
    yield Layer("backbone.conv1.0", (24, 3, 3, 3))
    for number, stage in enumerate(network.backbone.stages):
        name = f"backbone.stage{number + 2}"
        for part, conv in zip((0, 2), stage.shortcut, strict=True):
            yield Layer(f"{name}.0.branch1.{part}", _shape(conv))
        for index, unit in enumerate(stage.units):
            for part, conv in zip((0, 3, 5), unit, strict=True):
                yield Layer(f"{name}.{index}.branch2.{part}", _shape(conv))
    pyramid = network.pyramid
    for number, conv in enumerate(pyramid.reduce):
        yield Layer(f"fpn.reduce_layers.{number}.conv", _shape(conv))
    for number, block in enumerate(pyramid.top_down):
        yield from _block(f"fpn.top_down_blocks.{number}.blocks.0", block)
    for number, (down, block) in enumerate(zip(pyramid.down, pyramid.bottom_up, strict=True)):
        yield from _separable(f"fpn.downsamples.{number}", down)
        yield from _block(f"fpn.bottom_up_blocks.{number}.blocks.0", block)
    yield from _separable("fpn.extra_lvl_in_conv.0", pyramid.extra_in)
    yield from _separable("fpn.extra_lvl_out_conv.0", pyramid.extra_out)
    for level, head in enumerate(network.heads):
        for depth, pair in enumerate(head.tower):
            yield from _separable(f"head.cls_convs.{level}.{depth}", pair)
        yield Layer(f"head.gfl_cls.{level}", (len(CLASS_NAMES) + 4 * BINS, NECK, 1, 1))


def _block(name: str, block: GhostBlock) -> Iterator[Layer]:
    parts = {
        "ghost1.primary_conv.0": block.first.primary,
        "ghost1.cheap_operation.0": block.first.cheap,
        "ghost2.primary_conv.0": block.second.primary,
        "ghost2.cheap_operation.0": block.second.cheap,
        "shortcut.0": block.shortcut[0],
        "shortcut.2": block.shortcut[1],
    }
    for part, conv in parts.items():
        yield Layer(f"{name}.{part}", _shape(conv), conv)


def _separable(name: str, pair: Chain[Conv]) -> Iterator[Layer]:
    for part, conv in zip(("depthwise", "pointwise"), pair, strict=True):
        yield Layer(f"{name}.{part}", _shape(conv), conv)


def _shape(conv: Conv) -> tuple[int, ...]:
    return tuple(conv.conv.weight.shape)


def _convolutions(path: Path) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Weight and bias of every convolution of an ONNX graph, in the order of its nodes."""
    import onnx
    from onnx import numpy_helper

    try:
        graph = onnx.load(str(path)).graph
    except Exception as error:  # protobuf's own errors differ between its versions
        raise CheckpointError(f"{path}: not a readable ONNX file ({error}).") from error
    arrays = {each.name: each for each in graph.initializer}
    found = []
    for node in graph.node:
        if node.op_type == "Conv" and all(name in arrays for name in node.input[1:]) and len(node.input) == 3:
            weight, bias = (numpy_helper.to_array(arrays[name]) for name in node.input[1:])
            found.append((weight.astype(np.float32), bias.astype(np.float32)))
    return found

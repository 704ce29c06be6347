"""Export the guide as one ONNX file with its own preprocessing, as `maskweave.models.guided` reads it."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from maskweave.ops.guidance import MAPS
from maskweave.training.export import save_graph
from maskweave.training.graph import NetworkWriter
from maskweave.training.guide.network import MEAN, SCALE, TAPS, Block, GuideNet


@dataclass(frozen=True)
class GuideInfo:
    """What an exported file says about itself.

    Attributes:
        size: Side of the crops.
        license: Of the weights.
        version: Of the weights.
    """

    size: int = 256
    license: str = "unstated"
    version: str = "0"

    def metadata(self) -> dict[str, str]:
        """As ONNX metadata."""
        return {
            "maskweave.family": "guided",
            "maskweave.license": self.license,
            "maskweave.version": self.version,
        }


def export_guide(network: GuideNet, path: Path, info: GuideInfo) -> None:
    """Write the network, which is left as it is, as ONNX with half-precision weights that are cast on loading."""
    ready = copy.deepcopy(network).float().cpu().eval()
    save_graph(build_guide(ready, info.size), path, info.metadata())


def build_guide(network: GuideNet, size: int) -> Any:
    """The whole network with preprocessing as an ONNX model without metadata, for crops of one size."""
    g = NetworkWriter(network)
    images = _planes(g, "image", (MEAN, SCALE))
    guidance = _planes(g, "guidance", (0, 1 / 255))
    half = g.node("AveragePool", guidance, kernel_shape=[2, 2], strides=[2, 2])
    x = g.relu6(g.node("Add", g.conv(images, network.stem), g.conv(guidance, network.guide_stem)))
    maps = []
    for number, block in enumerate(network.blocks):
        x = _block(g, x, block)
        if number == TAPS[1]:
            x = g.node("Add", x, g.conv(half, network.guide_middle))
        if number in TAPS:
            maps.append(x)
    y = g.conv(g.conv(maps[-1], network.lateral[-1]), network.mix[-1])
    for level in (3, 2, 1):
        y = g.conv(
            g.node("Add", g.double(y), g.conv(maps[level], network.lateral[level])), network.mix[level - 1]
        )
    y = g.node("Add", g.double(g.conv(y, network.narrow)), g.conv(maps[0], network.lateral[0]))
    y = g.node("Relu", g.node("Add", y, g.conv(half, network.guide_fine)))
    g.node("Identity", g.double(g.conv(g.chain(y, network.fine), network.out)), name="masks")
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.UINT8, ["n", size, size, channels])
        for name, channels in (("image", 3), ("guidance", MAPS))
    ]
    output = helper.make_tensor_value_info("masks", TensorProto.FLOAT, ["n", 1, size, size])
    return g.model("guide", inputs, [output])


def _planes(g: NetworkWriter, name: str, normal: tuple[float, float]) -> str:
    """Bytes (N, S, S, C) as (N, C, S, S), less a mean and scaled."""
    x = g.node("Cast", g.node("Transpose", name, perm=[0, 3, 1, 2]), to=TensorProto.FLOAT)
    mean, scale = (g.constant(value, np.float32) for value in normal)
    return g.node("Mul", g.node("Sub", x, mean), scale)


def _block(g: NetworkWriter, x: str, block: Block) -> str:
    y = x if block.expand is None else g.relu6(g.conv(x, block.expand))
    y = g.conv(g.relu6(g.conv(y, block.depthwise)), block.project)
    return g.node("Add", x, y) if block.residual else y

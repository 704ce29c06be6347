"""The guide: an EfficientNet-Lite0 that sees four maps of guidance beside the crop, and draws what they mean.

The backbone is EfficientNet-Lite0 (arXiv:1905.11946; Lite: no squeeze and excitation, ReLU6) up to stride 32, its
batch norms folded into the convolutions, so that the trained network is the exported one. Guidance enters the stem,
the map of stride 4 and the map of stride 2 by convolutions that start at zero, so that a run begins with
what the backbone knows (as ControlNet's do, arXiv:2302.05543). A pyramid (arXiv:1612.03144) leads down to stride 2.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional

from maskweave.ops.guidance import MAPS
from maskweave.training.modules import Chain, Modules, bias_of
from maskweave.training.network import Conv

MEAN, SCALE = 127, 1 / 128
"""Pixels enter the network as (value - MEAN) * SCALE, as EfficientNet-Lite's did when it learned ImageNet."""
STEM = 32
WIDTH, FINE = 48, 24
"""Channels of the pyramid, and of its finest level."""


class BlockPlan(NamedTuple):
    """An inverted residual block: channels in and out, expansion, kernel, stride."""

    inputs: int
    outputs: int
    expansion: int
    kernel: int
    stride: int


_GROUPS = (
    (1, 16, 3, 1, 1),
    (6, 24, 3, 2, 2),
    (6, 40, 5, 2, 2),
    (6, 80, 3, 2, 3),
    (6, 112, 5, 1, 3),
    (6, 192, 5, 2, 4),
    (6, 320, 3, 1, 1),
)
"""Expansion, channels, kernel, stride and repeats of EfficientNet-B0's groups of blocks."""


def _plan() -> tuple[BlockPlan, ...]:
    blocks, inputs = [], STEM
    for expansion, outputs, kernel, stride, repeats in _GROUPS:
        for repeat in range(repeats):
            blocks.append(BlockPlan(inputs, outputs, expansion, kernel, stride if repeat == 0 else 1))
            inputs = outputs
    return tuple(blocks)


BLOCKS = _plan()
TAPS = (0, 2, 4, 10, 15)
"""Blocks that the pyramid reads: the last of strides 2, 4, 8, 16 and 32."""


class Block(nn.Module):
    """Inverted residual block (arXiv:1801.04381)."""

    def __init__(self, plan: BlockPlan) -> None:
        super().__init__()
        wide = plan.inputs * plan.expansion
        self.expand = Conv(plan.inputs, wide, active=False) if plan.expansion > 1 else None
        self.depthwise = Conv(wide, wide, plan.kernel, stride=plan.stride, depthwise=True, active=False)
        self.project = Conv(wide, plan.outputs, active=False)
        self.residual = plan.stride == 1 and plan.inputs == plan.outputs

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        y = x if self.expand is None else functional.relu6(self.expand(x), inplace=True)
        y = self.project(functional.relu6(self.depthwise(y), inplace=True))
        out: Tensor = x + y if self.residual else y
        return out


class GuideNet(nn.Module):
    """Crop and guidance to the mask of the thing that is meant.

    Takes crops (N, 3, S, S) already normalized and guidance (N, 4, S, S) in 0..1 (`maskweave.ops.guidance`), S a
    multiple of 32, and returns logits (N, 1, S, S).
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = Conv(3, STEM, 3, stride=2, active=False)
        self.blocks = Modules(Block(plan) for plan in BLOCKS)
        widths = [BLOCKS[tap].outputs for tap in TAPS]
        self.lateral = Modules(
            Conv(width, FINE if level == 0 else WIDTH, active=False) for level, width in enumerate(widths)
        )
        self.mix = Modules(Conv(WIDTH, WIDTH, 3) for _ in widths[1:])
        self.narrow = Conv(WIDTH, FINE, active=False)
        self.fine = Chain(Conv(FINE, FINE, 3), Conv(FINE, FINE, 3))
        self.out = nn.Conv2d(FINE, 1, 1)
        self.guide_stem = nn.Conv2d(MAPS, STEM, 3, 2, 1)
        self.guide_middle = nn.Conv2d(MAPS, widths[1], 3, 2, 1)
        self.guide_fine = nn.Conv2d(MAPS, FINE, 3, 1, 1)
        for conv in (self.guide_stem, self.guide_middle, self.guide_fine):
            nn.init.zeros_(conv.weight)
            nn.init.zeros_(bias_of(conv))
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.constant_(bias_of(self.out), -1.0)  # most of a crop is not the thing

    def forward(self, images: Tensor, guidance: Tensor) -> Tensor:
        """(N, 3, S, S) and (N, 4, S, S) to logits (N, 1, S, S)."""
        half = functional.avg_pool2d(guidance, 2)
        x = functional.relu6(self.stem(images) + self.guide_stem(guidance), inplace=True)
        maps = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number == TAPS[1]:
                x = x + self.guide_middle(half)
            if number in TAPS:
                maps.append(x)
        y = self.mix[-1](self.lateral[-1](maps[-1]))
        for level in (3, 2, 1):
            y = self.mix[level - 1](double(y) + self.lateral[level](maps[level]))
        y = double(self.narrow(y)) + self.lateral[0](maps[0]) + self.guide_fine(half)
        logits: Tensor = self.out(self.fine(functional.relu(y)))
        return double(logits.float())


def double(x: Tensor) -> Tensor:
    """Resize a map to twice its sides, bilinear."""
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def normalize(images: Tensor) -> Tensor:
    """Turn uint8 RGB (N, S, S, 3) into the float (N, 3, S, S) the network takes."""
    return (images.permute(0, 3, 1, 2).float() - MEAN) * SCALE


def normalize_guidance(guidance: Tensor) -> Tensor:
    """Turn uint8 maps (N, S, S, 4) into the float (N, 4, S, S) the network takes."""
    return guidance.permute(0, 3, 1, 2).float() / 255

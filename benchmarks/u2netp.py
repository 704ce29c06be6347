"""U²-Net's small form with random weights: what rembg calls u2netp, for comparing times where no weights can be had.

Layers, channels and sizes are those of xuebinqin/U-2-Net (``U2NETP``), so a run costs what it costs with learned
weights; what comes out means nothing.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

_INPUT = 320
_STAGES = ((7, 3), (6, 64), (5, 64), (4, 64), (0, 64), (0, 64))
"""Depth (0: dilated, without shrinking) and input channels of each encoder stage; decoder stages take 128."""


class _Conv(nn.Sequential):
    """A 3x3 convolution with batch normalization and ReLU."""

    def __init__(self, given: int, made: int, dilation: int = 1) -> None:
        conv = nn.Conv2d(given, made, 3, padding=dilation, dilation=dilation)
        super().__init__(conv, nn.BatchNorm2d(made), nn.ReLU(inplace=True))


class _Block(nn.Module):
    """A residual U of a depth; of depth 0 its layers are dilated instead of shrunk."""

    def __init__(self, depth: int, given: int, middle: int = 16, made: int = 64) -> None:
        super().__init__()
        self.shrinks = depth > 0
        depth = depth or 4
        rates = [1] * (depth - 1) + [2] if self.shrinks else [2**place for place in range(depth)]
        self.first = _Conv(given, made)
        self.down = nn.ModuleList(
            _Conv(middle if place else made, middle, rate) for place, rate in enumerate(rates)
        )
        self.up = nn.ModuleList(
            _Conv(2 * middle, middle if place else made, 1 if self.shrinks else rates[place])
            for place in reversed(range(depth - 1))
        )

    def forward(self, given: Tensor) -> Tensor:
        """Features of the same height and width."""
        start = self.first(given)
        seen, now = [], start
        for place, layer in enumerate(self.down):
            if self.shrinks and 0 < place < len(self.down) - 1:
                now = functional.max_pool2d(now, 2, stride=2, ceil_mode=True)
            now = layer(now)
            seen.append(now)
        for layer, other in zip(self.up, reversed(seen[:-1]), strict=True):
            if now.shape != other.shape:
                now = functional.interpolate(now, size=other.shape[2:], mode="bilinear")
            now = layer(torch.cat([now, other], 1))
        return start + now


class U2NetP(nn.Module):
    """Six stages down, five up, a map of each of six, and one of all."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(_Block(depth, given) for depth, given in _STAGES)
        self.up = nn.ModuleList(_Block(depth, 128) for depth, _ in reversed(_STAGES[:-1]))
        self.sides = nn.ModuleList(nn.Conv2d(64, 1, 3, padding=1) for _ in _STAGES)
        self.all = nn.Conv2d(len(_STAGES), 1, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Alpha of (1, 3, H, W), of the same height and width."""
        seen, now = [], image
        for place, block in enumerate(self.down):
            now = block(now if not place else functional.max_pool2d(now, 2, stride=2, ceil_mode=True))
            seen.append(now)
        maps = [now]
        for block, other in zip(self.up, reversed(seen[:-1]), strict=True):
            now = functional.interpolate(now, size=other.shape[2:], mode="bilinear")
            now = block(torch.cat([now, other], 1))
            maps.append(now)
        sides = [
            functional.interpolate(side(each), size=image.shape[2:], mode="bilinear")
            for side, each in zip(self.sides, reversed(maps), strict=True)
        ]
        return torch.sigmoid(self.all(torch.cat(sides, 1)))


def save(path: Path) -> Path:
    """Write the network with random weights (seed 0) as ONNX."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    network = U2NetP().eval()
    torch.onnx.export(
        network,
        (torch.zeros(1, 3, _INPUT, _INPUT),),
        path,
        input_names=["image"],
        output_names=["alpha"],
        dynamo=False,
        opset_version=17,
    )
    return path


if __name__ == "__main__":
    print(sum(each.numel() for each in U2NetP().parameters()))

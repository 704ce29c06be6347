"""The compact network: residual backbone, two-way feature pyramid, point heads and mask prototypes.

A one-stage design after YOLACT (prototypes and coefficients, arXiv:1904.02689), FCOS (one prediction a point,
arXiv:1904.01355) and RTMDet (head convolutions shared by the levels, statistics not, arXiv:2212.07784).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from maskweave.training.location import TERMS, absolute_terms, coordinate_maps

STRIDES = (8, 16, 32)
PROTOTYPE_STRIDE = 4
MAX_LOG_DISTANCE = 6.0
MEAN, SCALE = 114.0, 1.0 / 58.0
"""Pixels enter the network as (value - MEAN) * SCALE; the grey of the padding becomes zero."""


@dataclass(frozen=True)
class Architecture:
    """Shape of a compact network; two checkpoints fit each other when these are equal.

    Attributes:
        classes: Number of classes C.
        widths: Channels after the stem and after each of the four stages (strides 2, 4, 8, 16, 32).
        depths: Residual blocks in each of the four stages.
        neck: Channels F of the feature pyramid.
        prototypes: Number of learned prototype masks; with the six of `location` they are K.
    """

    classes: int
    widths: tuple[int, int, int, int, int] = (24, 40, 80, 160, 224)
    depths: tuple[int, int, int, int] = (1, 2, 2, 1)
    neck: int = 80
    prototypes: int = 24

    def to_dict(self) -> dict[str, object]:
        """Plain values for a checkpoint."""
        return asdict(self)


@dataclass(frozen=True)
class RawOutput:
    """What the network says about a batch before any decoding.

    Attributes:
        class_logits: (N, P, C), unbounded.
        boxes: (N, P, 4), xyxy in input pixels.
        coefficients: (N, P, K).
        prototypes: (N, K, H/4, W/4).
        features: (N, F, H/8, W/8), stride-8 pyramid level.
        semantic_logits: (N, C, H/8, W/8), used in training only; None in evaluation mode.
    """

    class_logits: Tensor
    boxes: Tensor
    coefficients: Tensor
    prototypes: Tensor
    features: Tensor
    semantic_logits: Tensor | None


class ConvNorm(nn.Module):
    """Convolution, batch normalisation and (unless told otherwise) ReLU."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, *, stride: int = 1, relu: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, outputs, H / stride, W / stride)."""
        x = self.norm(self.conv(x))
        return functional.relu(x, inplace=True) if self.relu else x


class Residual(nn.Module):
    """Two 3x3 convolutions around a shortcut; the second starts at zero so that a deep stack starts shallow."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvNorm(channels, channels)
        self.second = ConvNorm(channels, channels, relu=False)
        nn.init.zeros_(self.second.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, C, H, W)."""
        y: Tensor = self.second(self.first(x))
        return functional.relu(x + y, inplace=True)


class PyramidPooling(nn.Module):
    """Three chained 5x5 max-pools beside their input: a wide view of the coarsest map for little work."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.reduce = ConvNorm(channels, half, 1)
        self.merge = ConvNorm(half * 4, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, C, H, W)."""
        levels = [self.reduce(x)]
        for _ in range(3):
            levels.append(functional.max_pool2d(levels[-1], 5, 1, 2))
        merged: Tensor = self.merge(torch.cat(levels, 1))
        return merged


class Backbone(nn.Module):
    """Plain residual stages; returns the maps of strides 4, 8, 16 and 32."""

    def __init__(self, widths: tuple[int, int, int, int, int], depths: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.stem = ConvNorm(3, widths[0], stride=2)
        self.stages = nn.ModuleList()
        for inputs, outputs, depth in zip(widths[:-1], widths[1:], depths, strict=True):
            blocks = [ConvNorm(inputs, outputs, stride=2), *(Residual(outputs) for _ in range(depth))]
            self.stages.append(nn.Sequential(*blocks))
        self.pool = PyramidPooling(widths[-1])

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, 3, H, W) to the maps of strides 4, 8, 16 and 32."""
        x = self.stem(x)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        maps[-1] = self.pool(maps[-1])
        return maps


class Neck(nn.Module):
    """Two-way pyramid with sums instead of concatenations: coarse to fine, then fine to coarse."""

    def __init__(self, widths: tuple[int, ...], channels: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(ConvNorm(w, channels, 1, relu=False) for w in widths)
        self.down = nn.ModuleList(ConvNorm(channels, channels) for _ in widths[1:])
        self.up = nn.ModuleList(ConvNorm(channels, channels, stride=2, relu=False) for _ in widths[1:])
        self.smooth = nn.ModuleList(ConvNorm(channels, channels) for _ in widths[1:])

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Maps of strides 8, 16, 32 to as many of equal width."""
        fine, middle, coarse = (lateral(m) for lateral, m in zip(self.lateral, maps, strict=True))
        coarse = functional.relu(coarse)
        middle = self.down[1](middle + functional.interpolate(coarse, scale_factor=2.0))
        fine = self.down[0](fine + functional.interpolate(middle, scale_factor=2.0))
        middle = self.smooth[0](middle + self.up[0](fine))
        coarse = self.smooth[1](coarse + self.up[1](middle))
        return [fine, middle, coarse]


class Prototypes(nn.Module):
    """Prototype masks at stride 4 from the finest pyramid level and the stride-4 backbone map."""

    def __init__(self, fine: int, neck: int, prototypes: int) -> None:
        super().__init__()
        hidden = neck // 2
        self.reduce = ConvNorm(neck, hidden, 1, relu=False)
        self.detail = ConvNorm(fine, hidden, 1, relu=False)
        self.mix = ConvNorm(hidden, hidden)
        self.out = nn.Conv2d(hidden, prototypes, 1)

    def forward(self, detail: Tensor, features: Tensor) -> Tensor:
        """Maps of strides 4 and 8 to (N, K, H/4, W/4)."""
        x = functional.interpolate(
            self.reduce(features), scale_factor=2.0, mode="bilinear", align_corners=False
        )
        x = self.mix(functional.relu(x + self.detail(detail)))
        prototypes: Tensor = self.out(x)
        return prototypes


class SharedTower(nn.Module):
    """3x3 convolutions whose weights all levels share while each level keeps its own batch statistics."""

    def __init__(self, channels: int, depth: int = 1) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(channels, channels, 3, 1, 1, bias=False) for _ in range(depth))
        self.norms = nn.ModuleList(
            nn.ModuleList(nn.BatchNorm2d(channels) for _ in STRIDES) for _ in range(depth)
        )

    def forward(self, x: Tensor, level: int) -> Tensor:
        """Keep the shape (N, C, H, W) of the map of one level (0, 1, 2)."""
        for conv, norms in zip(self.convs, self.norms, strict=True):
            x = functional.relu(norms[level](conv(x)), inplace=True)  # type: ignore[index]
        return x


class CompactNet(nn.Module):
    """Backbone, neck and heads.

    Takes float images (N, 3, H, W) already normalised (`normalise`), H and W multiples of 32, and returns
    `RawOutput`. Points are ordered by level (strides 8, 16, 32), then row, then column.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        widths, neck, classes = architecture.widths, architecture.neck, architecture.classes
        self.backbone = Backbone(widths, architecture.depths)
        self.neck = Neck(widths[2:], neck)
        self.prototypes = Prototypes(widths[1], neck, architecture.prototypes)
        self.trunk = SharedTower(neck)
        self.class_tower = SharedTower(neck)
        self.shape_tower = SharedTower(neck)
        self.class_out = nn.Conv2d(neck, classes, 1)
        self.box_out = nn.Conv2d(neck, 4, 1)
        self.coefficient_out = nn.Conv2d(neck, architecture.prototypes, 1)
        self.location_out = nn.Conv2d(neck, TERMS, 1)
        self.semantic_out = nn.Conv2d(neck, classes, 1)
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for out, std, bias in (
            (self.class_out, 0.01, -math.log((1 - 0.01) / 0.01)),  # focal-loss prior, arXiv:1708.02002
            (self.semantic_out, 0.01, -math.log((1 - 0.05) / 0.05)),
            (self.box_out, 0.01, math.log(2.5)),  # objects start 5 strides wide
            (self.coefficient_out, 0.05, 0.0),
            (self.location_out, 0.0, 0.0),  # masks start as prototypes alone
        ):
            nn.init.normal_(out.weight, std=std)
            nn.init.constant_(out.bias, bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> RawOutput:
        """(N, 3, H, W) to everything the heads say."""
        maps = self.backbone(images)
        levels = self.neck(maps[1:])
        classes, boxes, coefficients = [], [], []
        for index, (features, stride) in enumerate(zip(levels, STRIDES, strict=True)):
            trunk = self.trunk(features, index)
            shape = self.shape_tower(trunk, index)
            classes.append(_flatten(self.class_out(self.class_tower(trunk, index))))
            boxes.append(_decode_boxes(self.box_out(shape), stride))
            location = absolute_terms(_flatten(self.location_out(shape)).float(), boxes[-1])
            coefficients.append(torch.cat((_flatten(self.coefficient_out(shape)).float(), location), 2))
        return RawOutput(
            class_logits=torch.cat(classes, 1),
            boxes=torch.cat(boxes, 1),
            coefficients=torch.cat(coefficients, 1),
            prototypes=_with_coordinates(self.prototypes(maps[0], levels[0])),
            features=levels[0],
            semantic_logits=self.semantic_out(levels[0]) if self.training else None,
        )


def normalise(images: Tensor) -> Tensor:
    """Turn uint8 RGB (N, H, W, 3) into the float (N, 3, H, W) the network takes."""
    return (images.permute(0, 3, 1, 2).float() - MEAN) * SCALE


def point_centres(height: int, width: int, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Centres (P, 2) as x, y in input pixels and strides (P,) of all points of an input of that size."""
    centres, strides = [], []
    for stride in STRIDES:
        grid = _grid(height // stride, width // stride, stride, device)
        centres.append(grid)
        strides.append(torch.full((len(grid),), float(stride), device=device))
    return torch.cat(centres), torch.cat(strides)


def _grid(rows: int, columns: int, stride: int, device: torch.device | None) -> Tensor:
    ys = (torch.arange(rows, device=device, dtype=torch.float32) + 0.5) * stride
    xs = (torch.arange(columns, device=device, dtype=torch.float32) + 0.5) * stride
    y, x = torch.meshgrid(ys, xs, indexing="ij")
    return torch.stack((x.reshape(-1), y.reshape(-1)), 1)


def _with_coordinates(prototypes: Tensor) -> Tensor:
    """(N, K - 6, h, w) to (N, K, h, w), single precision."""
    count, _, rows, columns = prototypes.shape
    maps = coordinate_maps(rows, columns, PROTOTYPE_STRIDE, prototypes.device)
    return torch.cat((prototypes.float(), maps.expand(count, -1, -1, -1)), 1)


def _flatten(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, x.shape[1])


def _decode_boxes(raw: Tensor, stride: int) -> Tensor:
    """Distances left, top, right, bottom (exponential, in strides) around each point to xyxy."""
    centres = _grid(raw.shape[2], raw.shape[3], stride, raw.device)
    distances = _flatten(raw).float().clamp(max=MAX_LOG_DISTANCE).exp() * stride
    return torch.cat((centres - distances[..., :2], centres + distances[..., 2:]), 2)

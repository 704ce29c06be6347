"""The compact network: a ShuffleNet V2 detector with four point heads, and a branch that gives every point a mask.

The detector is NanoDet-Plus-m-1.5x (https://github.com/RangiLyu/nanodet): ShuffleNet V2 (arXiv:1807.11164), a pyramid
of ghost blocks (arXiv:1911.11907) and heads after Generalized Focal Loss (arXiv:2006.04388). Masks are dynamic: each
point predicts the weights of a tiny network that turns eight prototypes and the position in the object's box into its
mask (CondInst, arXiv:2003.05664; RTMDet, arXiv:2212.07784). Normalization is folded into the convolutions throughout,
and channel shuffles into their order (`shuffle`), so that the trained network is the exported one.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from maskweave.training.modules import Chain, Modules, bias_of
from maskweave.training.shuffle import StagePlan, plan_stage

STRIDES = (8, 16, 32, 64)
PROTOTYPE_STRIDE = 4
BINS = 8
"""Distances to a box's sides are distributions over 0..7 strides."""
PARTS = ("backbone", "pyramid", "heads", "masks")
"""Parts of the network, each on top of those before it."""
MEAN, SCALE = 116, 1 / 58
"""Pixels enter the network as (value - MEAN) * SCALE: what an INT8 network reads from the image's own bytes."""

_STEM, _STAGES, _UNITS = 24, (176, 352, 704), (4, 8, 4)
NECK = 128


@dataclass(frozen=True)
class Architecture:
    """Shape of a compact network; two checkpoints fit each other when these are equal.

    Attributes:
        classes: Number of classes C.
        prototypes: Number of prototype maps.
    """

    classes: int
    prototypes: int = 8

    def to_dict(self) -> dict[str, object]:
        """Plain values for a checkpoint."""
        return asdict(self)


@dataclass(frozen=True)
class RawOutput:
    """What the network says about a batch before any decoding.

    Attributes:
        class_logits: (N, P, C), unbounded.
        distances: (N, P, 4, BINS) logits of the distances left, top, right, bottom, in strides.
        boxes: (N, P, 4), xyxy in input pixels.
        kernels: (N, P, K), weights of each point's mask network.
        prototypes: (N, M, H/4, W/4).
        features: (N, F, H/8, W/8), stride-8 pyramid level.
    """

    class_logits: Tensor
    distances: Tensor
    boxes: Tensor
    kernels: Tensor
    prototypes: Tensor
    features: Tensor


class Conv(nn.Module):
    """Convolution with bias and, unless switched off, the network's activation.

    Depthwise ones (as many groups as channels) stay in single precision under autocast: on CPUs they are three times
    slower in bfloat16.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        depthwise: bool = False,
        active: bool = True,
    ) -> None:
        super().__init__()
        groups = inputs if depthwise else 1
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups)
        self.depthwise, self.active, self.slope = depthwise, active, 0.0
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_in", nonlinearity="relu" if active else "linear")
        nn.init.zeros_(bias_of(self.conv))

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, ceil(H / stride), ceil(W / stride))."""
        if self.depthwise:
            with torch.autocast(x.device.type, enabled=False):
                x = self.conv(x.float())
        else:
            x = self.conv(x)
        if not self.active:
            return x
        return (
            functional.leaky_relu(x, self.slope, inplace=True)
            if self.slope
            else functional.relu(x, inplace=True)
        )


def separable(channels: int, *, stride: int = 1) -> Chain[Conv]:
    """5x5 depthwise and 1x1 convolution, each with activation."""
    return Chain(Conv(channels, channels, 5, stride=stride, depthwise=True), Conv(channels, channels))


class Stage(nn.Module):
    """A stage of ShuffleNet V2 whose channel shuffles are folded into the order of its channels.

    Each unit makes half of the channels again and passes the other half on. `StagePlan` says which of the channels
    made earlier a unit reads, as slices; nothing is shuffled.
    """

    def __init__(self, inputs: int, plan: StagePlan) -> None:
        super().__init__()
        self.plan = plan
        half = plan.half
        self.shortcut = Chain(
            Conv(inputs, inputs, 3, stride=2, depthwise=True, active=False), Conv(inputs, half)
        )
        self.units = Modules(
            Chain(
                Conv(inputs if unit == 0 else half, half),
                Conv(half, half, 3, stride=2 if unit == 0 else 1, depthwise=True, active=False),
                Conv(half, half),
            )
            for unit in range(plan.units)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, 2 * half, H / 2, W / 2)."""
        made = [self.shortcut(x), self.units[0](x)]
        for number, slices in enumerate(self.plan.reads):
            made.append(self.units[1 + number](_gather(made, slices)))
        return _gather(made, self.plan.output)


def _gather(made: list[Tensor], slices: tuple[tuple[int, int, int], ...]) -> Tensor:
    return torch.cat([made[source][:, first:last] for source, first, last in slices], 1)


class Backbone(nn.Module):
    """Stem and three stages; the maps of strides 4, 8, 16 and 32."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Conv(3, _STEM, 3, stride=2)
        widths = (_STEM, *_STAGES)
        self.stages = Modules(
            Stage(inputs, plan_stage(outputs, units))
            for inputs, outputs, units in zip(widths[:-1], _STAGES, _UNITS, strict=True)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, 3, H, W) to the maps of strides 4, 8, 16 and 32."""
        maps = [functional.max_pool2d(self.stem(x), 3, 2, 1)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps


class Ghost(nn.Module):
    """Half of the channels by a 1x1 convolution, the other half from those by a 3x3 depthwise one."""

    def __init__(self, inputs: int, outputs: int, *, active: bool) -> None:
        super().__init__()
        self.primary = Conv(inputs, outputs // 2, active=active)
        self.cheap = Conv(outputs // 2, outputs // 2, 3, depthwise=True, active=active)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H, W)."""
        first = self.primary(x)
        return torch.cat((first, self.cheap(first).to(first.dtype)), 1)


class GhostBlock(nn.Module):
    """Two ghost layers beside a shortcut: joins two pyramid levels."""

    def __init__(self) -> None:
        super().__init__()
        self.first = Ghost(2 * NECK, NECK, active=True)
        self.second = Ghost(NECK, NECK, active=False)
        self.shortcut = Chain(
            Conv(2 * NECK, 2 * NECK, 5, depthwise=True, active=False), Conv(2 * NECK, NECK, active=False)
        )

    def forward(self, upper: Tensor, lower: Tensor) -> Tensor:
        """Two maps of one size to one."""
        x = torch.cat((upper, lower), 1)
        y: Tensor = self.second(self.first(x)) + self.shortcut(x)
        return y


class Pyramid(nn.Module):
    """Two-way pyramid (GhostPAN): maps of strides 8, 16, 32 to four levels of strides 8 to 64."""

    def __init__(self) -> None:
        super().__init__()
        self.reduce = Modules(Conv(width, NECK) for width in _STAGES)
        self.top_down = Modules(GhostBlock() for _ in range(2))
        self.down = Modules(separable(NECK, stride=2) for _ in range(2))
        self.bottom_up = Modules(GhostBlock() for _ in range(2))
        self.extra_in = separable(NECK, stride=2)
        self.extra_out = separable(NECK, stride=2)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Backbone maps to the levels."""
        fine, middle, coarse = (reduce(x) for reduce, x in zip(self.reduce, maps, strict=True))
        middle = self.top_down[0](_double(coarse), middle)
        fine = self.top_down[1](_double(middle), fine)
        middle = self.bottom_up[0](self.down[0](fine), middle)
        last = self.bottom_up[1](self.down[1](middle), coarse)
        return [fine, middle, last, self.extra_in(coarse) + self.extra_out(last)]


def _double(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


class Head(nn.Module):
    """Classes and box of every point of one level."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.tower = Chain(separable(NECK), separable(NECK))
        self.classes = nn.Conv2d(NECK, classes, 1)
        self.distances = nn.Conv2d(NECK, 4 * BINS, 1)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, F, h, w) to class logits, distance logits and the tower's last map."""
        x = self.tower(features)
        return self.classes(x), self.distances(x), x


class KernelLayout(NamedTuple):
    """How a point's K numbers become the layers of its mask network: widths of input, two hidden layers, output."""

    inputs: int
    hidden: int = 8

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """(outputs, inputs) of each layer."""
        return (self.hidden, self.inputs), (self.hidden, self.hidden), (1, self.hidden)

    @property
    def size(self) -> int:
        """K: weights and biases of all layers."""
        return sum(outputs * (inputs + 1) for outputs, inputs in self.shapes)


def kernel_layout(prototypes: int) -> KernelLayout:
    """The layout for a number of prototypes, beside which stand the two coordinates in the box."""
    return KernelLayout(prototypes + 2)


class MaskBranch(nn.Module):
    """Prototypes at stride 4, and the kernels of every point."""

    def __init__(self, prototypes: int) -> None:
        super().__init__()
        width, layout = 64, kernel_layout(prototypes)
        self.levels = Modules(Conv(NECK, width, active=False) for _ in range(3))
        self.mix = Chain(Conv(width, width, 3), Conv(width, width, 3), Conv(width, 48, 3))
        self.coarse = Conv(48, 32, active=False)
        self.detail = Chain(Conv(_STEM, _STEM, 3), Conv(_STEM, 32, active=False))
        self.fine = Chain(Conv(32, 32, 3), Conv(32, 32, 3))
        self.out = nn.Conv2d(32, prototypes, 1)
        self.reduce = Modules(Conv(2 * NECK, 96) for _ in STRIDES)
        self.spread = Conv(96, 96, 5, depthwise=True)
        self.kernels = nn.Conv2d(96, layout.size, 1)
        nn.init.normal_(self.kernels.weight, std=0.01)
        with torch.no_grad():
            bias_of(self.kernels).copy_(_first_kernel(layout))

    def prototypes(self, detail: Tensor, levels: list[Tensor]) -> Tensor:
        """The map of stride 4 and the levels of strides 8, 16, 32 to (N, M, H/4, W/4)."""
        coarse = self.levels[1](levels[1]) + _double(self.levels[2](levels[2]))
        x = functional.relu(self.levels[0](levels[0]) + _double(coarse))
        x = functional.relu(_double(self.coarse(self.mix(x))) + self.detail(detail))
        prototypes: Tensor = self.out(self.fine(x))
        return prototypes

    def level_kernels(self, level: int, features: Tensor, tower: Tensor) -> Tensor:
        """(N, K, h, w) of one level."""
        x = self.reduce[level](torch.cat((features, tower.to(features.dtype)), 1))
        kernels: Tensor = self.kernels(self.spread(x))
        return kernels


def _first_kernel(layout: KernelLayout) -> Tensor:
    """A random mask network to begin with: all zeros would never leave zero."""
    parts = []
    for outputs, inputs in layout.shapes:
        parts += [torch.randn(outputs, inputs) * math.sqrt(1 / inputs), torch.zeros(outputs)]
    return torch.cat([part.flatten() for part in parts])


class CompactNet(nn.Module):
    """Backbone, pyramid, heads and mask branch.

    Takes float images (N, 3, H, W) already normalized (`normalize`), H and W multiples of 32, and returns
    `RawOutput`. Points are ordered by level (strides 8, 16, 32, 64), then row, then column.

    Attributes:
        slope: Of the detector's activations where they are negative: 0.1 in NanoDet-Plus, 0 (ReLU) as shipped.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.backbone = Backbone()
        self.pyramid = Pyramid()
        self.heads = Modules(Head(architecture.classes) for _ in STRIDES)
        self.masks = MaskBranch(architecture.prototypes)
        for head in self.heads:
            nn.init.normal_(head.classes.weight, std=0.01)
            nn.init.constant_(bias_of(head.classes), -math.log((1 - 0.01) / 0.01))
        self.slope = 0.0

    def freeze(self, parts: Collection[str]) -> None:
        """Let some of `PARTS` stay as they are and the others learn."""
        for part in PARTS:
            self.get_submodule(part).requires_grad_(part not in parts)

    def set_slope(self, slope: float) -> None:
        """Set the slope of the detector's activations; the mask branch's are ReLU."""
        self.slope = slope
        for part in (self.backbone, self.pyramid, self.heads):
            for module in part.modules():
                if isinstance(module, Conv):
                    module.slope = slope

    def detect(self, images: Tensor) -> tuple[Tensor, list[Tensor], list[tuple[Tensor, Tensor, Tensor]]]:
        """(N, 3, H, W) to the map of stride 4, the pyramid's levels, and what each level's head says."""
        detail, *maps = self.backbone(images)
        levels = self.pyramid(maps)
        return detail, levels, [head(x) for head, x in zip(self.heads, levels, strict=True)]

    def forward(self, images: Tensor) -> RawOutput:
        """(N, 3, H, W) to everything the heads say."""
        detail, levels, heads = self.detect(images)
        classes, distances, boxes, kernels = [], [], [], []
        for index, (features, stride) in enumerate(zip(levels, STRIDES, strict=True)):
            class_map, distance_map, tower = heads[index]
            classes.append(_flatten(class_map))
            logits = _flatten(distance_map).float()
            distances.append(logits.reshape(*logits.shape[:2], 4, BINS))
            boxes.append(_decode_boxes(distances[-1], class_map.shape[2:], stride))
            kernels.append(_flatten(self.masks.level_kernels(index, features, tower)).float())
        return RawOutput(
            class_logits=torch.cat(classes, 1),
            distances=torch.cat(distances, 1),
            boxes=torch.cat(boxes, 1),
            kernels=torch.cat(kernels, 1),
            prototypes=self.masks.prototypes(detail, levels[:3]).float(),
            features=levels[0],
        )


def normalize(images: Tensor) -> Tensor:
    """Turn uint8 RGB (N, H, W, 3) into the float (N, 3, H, W) the network takes."""
    return (images.permute(0, 3, 1, 2).float() - MEAN) * SCALE


def point_positions(height: int, width: int, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Positions (P, 2) as x, y in input pixels and strides (P,) of all points of an input of that size."""
    positions, strides = [], []
    for stride in STRIDES:
        grid = _grid(-(-height // stride), -(-width // stride), stride, device)
        positions.append(grid)
        strides.append(torch.full((len(grid),), float(stride), device=device))
    return torch.cat(positions), torch.cat(strides)


def _grid(rows: int, columns: int, stride: int, device: torch.device | None) -> Tensor:
    ys = torch.arange(rows, device=device, dtype=torch.float32) * stride
    xs = torch.arange(columns, device=device, dtype=torch.float32) * stride
    y, x = torch.meshgrid(ys, xs, indexing="ij")
    return torch.stack((x.reshape(-1), y.reshape(-1)), 1)


def _flatten(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, x.shape[1])


def _decode_boxes(distances: Tensor, size: torch.Size, stride: int) -> Tensor:
    """(N, P, 4, BINS) logits to xyxy around each point: the mean of each distribution is a distance in strides."""
    positions = _grid(size[0], size[1], stride, distances.device)
    bins = torch.arange(BINS, device=distances.device, dtype=torch.float32)
    sides = distances.softmax(-1) @ bins * stride
    return torch.cat((positions - sides[..., :2], positions + sides[..., 2:]), 2)

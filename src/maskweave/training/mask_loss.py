"""The loss of masks: cross-entropy and dice at points of the box, as many for a small object as for a large one.

The points are a jittered grid over the box and a margin (compare PointRend, arXiv:1912.08193); masks are looked up
there by bilinear interpolation, as they are when a mask is pasted into an image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from maskweave.training.batches import Batch
from maskweave.training.network import PROTOTYPE_STRIDE, KernelLayout, RawOutput, kernel_layout

if TYPE_CHECKING:
    from maskweave.training.losses import Positives

_MAX_ROWS = 256
"""Points that learn masks in a step, drawn at random: masks are the dearest part of the loss."""
_GRID = 28
_MARGIN = 0.1
COORDINATE_SCALE = 4.0
"""A mask network sees the sides of its box at plus and minus half of this."""


def mask_loss(output: RawOutput, batch: Batch, positives: Positives, borders: float) -> Tensor:
    """Mean over positive points of cross-entropy plus dice, weighted by the points' quality."""
    weight = batch.mask_weights[positives.objects] * positives.quality
    rows = torch.nonzero(weight > 0)[:, 0]
    if not len(rows):
        return output.kernels.sum() * 0.0
    if len(rows) > _MAX_ROWS:
        drawn = torch.randperm(len(rows))[:_MAX_ROWS].sort().values
        rows = rows[drawn.to(rows.device)]
    images, points, objects = (each[rows] for each in (positives.images, positives.points, positives.objects))
    weight = weight[rows]
    at = _grid_points(batch.boxes[objects])
    logits = mask_logits(
        output.kernels[images, points],
        _sample_prototypes(output.prototypes, images, at),
        coordinates(at, output.boxes[images, points].detach()),
        kernel_layout(output.prototypes.shape[1]),
    )
    with torch.no_grad():
        scale = batch.images.shape[1] / batch.masks.shape[1]
        target = (_sample_masks(batch.masks[objects], at, scale) > 127.5).float()
        emphasis = 1 + borders * _near_border(target)
    entropy = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    entropy = (entropy * emphasis).sum(1) / emphasis.sum(1)
    probabilities = logits.sigmoid()
    overlap = 2 * (probabilities * target).sum(1) + 1
    dice = 1 - overlap / (probabilities.square().sum(1) + target.sum(1) + 1)
    return ((entropy + dice) * weight).sum() / weight.sum().clamp(min=1.0)


def mask_logits(kernels: Tensor, inputs: Tensor, position: Tensor, layout: KernelLayout) -> Tensor:
    """Run each object's mask network.

    Args:
        kernels: (M, K).
        inputs: (M, S, prototypes), at S points of each object.
        position: (M, S, 2), from `coordinates`.
        layout: Of the K numbers.

    Returns:
        (M, S) logits.
    """
    x = torch.cat((inputs, position), 2)
    first = 0
    for number, (outputs, width) in enumerate(layout.shapes):
        last = first + outputs * width
        weight = kernels[:, first:last].reshape(len(kernels), outputs, width)
        bias = kernels[:, last : last + outputs]
        x = torch.baddbmm(bias[:, None], x, weight.transpose(1, 2))
        if number < len(layout.shapes) - 1:
            x = functional.relu(x)
        first = last + outputs
    return x[..., 0]


def coordinates(at: Tensor, boxes: Tensor) -> Tensor:
    """(M, S, 2) points, in pixels, relative to boxes (M, 4): minus and plus 2 at the sides."""
    middle = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2
    extent = (boxes[:, None, 2:] - boxes[:, None, :2]).clamp(min=1.0)
    return ((at - middle) / extent * COORDINATE_SCALE).clamp(-COORDINATE_SCALE, COORDINATE_SCALE)


def _grid_points(boxes: Tensor) -> Tensor:
    """(M, S, 2) x, y in pixels: a jittered grid over each box (M, 4) and its margin."""
    line = torch.arange(_GRID, device=boxes.device, dtype=torch.float32)
    y, x = torch.meshgrid(line, line, indexing="ij")
    cells = torch.stack((x.reshape(-1), y.reshape(-1)), 1)
    share = (cells + torch.rand(len(boxes), _GRID * _GRID, 2, device=boxes.device)) / _GRID
    extent = boxes[:, None, 2:] - boxes[:, None, :2]
    low = boxes[:, None, :2] - _MARGIN * extent
    return low + share * (1 + 2 * _MARGIN) * extent


def _sample_prototypes(prototypes: Tensor, images: Tensor, at: Tensor) -> Tensor:
    """(M, S, C) bilinear values of (N, C, h, w) at (M, S, 2) pixels; `images` (M,), rising, are the rows' images."""
    parts = []
    for image in torch.unique(images).tolist():
        grid = _grid_of(at[images == image], prototypes, PROTOTYPE_STRIDE)
        sampled = functional.grid_sample(
            prototypes[image : image + 1].contiguous(), grid[None], padding_mode="border", align_corners=False
        )
        parts.append(sampled[0].permute(1, 2, 0))
    return torch.cat(parts)


def _sample_masks(masks: Tensor, at: Tensor, stride: float) -> Tensor:
    """(M, S) bilinear values of (M, h, w), whose cells are `stride` pixels wide, at (M, S, 2) pixels."""
    maps = masks[:, None].float()
    grid = _grid_of(at, maps, stride)[:, None]
    return functional.grid_sample(maps, grid, padding_mode="border", align_corners=False)[:, 0, 0]


def _grid_of(at: Tensor, maps: Tensor, stride: float) -> Tensor:
    """Pixels as the -1..1 that `grid_sample` takes."""
    size = torch.tensor([maps.shape[3] * stride, maps.shape[2] * stride], device=at.device)
    return at / size * 2 - 1


def _near_border(target: Tensor) -> Tensor:
    """(M, S) of 1 where a neighbor on the grid is on the other side of the border."""
    square = target.reshape(len(target), 1, _GRID, _GRID)
    high = functional.max_pool2d(square, 3, 1, 1)
    low = -functional.max_pool2d(-square, 3, 1, 1)
    return (high - low).flatten(1)

"""Assign points to objects: task-aligned assignment (TOOD, arXiv:2108.07755)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_TOP_POINTS = 10
_BETA = 6.0  # exponent of the IoU
_MIN_EXTENT = 12.0
"""Objects are treated as at least this wide and tall when candidate points are looked for, so that each has some."""


@dataclass(frozen=True)
class Assignment:
    """For one image: points that learn an object.

    Attributes:
        points: (M,) indices of positive points.
        objects: (M,) index of each one's object among the image's objects.
        quality: (M,) target in 0..1: 1 for an object's best point scaled by that point's IoU.
    """

    points: Tensor
    objects: Tensor
    quality: Tensor


def pairwise_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU (A, B) of xyxy boxes (A, 4) and (B, 4)."""
    corner = torch.maximum(a[:, None, :2], b[None, :, :2])
    extent = (torch.minimum(a[:, None, 2:], b[None, :, 2:]) - corner).clamp(min=0)
    shared = extent[..., 0] * extent[..., 1]
    areas_a, areas_b = ((x[:, 2:] - x[:, :2]).clamp(min=0).prod(1) for x in (a, b))
    return shared / (areas_a[:, None] + areas_b[None] - shared).clamp(min=1e-6)


@torch.no_grad()
def assign(
    scores: Tensor,
    boxes: Tensor,
    positions: Tensor,
    *,
    object_boxes: Tensor,
    object_classes: Tensor,
) -> Assignment:
    """Give each object its best points of one image.

    A point's fitness for an object is score^0.5 * IoU^6 among the points inside the object's box; the ten
    fittest learn it, and a point wanted by two objects goes to the one it overlaps most.

    Args:
        scores: (P, C) in 0..1.
        boxes: (P, 4) predicted, xyxy pixels.
        positions: (P, 2).
        object_boxes: (G, 4) true boxes, G > 0.
        object_classes: (G,), negative for an object without a class.
    """
    inside = _inside(positions, object_boxes)
    candidates = torch.nonzero(inside.any(0))[:, 0]
    inside = inside[:, candidates]
    iou = pairwise_iou(object_boxes, boxes[candidates]) * inside
    score = scores[candidates].t()[object_classes.clamp(min=0)]
    score = torch.where(object_classes[:, None] < 0, 0.25, score)
    fitness = score.sqrt() * iou.pow(_BETA) + inside * 1e-9 * (1 + iou)
    top = fitness.topk(min(_TOP_POINTS, fitness.shape[1]), dim=1)
    chosen = torch.zeros_like(fitness, dtype=torch.bool).scatter_(1, top.indices, top.values > 0)
    claimed = torch.where(chosen, iou, -1.0)
    owner = claimed.argmax(0)
    positive = torch.nonzero(chosen.any(0))[:, 0]
    objects = owner[positive]
    fit = fitness[objects, positive]
    won = torch.zeros_like(fitness)
    won[objects, positive] = fit
    best_fit = won.max(1).values.clamp(min=1e-12)
    held = torch.zeros_like(iou)
    held[objects, positive] = iou[objects, positive]
    quality = fit / best_fit[objects] * held.max(1).values[objects]
    return Assignment(candidates[positive], objects, quality)


def _inside(positions: Tensor, boxes: Tensor) -> Tensor:
    """(G, P): point lies in the box, the box being widened to `_MIN_EXTENT` where it is narrower."""
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = ((boxes[:, 2:] - boxes[:, :2]) / 2).clamp(min=_MIN_EXTENT / 2)
    distance = (positions[None] - middle[:, None]).abs()
    return (distance < half[:, None]).all(2)

"""What a prediction costs: class, box, mask and an auxiliary semantic map."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from maskweave.training.assign import Assignment, assign
from maskweave.training.batches import Batch
from maskweave.training.network import PROTOTYPE_STRIDE, RawOutput, point_centres

_MAX_MASK_ROWS = 320
"""Points that learn masks in a step, drawn at random: masks are the dearest part of the loss."""


@dataclass(frozen=True)
class LossWeights:
    """Factors of the parts of the loss."""

    classes: float = 1.0
    boxes: float = 2.0
    masks: float = 4.0
    semantic: float = 0.5


@dataclass(frozen=True)
class LossParts:
    """The weighted parts (scalars); `total` is their sum."""

    classes: Tensor
    boxes: Tensor
    masks: Tensor
    semantic: Tensor

    @property
    def total(self) -> Tensor:
        """The sum, which is minimised."""
        return self.classes + self.boxes + self.masks + self.semantic


@dataclass(frozen=True)
class _Positives:
    """All positive points of a batch: image, point and object of each (M,), with the quality target."""

    images: Tensor
    points: Tensor
    objects: Tensor
    quality: Tensor


def compute_loss(output: RawOutput, batch: Batch, weights: LossWeights) -> LossParts:
    """Loss of one batch.

    A class that is not labelled exhaustively in an image costs nothing there, except on objects whose class is known;
    box-only objects cost no mask; crowds silence the points inside them.
    """
    height, width = batch.images.shape[1:3]
    centres, _ = point_centres(height, width, output.boxes.device)
    positives = _assign_batch(output, batch, centres)
    total_quality = positives.quality.sum().clamp(min=1.0)
    return LossParts(
        classes=weights.classes * _class_loss(output, batch, positives, centres) / total_quality,
        boxes=weights.boxes * _box_loss(output, batch, positives) / total_quality,
        masks=weights.masks * _mask_loss(output, batch, positives),
        semantic=weights.semantic * _semantic_loss(output, batch),
    )


def _assign_batch(output: RawOutput, batch: Batch, centres: Tensor) -> _Positives:
    scores = output.class_logits.detach().float().sigmoid()
    boxes = output.boxes.detach()
    rows: list[tuple[int, Tensor, Assignment]] = []
    for image in range(len(batch.images)):
        mine = torch.nonzero(batch.owner == image)[:, 0]
        if not len(mine):
            continue
        found = assign(
            scores[image],
            boxes[image],
            centres,
            object_boxes=batch.boxes[mine],
            object_classes=batch.classes[mine],
        )
        rows.append((image, mine, found))
    device = boxes.device
    empty = torch.zeros(0, dtype=torch.long, device=device)
    if not rows:
        return _Positives(empty, empty, empty, torch.zeros(0, device=device))
    return _Positives(
        images=torch.cat([torch.full_like(found.points, image) for image, _, found in rows]),
        points=torch.cat([found.points for _, _, found in rows]),
        objects=torch.cat([mine[found.objects] for _, mine, found in rows]),
        quality=torch.cat([found.quality for _, _, found in rows]),
    )


def _class_loss(output: RawOutput, batch: Batch, positives: _Positives, centres: Tensor) -> Tensor:
    """Varifocal loss (arXiv:2008.13367): positives aim at their quality, negatives count by how wrong they are."""
    logits = output.class_logits.float()
    targets = torch.zeros_like(logits)
    counts = batch.labelled[:, None, :].expand_as(logits).float().clone()
    _silence(counts, batch, centres)
    _count_inside_masks(counts, batch, centres)
    classes = batch.classes[positives.objects]
    known = classes >= 0
    where = (positives.images[known], positives.points[known], classes[known])
    targets[where] = positives.quality[known]
    counts[positives.images[known], positives.points[known]] = 1.0
    with torch.no_grad():
        probabilities = logits.sigmoid()
        focus = torch.where(targets > 0, targets, 0.75 * probabilities.square())
    loss = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return (loss * focus * counts).sum()


def _count_inside_masks(counts: Tensor, batch: Batch, centres: Tensor) -> None:
    """A pixel of a known object is of no other class, labelled in its image or not.

    Without this, a class that few sources label swallows its look-alikes everywhere else, where calling a cow an
    elephant costs nothing.
    """
    cells = (centres / PROTOTYPE_STRIDE).long()
    hits = batch.masks[:, cells[:, 1], cells[:, 0]] > 0
    hits &= (batch.classes >= 0)[:, None]
    objects, points = torch.nonzero(hits, as_tuple=True)
    counts[batch.owner[objects], points] = 1.0


def _silence(counts: Tensor, batch: Batch, centres: Tensor) -> None:
    for image, box, index in zip(
        batch.silent_owner.tolist(), batch.silent, batch.silent_classes.tolist(), strict=True
    ):
        inside = ((centres >= box[:2]) & (centres <= box[2:])).all(1)
        if index >= 0:
            counts[image, inside, index] = 0.0


def _box_loss(output: RawOutput, batch: Batch, positives: _Positives) -> Tensor:
    """Generalised IoU loss (arXiv:1902.09630), weighted by quality."""
    predicted = output.boxes[positives.images, positives.points]
    target = batch.boxes[positives.objects]
    return ((1 - _generalised_iou(predicted, target)) * positives.quality).sum()


def _generalised_iou(a: Tensor, b: Tensor) -> Tensor:
    extent = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0)
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(1)
    shared = extent.prod(1)
    union = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - shared
    return shared / union.clamp(min=1e-6) - (hull - union) / hull.clamp(min=1e-6)


def _mask_loss(output: RawOutput, batch: Batch, positives: _Positives) -> Tensor:
    """Cross-entropy and dice inside the true box on the prototypes' grid, weighted by the points' quality."""
    weight = batch.mask_weights[positives.objects] * positives.quality
    rows = torch.nonzero(weight > 0)[:, 0]
    if not len(rows):
        return output.coefficients.sum() * 0.0
    if len(rows) > _MAX_MASK_ROWS:
        drawn = torch.randperm(len(rows))[:_MAX_MASK_ROWS].sort().values
        rows = rows[drawn.to(rows.device)]
    images, objects, weight = positives.images[rows], positives.objects[rows], weight[rows]
    coefficients = output.coefficients[images, positives.points[rows]].float()
    prototypes = output.prototypes.float()
    present = torch.unique(images).tolist()
    groups = [torch.nonzero(images == image)[:, 0] for image in present]
    logits = torch.cat(
        [
            torch.einsum("mk,khw->mhw", coefficients[group], prototypes[image])
            for image, group in zip(present, groups, strict=True)
        ]
    )
    order = torch.cat(groups)
    objects, weight = objects[order], weight[order]
    target = batch.masks[objects].float()
    inside = _box_window(batch.boxes[objects] / PROTOTYPE_STRIDE, target.shape[1], target.shape[2])
    area = inside.sum((1, 2)).clamp(min=1.0)
    entropy = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    entropy = (entropy * inside).sum((1, 2)) / area
    probabilities = logits.sigmoid() * inside
    target = target * inside
    overlap = 2 * (probabilities * target).sum((1, 2)) + 1
    dice = 1 - overlap / (probabilities.square().sum((1, 2)) + target.sum((1, 2)) + 1)
    return ((entropy + dice) * weight).sum() / weight.sum().clamp(min=1.0)


def _box_window(boxes: Tensor, height: int, width: int) -> Tensor:
    """(M, height, width) of 1 inside each box (cell centres, at least one cell wide) and 0 outside."""
    xs = torch.arange(width, device=boxes.device) + 0.5
    ys = torch.arange(height, device=boxes.device) + 0.5
    low, high = boxes[:, :2] - 0.5, boxes[:, 2:] + 0.5
    in_x = (xs[None] > low[:, :1]) & (xs[None] < high[:, :1])
    in_y = (ys[None] > low[:, 1:]) & (ys[None] < high[:, 1:])
    return (in_y[:, :, None] & in_x[:, None, :]).float()


def _semantic_loss(output: RawOutput, batch: Batch) -> Tensor:
    """Per-class maps at stride 8: dense supervision that a network trained from scratch learns its features from."""
    if output.semantic_logits is None:
        return output.class_logits.sum() * 0.0
    logits = output.semantic_logits.float()
    target = torch.zeros_like(logits)
    small = functional.max_pool2d(batch.masks[:, None].float(), 2)[:, 0]
    for image, index, mask in zip(batch.owner.tolist(), batch.classes.tolist(), small, strict=True):
        if index >= 0:
            target[image, index] = torch.maximum(target[image, index], mask)
    counts = batch.dense[:, :, None, None].float().expand_as(logits)
    loss = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    with torch.no_grad():
        focus = (logits.sigmoid() - target).abs().pow(1.5)
    return (loss * focus * counts).sum() / target.sum().clamp(min=100.0)

"""The loss of a prediction: classes, boxes and masks, by annotations and by what a teacher says."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from maskweave.training.assign import Assignment, assign
from maskweave.training.batches import Batch
from maskweave.training.mask_loss import mask_loss
from maskweave.training.network import BINS, RawOutput, point_positions

_FOCUS = 2.0
"""Exponent of the distance to the target in the class loss (Generalized Focal Loss, arXiv:2006.04388)."""
_DOUBT = 0.5
"""Share of its score that a teacher keeps where annotations say that nothing is: they, too, leave things out."""
_SURE_OF_BOX = 0.1
"""Points where a teacher scores some class more than this teach its box."""


@dataclass(frozen=True)
class LossWeights:
    """Factors of the parts of the loss.

    Attributes:
        classes: Of the class loss.
        boxes: Of the generalized IoU of boxes.
        distances: Of the cross-entropy of the distances to a box's sides.
        masks: Of the masks' cross-entropy and dice.
        borders: How much more the points next to a mask's border count.
    """

    classes: float = 1.0
    boxes: float = 2.0
    distances: float = 0.25
    masks: float = 2.0
    borders: float = 1.0


@dataclass(frozen=True)
class LossParts:
    """The weighted parts (scalars); `total` is their sum."""

    classes: Tensor
    boxes: Tensor
    masks: Tensor

    @property
    def total(self) -> Tensor:
        """The sum, which is minimized."""
        return self.classes + self.boxes + self.masks


@dataclass(frozen=True)
class Positives:
    """All positive points of a batch: image, point and object of each (M,), with the quality target."""

    images: Tensor
    points: Tensor
    objects: Tensor
    quality: Tensor


@dataclass(frozen=True)
class Teaching:
    """What a frozen network says about a batch.

    Attributes:
        scores: (N, P, C) in 0..1.
        distances: (N, P, 4, BINS) logits.
        taught: (C,) bool, classes that the teacher knows.
    """

    scores: Tensor
    distances: Tensor
    taught: Tensor


def compute_loss(
    output: RawOutput, batch: Batch, weights: LossWeights, teaching: Teaching | None = None
) -> LossParts:
    """Loss of one batch.

    A class that is not labeled exhaustively in an image costs nothing there, except on objects whose class is known,
    unless a teacher knows it: then the teacher's scores are the target there, and half of them where labels say that
    there is nothing. Box-only objects cost no mask; crowds silence the points inside them.
    """
    height, width = batch.images.shape[1:3]
    positions, strides = point_positions(height, width, output.boxes.device)
    positives = assign_batch(output, batch, positions)
    if not output.class_logits.requires_grad:
        nothing = output.kernels.sum() * 0.0
        return LossParts(
            nothing, nothing, weights.masks * mask_loss(output, batch, positives, weights.borders)
        )
    total_quality = positives.quality.sum().clamp(min=1.0)
    boxes = weights.boxes * _box_loss(output, batch, positives) / total_quality
    boxes = (
        boxes
        + weights.distances
        * _distance_loss(output, batch, positives, positions, strides, teaching)
        / total_quality
    )
    return LossParts(
        classes=weights.classes * _class_loss(output, batch, positives, positions, teaching) / total_quality,
        boxes=boxes,
        masks=weights.masks * mask_loss(output, batch, positives, weights.borders),
    )


def assign_batch(output: RawOutput, batch: Batch, positions: Tensor) -> Positives:
    """The points that learn the objects of each image."""
    scores = output.class_logits.detach().float().sigmoid()
    boxes = output.boxes.detach()
    rows: list[tuple[int, Tensor, Assignment]] = []
    for image in range(len(batch.images)):
        object_rows = torch.nonzero(batch.owner == image)[:, 0]
        if not len(object_rows):
            continue
        found = assign(
            scores[image],
            boxes[image],
            positions,
            object_boxes=batch.boxes[object_rows],
            object_classes=batch.classes[object_rows],
        )
        rows.append((image, object_rows, found))
    device = boxes.device
    empty = torch.zeros(0, dtype=torch.long, device=device)
    if not rows:
        return Positives(empty, empty, empty, torch.zeros(0, device=device))
    return Positives(
        images=torch.cat([torch.full_like(found.points, image) for image, _, found in rows]),
        points=torch.cat([found.points for _, _, found in rows]),
        objects=torch.cat([object_rows[found.objects] for _, object_rows, found in rows]),
        quality=torch.cat([found.quality for _, _, found in rows]),
    )


def _class_loss(
    output: RawOutput, batch: Batch, positives: Positives, positions: Tensor, teaching: Teaching | None
) -> Tensor:
    """Quality focal loss: points aim at the quality of their box, or at the teacher's score."""
    logits = output.class_logits.float()
    targets = torch.zeros_like(logits)
    counts = batch.labeled[:, None, :].expand_as(logits).float().clone()
    _silence(counts, batch, positions)
    if teaching is None:
        _count_inside_masks(counts, batch, positions)
    else:
        unknown = (counts == 0) & teaching.taught
        targets = torch.where(unknown, teaching.scores, _DOUBT * teaching.scores * teaching.taught)
        counts = torch.maximum(counts, unknown.float())
    classes = batch.classes[positives.objects]
    known = classes >= 0
    where = (positives.images[known], positives.points[known], classes[known])
    quality = positives.quality[known] * batch.trust[positives.objects[known]]
    targets[where] = torch.maximum(targets[where], quality)
    counts[where] = 1.0
    with torch.no_grad():
        focus = (logits.sigmoid() - targets).abs().pow(_FOCUS)
    loss = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return (loss * focus * counts).sum()


def _count_inside_masks(counts: Tensor, batch: Batch, positions: Tensor) -> None:
    """A pixel of a known object is of no other class, labeled in its image or not.

    Without this, a class that few sources label swallows its look-alikes everywhere else, where calling a cow an
    elephant costs nothing.
    """
    rows, columns = batch.masks.shape[1:]
    scale = batch.images.shape[1] / rows
    cells = (positions / scale).long()
    hits = batch.masks[:, cells[:, 1].clamp(max=rows - 1), cells[:, 0].clamp(max=columns - 1)] > 127
    hits &= (batch.classes >= 0)[:, None]
    objects, points = torch.nonzero(hits, as_tuple=True)
    counts[batch.owner[objects], points] = 1.0


def _silence(counts: Tensor, batch: Batch, positions: Tensor) -> None:
    for image, box, index in zip(
        batch.silent_owner.tolist(), batch.silent, batch.silent_classes.tolist(), strict=True
    ):
        inside = ((positions >= box[:2]) & (positions <= box[2:])).all(1)
        if index >= 0:
            counts[image, inside, index] = 0.0


def _box_loss(output: RawOutput, batch: Batch, positives: Positives) -> Tensor:
    """Generalized IoU loss (arXiv:1902.09630), weighted by quality."""
    predicted = output.boxes[positives.images, positives.points]
    target = batch.boxes[positives.objects]
    weight = positives.quality * batch.trust[positives.objects]
    return ((1 - _generalized_iou(predicted, target)) * weight).sum()


def _distance_loss(
    output: RawOutput,
    batch: Batch,
    positives: Positives,
    positions: Tensor,
    strides: Tensor,
    teaching: Teaching | None,
) -> Tensor:
    """Cross-entropy of the distances: with the truth's two bins at positives, elsewhere with the teacher's."""
    logits = output.distances[positives.images, positives.points]
    boxes = batch.boxes[positives.objects]
    at, stride = positions[positives.points], strides[positives.points, None]
    sides = (torch.cat((at - boxes[:, :2], boxes[:, 2:] - at), 1) / stride).clamp(0, BINS - 1.01)
    low = sides.floor()
    above = (sides - low)[..., None]
    bins = torch.arange(BINS, device=sides.device)
    target = (bins == low[..., None]) * (1 - above) + (bins == low[..., None] + 1) * above
    weight = positives.quality * batch.trust[positives.objects]
    loss = (_cross_entropy(logits, target) * weight).sum()
    if teaching is None:
        return loss
    sure = torch.where(teaching.taught, teaching.scores, 0.0).max(2).values
    sure = torch.where(sure > _SURE_OF_BOX, sure, 0.0)
    sure[positives.images, positives.points] = 0.0
    images, points = torch.nonzero(sure, as_tuple=True)
    taught = _cross_entropy(output.distances[images, points], teaching.distances[images, points].softmax(-1))
    return loss + (taught * sure[images, points]).sum()


def _cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """(M, 4, BINS) each to the sum over four sides, (M,)."""
    return -(target * logits.log_softmax(-1)).sum((1, 2))


def _generalized_iou(a: Tensor, b: Tensor) -> Tensor:
    extent = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0)
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(1)
    shared = extent.prod(1)
    union = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - shared
    return shared / union.clamp(min=1e-6) - (hull - union) / hull.clamp(min=1e-6)

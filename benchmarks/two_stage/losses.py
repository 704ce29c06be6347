"""What the two stages cost on the training stream of the compact network, unknown classes left out likewise."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from maskweave.training.assign import assign, pairwise_iou
from maskweave.training.batches import Batch
from maskweave.training.network import point_centres
from two_stage.network import Proposals, TwoStageNet, chosen_proposals, crop

_PROPOSALS, _SAMPLED, _POSITIVE_SHARE, _POSITIVE_IOU = 100, 48, 0.33, 0.5
_MASK_STRIDE = 4
_MAX_MASKS = 96


def two_stage_loss(network: TwoStageNet, images: Tensor, batch: Batch) -> Tensor:
    """The whole loss of one batch of normalised images; a scalar."""
    levels = network.features(images)
    proposals = network.propose(levels)
    centres, _ = point_centres(images.shape[2], images.shape[3], images.device)
    first = _first_stage(proposals, batch, centres)
    boxes, owner, objects = _sample(proposals, batch)
    logits, better = network.classify(levels, boxes, owner)
    second = _class_loss(logits, batch, owner, objects) + _box_loss(better, batch, objects)
    return first + second + _mask_loss(network, levels, batch, (boxes, owner, objects))


def _first_stage(found: Proposals, batch: Batch, centres: Tensor) -> Tensor:
    """Varifocal objectness (arXiv:2008.13367) and generalised IoU at the points that an object is assigned to."""
    targets = torch.zeros_like(found.logits, dtype=torch.float32)
    known = batch.labelled.float().mean(1)  # what stands where few classes are labelled may well be an object
    counts = known[:, None].repeat(1, targets.shape[1])
    for image, box in zip(batch.silent_owner.tolist(), batch.silent, strict=True):
        counts[image, ((centres >= box[:2]) & (centres <= box[2:])).all(1)] = 0.0
    box_loss = found.boxes.sum() * 0.0
    scores = found.logits.detach().float().sigmoid()
    for image in range(len(batch.images)):
        mine = torch.nonzero(batch.owner == image)[:, 0]
        if not len(mine):
            continue
        got = assign(
            scores[image, :, None],
            found.boxes[image].detach(),
            centres,
            object_boxes=batch.boxes[mine],
            object_classes=torch.zeros_like(batch.classes[mine]),
        )
        targets[image, got.points] = got.quality
        counts[image, got.points] = 1.0
        giou = generalised_iou(found.boxes[image, got.points], batch.boxes[mine[got.objects]])
        box_loss = box_loss + ((1 - giou) * got.quality).sum()
    logits = found.logits.float()
    with torch.no_grad():
        focus = torch.where(targets > 0, targets, 0.75 * logits.sigmoid().square())
    entropy = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return ((entropy * focus * counts).sum() + 2 * box_loss) / targets.sum().clamp(min=1.0)


def _sample(found: Proposals, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes (R, 4), their image (R,) and object (R,), -1 where a proposal fits none; true boxes are among them."""
    parts = []
    for image in range(len(batch.images)):
        mine = torch.nonzero(batch.owner == image)[:, 0]
        boxes = torch.cat((batch.boxes[mine], chosen_proposals(found, image, _PROPOSALS)))
        objects = torch.full((len(boxes),), -1, dtype=torch.long, device=boxes.device)
        if len(mine):
            best = pairwise_iou(boxes, batch.boxes[mine]).max(1)
            objects = torch.where(best.values >= _POSITIVE_IOU, mine[best.indices], -1)
        silent = batch.silent[batch.silent_owner == image]
        if len(silent):
            middle = ((boxes[:, :2] + boxes[:, 2:]) / 2)[:, None]
            hidden = ((middle >= silent[None, :, :2]) & (middle <= silent[None, :, 2:])).all(2).any(1)
            boxes, objects = (each[~hidden | (objects >= 0)] for each in (boxes, objects))
        rows = _draw(objects)
        parts.append((boxes[rows], torch.full_like(rows, image), objects[rows]))
    boxes, owner, objects = (torch.cat(each) for each in zip(*parts, strict=True))
    return boxes, owner, objects


def _draw(objects: Tensor) -> Tensor:
    positive, negative = torch.nonzero(objects >= 0)[:, 0], torch.nonzero(objects < 0)[:, 0]
    positive = positive[torch.randperm(len(positive))[: int(_SAMPLED * _POSITIVE_SHARE)]]
    negative = negative[torch.randperm(len(negative))[: _SAMPLED - len(positive)]]
    return torch.cat((positive, negative))


def _class_loss(logits: Tensor, batch: Batch, owner: Tensor, objects: Tensor) -> Tensor:
    """Cross-entropy a class; a class not labelled in an image counts only on objects known to be something."""
    logits = logits.float()
    targets, counts = torch.zeros_like(logits), batch.labelled[owner].float()
    classes = torch.where(objects >= 0, batch.classes[objects.clamp(min=0)], -1)
    rows = torch.nonzero(classes >= 0)[:, 0]
    targets[rows, classes[rows]] = 1.0
    counts[rows] = 1.0
    entropy = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return (entropy * counts).sum() / max(1, len(rows))


def _box_loss(boxes: Tensor, batch: Batch, objects: Tensor) -> Tensor:
    rows = torch.nonzero(objects >= 0)[:, 0]
    if not len(rows):
        return boxes.sum() * 0.0
    return 2 * (1 - generalised_iou(boxes[rows], batch.boxes[objects[rows]])).mean()


def _mask_loss(
    network: TwoStageNet, levels: list[Tensor], batch: Batch, sampled: tuple[Tensor, Tensor, Tensor]
) -> Tensor:
    boxes, owner, objects = sampled
    weight = torch.where(objects >= 0, batch.mask_weights[objects.clamp(min=0)], 0.0)
    rows = torch.nonzero(weight > 0)[:, 0]
    if not len(rows):
        return levels[0].sum() * 0.0
    rows = rows[torch.randperm(len(rows))[:_MAX_MASKS].to(rows.device)]
    logits = network.mask(levels, boxes[rows], owner[rows]).float()
    target = torch.cat(
        [
            crop(batch.masks[each][None].float(), box[None] / _MASK_STRIDE, logits.shape[1])
            for each, box in zip(objects[rows].tolist(), boxes[rows], strict=True)
        ]
    )[:, 0]
    entropy = functional.binary_cross_entropy_with_logits(logits, (target > 0.5).float(), reduction="none")
    return 2 * (entropy.mean((1, 2)) * weight[rows]).sum() / weight[rows].sum()


def generalised_iou(a: Tensor, b: Tensor) -> Tensor:
    """(M,) generalised IoU (arXiv:1902.09630) of boxes (M, 4) with boxes (M, 4)."""
    shared = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(1)
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(1).clamp(min=1e-6)
    union = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - shared
    return shared / union.clamp(min=1e-6) - (hull - union) / hull

"""The network: proposals, RoIAlign, a head for class and box, a head for masks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from maskweave.ops.boxes import non_maximum_suppression
from maskweave.training.network import (
    MAX_LOG_DISTANCE,
    STRIDES,
    Architecture,
    Backbone,
    ConvNorm,
    Neck,
    SharedTower,
    point_centres,
)

BOX_CELLS, MASK_CELLS = 7, 14
_HIDDEN = 256
_FINEST_SIDE = (
    56.0  # proposals of twice this side are read from the second level, and so on (arXiv:1612.03144)
)
_SAMPLES = 2  # sampled points along each side of a RoIAlign cell
DELTA_SCALE = 0.2  # of the box correction, in sides of the proposal
_CANDIDATES, _PROPOSAL_IOU = 300, 0.7


@dataclass(frozen=True)
class Proposals:
    """What the first stage says about a batch: logits (N, P), boxes (N, P, 4) xyxy in input pixels."""

    logits: Tensor
    boxes: Tensor


@dataclass(frozen=True)
class Found:
    """Detections of one image: boxes (D, 4), scores (D,), class ids (D,), mask logits (D, 28, 28)."""

    boxes: Tensor
    scores: Tensor
    class_ids: Tensor
    mask_logits: Tensor


class TwoStageNet(nn.Module):
    """Backbone and neck of the compact network with two-stage heads; sizes come from its `Architecture`."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        neck, classes = architecture.neck, architecture.classes
        self.backbone = Backbone(architecture.widths, architecture.depths)
        self.neck = Neck(architecture.widths[2:], neck)
        self.proposal_tower = SharedTower(neck)
        self.object_out = nn.Conv2d(neck, 1, 1)
        self.proposal_box_out = nn.Conv2d(neck, 4, 1)
        self.flat = nn.Sequential(
            nn.Linear(neck * BOX_CELLS**2, _HIDDEN),
            nn.ReLU(inplace=True),
            nn.Linear(_HIDDEN, _HIDDEN),
            nn.ReLU(inplace=True),
        )
        self.class_out = nn.Linear(_HIDDEN, classes)
        self.delta_out = nn.Linear(_HIDDEN, 4)
        self.mask_tower = nn.Sequential(ConvNorm(neck, neck), ConvNorm(neck, neck))
        self.mask_double = nn.ConvTranspose2d(neck, neck, 2, 2)
        self.mask_out = nn.Conv2d(
            neck, 1, 1
        )  # class-blind: what has only a box or another name teaches it too
        for out, bias in ((self.object_out, _prior(0.01)), (self.class_out, _prior(0.02))):
            nn.init.normal_(out.weight, std=0.01)
            nn.init.constant_(out.bias, bias)
        for out, bias in (
            (self.proposal_box_out, math.log(2.5)),
            (self.delta_out, 0.0),
            (self.mask_out, 0.0),
        ):
            nn.init.normal_(out.weight, std=0.01)
            nn.init.constant_(out.bias, bias)

    def features(self, images: Tensor) -> list[Tensor]:
        """Normalised images (N, 3, H, W) to the three levels of the pyramid."""
        levels: list[Tensor] = self.neck(self.backbone(images)[1:])
        return levels

    def propose(self, levels: list[Tensor]) -> Proposals:
        """First stage: one box at every point, class-blind."""
        logits, boxes = [], []
        height, width = levels[0].shape[2] * STRIDES[0], levels[0].shape[3] * STRIDES[0]
        for index, (features, stride) in enumerate(zip(levels, STRIDES, strict=True)):
            x = self.proposal_tower(features, index)
            logits.append(self.object_out(x).flatten(1))
            distances = self.proposal_box_out(x).float().clamp(max=MAX_LOG_DISTANCE).exp() * stride
            boxes.append(distances.flatten(2).transpose(1, 2))
        centres, _ = point_centres(height, width, levels[0].device)
        sides = torch.cat(boxes, 1)
        return Proposals(
            torch.cat(logits, 1), torch.cat((centres - sides[..., :2], centres + sides[..., 2:]), 2)
        )

    def classify(self, levels: list[Tensor], boxes: Tensor, owner: Tensor) -> tuple[Tensor, Tensor]:
        """Second stage: class logits (R, C) and corrected boxes (R, 4) of proposals (R, 4)."""
        x = self.flat(roi_align(levels, boxes, owner, BOX_CELLS).flatten(1))
        return self.class_out(x), corrected(boxes, self.delta_out(x))

    def mask(self, levels: list[Tensor], boxes: Tensor, owner: Tensor) -> Tensor:
        """Mask logits (R, 28, 28) of boxes (R, 4)."""
        x = self.mask_tower(roi_align(levels, boxes, owner, MASK_CELLS))
        return self.mask_out(functional.relu(self.mask_double(x)))[:, 0]

    @torch.no_grad()
    def detect(self, images: Tensor, *, proposals: int = 100, score: float = 0.02, iou: float = 0.6) -> Found:
        """Everything for one normalised image (1, 3, H, W), suppressions included."""
        levels = self.features(images)
        boxes = chosen_proposals(self.propose(levels), 0, proposals)
        owner = torch.zeros(len(boxes), dtype=torch.long, device=boxes.device)
        logits, boxes = self.classify(levels, boxes, owner)
        scores, class_ids = logits.sigmoid().max(1)
        rows = torch.nonzero(scores >= score)[:, 0]
        kept = rows[_suppress(boxes[rows], scores[rows], class_ids[rows], iou)]
        masks = self.mask(levels, boxes[kept], owner[kept])
        return Found(boxes[kept], scores[kept], class_ids[kept], masks)


def chosen_proposals(found: Proposals, image: int, count: int) -> Tensor:
    """The best boxes (R, 4) of one image after suppression; R is at most `count`."""
    logits, boxes = found.logits[image].detach(), found.boxes[image].detach()
    best = logits.topk(min(_CANDIDATES, len(logits))).indices
    kept = _suppress(boxes[best], logits[best], torch.zeros_like(best), _PROPOSAL_IOU)
    return boxes[best[kept[:count]]]


def roi_align(levels: list[Tensor], boxes: Tensor, owner: Tensor, cells: int) -> Tensor:
    """RoIAlign (arXiv:1703.06870) by bilinear samples at continuous coordinates.

    Args:
        levels: Maps (N, C, h, w) of strides 8, 16 and 32.
        boxes: (R, 4) xyxy in input pixels; each is read from the level that suits its area.
        owner: (R,) image of each.
        cells: Cells along a side of the result.

    Returns:
        (R, C, cells, cells).
    """
    sides = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1e-3).prod(1).sqrt()
    wanted = torch.log2(sides / _FINEST_SIDE).floor().clamp(0, len(levels) - 1).long()
    out = torch.zeros(len(boxes), levels[0].shape[1], cells, cells, device=boxes.device)
    for index, (features, stride) in enumerate(zip(levels, STRIDES, strict=True)):
        for image in range(len(features)):
            rows = torch.nonzero((wanted == index) & (owner == image))[:, 0]
            if len(rows):
                out[rows] = crop(features[image], boxes[rows] / stride, cells)
    return out


def crop(features: Tensor, boxes: Tensor, cells: int) -> Tensor:
    """Cut boxes (R, 4), in pixels of a map (C, h, w), out of it: (R, C, cells, cells), means of sampled points."""
    steps = (torch.arange(cells * _SAMPLES, device=boxes.device) + 0.5) / (cells * _SAMPLES)
    xs = boxes[:, :1] + steps * (boxes[:, 2:3] - boxes[:, :1])
    ys = boxes[:, 1:2] + steps * (boxes[:, 3:] - boxes[:, 1:2])
    width, height = features.shape[2], features.shape[1]
    grid = torch.stack(
        (
            (2 * xs / width - 1)[:, None, :].expand(-1, len(steps), -1),
            (2 * ys / height - 1)[:, :, None].expand(-1, -1, len(steps)),
        ),
        3,
    )
    tall = grid.reshape(1, -1, len(steps), 2)
    whole = features[None].float()  # half precision has too few digits for coordinates
    sampled = functional.grid_sample(whole, tall, padding_mode="border", align_corners=False)[0]
    means = functional.avg_pool2d(sampled, _SAMPLES)
    return means.reshape(len(features), len(boxes), cells, cells).transpose(0, 1)


def corrected(boxes: Tensor, deltas: Tensor) -> Tensor:
    """Move the corners (R, 4) by deltas (R, 4) of `DELTA_SCALE` sides; the order of corners is kept."""
    sides = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
    return boxes + sides * DELTA_SCALE * deltas.float().clamp(-2, 2)  # clamped: opposite corners never meet


def _suppress(boxes: Tensor, scores: Tensor, class_ids: Tensor, iou: float) -> Tensor:
    kept = non_maximum_suppression(
        boxes.double().cpu().numpy(), scores.float().cpu().numpy(), class_ids.cpu().numpy(), iou=iou
    )
    return torch.from_numpy(kept).to(boxes.device)


def _prior(probability: float) -> float:
    return -math.log((1 - probability) / probability)

"""The loss of the guide: focal plus dice, as promptable networks are trained (SAM, arXiv:2304.02643)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_FOCAL = 20.0
_GAMMA = 2.0


def mask_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Loss of logits (N, 1, S, S) against masks (N, S, S) of 0 and 1: a scalar."""
    x, y = logits[:, 0], masks.to(logits.dtype)
    p = x.sigmoid()
    wrong = (p - y).abs()
    focal = (functional.binary_cross_entropy_with_logits(x, y, reduction="none") * wrong**_GAMMA).mean()
    both = (p * y).sum((1, 2))
    dice = 1 - (2 * both + 1) / (p.sum((1, 2)) + y.sum((1, 2)) + 1)
    return _FOCAL * focal + dice.mean()


@torch.no_grad()
def batch_iou(logits: Tensor, masks: Tensor) -> Tensor:
    """(N,) IoU of logits (N, 1, S, S), cut at 0, with masks (N, S, S)."""
    answer, truth = logits[:, 0] > 0, masks > 0
    both = (answer & truth).sum((1, 2)).float()
    return both / (answer | truth).sum((1, 2)).clamp(min=1)

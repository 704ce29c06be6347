"""Average weights over the steps of a run, and over runs."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

NetworkT = TypeVar("NetworkT", bound=nn.Module)


class MovingAverage(Generic[NetworkT]):
    """Holds a second network that follows the first; young averages forget faster, so that they are useful early."""

    def __init__(self, network: NetworkT, decay: float) -> None:
        self.network: NetworkT = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, network: NetworkT, step: int) -> None:
        """Move towards `network` after step number `step` (from 0)."""
        weight = 1 - min(self.decay, (1 + step) / (20 + step))
        averaged, current = _floats(self.network), _floats(network)
        torch._foreach_lerp_(averaged, current, weight)


def mean_weights(weights: Sequence[dict[str, Tensor]], shares: Sequence[float]) -> dict[str, Tensor]:
    """The weighted mean of the weights of several runs that left from the same ones; the first one's layers.

    A layer that another run does not have yet counts as zero, so a new one must begin at zero. Source: model soups,
    https://arxiv.org/abs/2203.05482.
    """
    total = sum(shares)
    mean = {}
    for name, value in weights[0].items():
        if not value.is_floating_point():
            mean[name] = value
            continue
        parts = [
            each[name].float() * share for each, share in zip(weights, shares, strict=True) if name in each
        ]
        mean[name] = (torch.stack(parts).sum(dim=0) / total).to(value.dtype)
    return mean


def _floats(network: nn.Module) -> list[Tensor]:
    tensors = [*network.parameters(), *network.buffers()]
    return [t.data for t in tensors if t.dtype.is_floating_point]

"""Exponential moving average of a network's weights and statistics."""

from __future__ import annotations

import copy
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
        mine, theirs = _floats(self.network), _floats(network)
        torch._foreach_lerp_(mine, theirs, weight)


def _floats(network: nn.Module) -> list[Tensor]:
    tensors = [*network.parameters(), *network.buffers()]
    return [t.data for t in tensors if t.dtype.is_floating_point]

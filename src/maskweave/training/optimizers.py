"""Muon for convolution weights, AdamW for everything else, behind one object.

Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/) replaces a momentum matrix by its nearest
semi-orthogonal one; the 0.2 * sqrt(max(rows, columns)) factor (Moonlight, arXiv:2502.16982) gives its updates
AdamW's size, so that learning rate and weight decay carry over.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from maskweave.training.network import CompactNet

_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


class Muon(torch.optim.Optimizer):
    """Momentum orthogonalized by Newton-Schulz iterations; for weights of two or more dimensions."""

    def __init__(
        self,
        parameters: Iterable[Tensor] | list[dict[str, Any]],
        *,
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        steps: int = 5,
    ) -> None:
        super().__init__(
            parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "steps": steps}
        )

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            by_shape: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = {}
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                momentum = self.state[weight].setdefault("momentum", torch.zeros_like(weight))
                momentum.lerp_(weight.grad, 1 - group["momentum"])
                update = weight.grad.lerp(momentum, group["momentum"]).reshape(len(weight), -1)
                by_shape.setdefault((update.shape[0], update.shape[1]), []).append((weight, update))
            for pairs in by_shape.values():
                _apply(pairs, group)


def _apply(pairs: list[tuple[Tensor, Tensor]], group: dict[str, float]) -> None:
    updates = orthogonalize(torch.stack([update for _, update in pairs]), int(group["steps"]))
    factor = 0.2 * max(updates.shape[1], updates.shape[2]) ** 0.5
    for (weight, _), update in zip(pairs, updates, strict=True):
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.add_(update.reshape(weight.shape), alpha=-group["lr"] * factor)


def orthogonalize(matrices: Tensor, steps: int = 5) -> Tensor:
    """Nearest semi-orthogonal matrices (B, rows, columns), singular values roughly 0.7 to 1.2.

    Every step multiplies from the short side by a polynomial in the Gram matrix, so the steps run on Gram matrices
    alone and the product is applied once: the same result for a third of the work on convolution weights.
    """
    wide = matrices.shape[1] <= matrices.shape[2]
    x = matrices if wide else matrices.transpose(1, 2)
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    factor = _newton_schulz_factor(x @ x.transpose(1, 2), steps)
    result: Tensor = factor @ x if wide else x.transpose(1, 2) @ factor
    return result


def _newton_schulz_factor(gram: Tensor, steps: int) -> Tensor:
    """Product of all steps' polynomials a + b G + c G^2, from the Gram matrices (B, n, n) before the first."""
    a, b, c = _NEWTON_SCHULZ
    product = torch.eye(gram.shape[1], dtype=gram.dtype, device=gram.device).expand_as(gram)
    for _ in range(steps):
        polynomial = torch.baddbmm(b * gram, gram, gram, alpha=c)
        polynomial.diagonal(dim1=1, dim2=2).add_(a)
        product = polynomial @ product
        gram = polynomial @ gram @ polynomial
    return product


class Optimizers:
    """All optimizers of a network, stepped together.

    Args:
        network: Whose parameters to train; frozen ones are left alone.
        kind: "muon" or "adamw".
        lr: Peak learning rate.
        detector_lr: Factor on `lr` for everything but the mask branch.
        vector_lr: Factor on `lr` for what AdamW updates beside Muon.
        weight_decay: Applied to weights of two or more dimensions only.
    """

    def __init__(
        self,
        network: CompactNet,
        *,
        kind: str,
        lr: float,
        weight_decay: float,
        detector_lr: float = 1.0,
        vector_lr: float = 1.0,
    ) -> None:
        self.lr = lr
        groups: dict[tuple[str, float, float], list[Tensor]] = {}
        for name, parameter in network.named_parameters():
            if not parameter.requires_grad:
                continue
            in_branch = name.startswith("masks.")
            part = "muon" if kind == "muon" and _is_matrix(name, parameter) else "adamw"
            factor = (1.0 if in_branch else detector_lr) * (
                vector_lr if kind == "muon" and part == "adamw" else 1.0
            )
            decay = weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((part, factor, decay), []).append(parameter)
        made: dict[str, list[dict[str, Any]]] = {"adamw": [], "muon": []}
        for (part, factor, decay), parameters in groups.items():
            made[part].append({"params": parameters, "weight_decay": decay, "factor": factor})
        self.parts: list[torch.optim.Optimizer] = []
        if made["adamw"]:
            self.parts.append(torch.optim.AdamW(made["adamw"], lr=lr, betas=(0.9, 0.99), eps=1e-8))
        if made["muon"]:
            self.parts.append(Muon(made["muon"], lr=lr))

    def set_lr(self, lr: float) -> None:
        """Set the learning rate of the next step."""
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = lr * group["factor"]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for part in self.parts:
            part.zero_grad(set_to_none=True)

    def step(self) -> None:
        """Update every parameter once."""
        for part in self.parts:
            part.step()

    def state_dict(self) -> list[dict[str, object]]:
        """The states of the parts, in order."""
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, states: list[dict[str, object]]) -> None:
        """Take over what `state_dict` gave; the factors on the learning rate stay as they are."""
        for part, state in zip(self.parts, states, strict=True):
            factors = [group["factor"] for group in part.param_groups]
            part.load_state_dict(state)
            for group, factor in zip(part.param_groups, factors, strict=True):
                group["factor"] = factor


_OUTPUTS = ("classes.", "distances.", "masks.out.", "masks.kernels.", "backbone.stem.")


def _is_matrix(name: str, parameter: Tensor) -> bool:
    """Whether a weight mixes channels: not a vector, a depthwise kernel, an output layer or the stem."""
    return parameter.ndim > 1 and parameter.shape[1] > 1 and not any(each in name for each in _OUTPUTS)

"""Training for INT8: while a network learns, its numbers are rounded as the quantized file will round them.

What a convolution or a sum reads is rounded to 8 bits of its range, and a convolution's weights to 8 bits
of each output channel's, as `quantize` writes them into a file; gradients pass as if nothing was rounded. The network
learns to be right in spite of it. Source: Jacob et al., arXiv:1712.05877.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_MOMENTUM = 0.1
_WARM_UP, _RENEW_EVERY = 20, 10
"""Passes at first that all renew the ranges, and how often the later ones do: it costs as much as a convolution."""
_CONVOLUTION = torch.conv2d
_SUMS = (torch.Tensor.add, torch.Tensor.__add__, torch.add)
_LEVELS, _MAX_WEIGHT = 255, 127
_TINY = 1e-8


def rounding(network: nn.Module, exact_layers: Sequence[str], *, wanted: bool) -> AbstractContextManager[Any]:
    """What a network's passes are made in: a `FakeQuantization` where that is wanted, or nothing."""
    return FakeQuantization(network, exact_layers) if wanted else nullcontext()


class FakeQuantization(TorchFunctionMode):
    """Rounds what a network computes while it is entered: enter it anew for every pass.

    Ranges are running means of each image's extremes, kept by the order of the operations, which must be the same in
    every pass.

    Args:
        network: Whose passes these are.
        exact_layers: First letters of the names of weights whose convolutions are left exact, as `quantize` takes
            them.
    """

    def __init__(self, network: nn.Module, exact_layers: Sequence[str]) -> None:
        super().__init__()
        self._exact: Collection[int] = {
            id(weight) for name, weight in network.named_parameters() if name.startswith(tuple(exact_layers))
        }
        self._extremes: list[Tensor] = []
        self._next = 0
        self._passes = 0

    def __enter__(self) -> FakeQuantization:
        self._next = 0
        self._passes += 1
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Collection[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call an operation of torch, with what it reads rounded."""
        kwargs = kwargs or {}
        if func is _CONVOLUTION:
            image, weight, *rest = args
            if id(weight) not in self._exact:
                args = (self._rounded(image), _rounded_weight(weight), *rest)
        elif func in _SUMS and all(_is_map(each) for each in args[:2]):
            args = (self._rounded(args[0]), self._rounded(args[1]), *args[2:])
        return func(*args, **kwargs)

    def _rounded(self, values: Tensor) -> Tensor:
        scale, zero = self._range(values.detach())
        rounded = torch.fake_quantize_per_tensor_affine(values.float(), scale, zero, 0, _LEVELS)
        return rounded.to(values.dtype)

    def _range(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Step and zero point of an operand."""
        number, self._next = self._next, self._next + 1
        new = number == len(self._extremes)
        if new or self._passes < _WARM_UP or self._passes % _RENEW_EVERY == 0:
            lowest, highest = values.amin((1, 2, 3)).float().mean(), values.amax((1, 2, 3)).float().mean()
            extremes = torch.stack([lowest.clamp(max=0), highest.clamp(min=0)])
            if new:
                self._extremes.append(extremes)
            self._extremes[number] = torch.lerp(self._extremes[number], extremes, _MOMENTUM)
        lowest, highest = self._extremes[number]
        scale = ((highest - lowest) / _LEVELS).clamp(min=_TINY)
        return scale, (-lowest / scale).round().clamp(0, _LEVELS).to(torch.int32)


def _is_map(value: object) -> bool:
    return isinstance(value, Tensor) and value.ndim == 4 and value.is_floating_point()


def _rounded_weight(weight: Tensor) -> Tensor:
    scales = (weight.detach().float().abs().amax((1, 2, 3)) / _MAX_WEIGHT).clamp(min=_TINY)
    zeros = torch.zeros_like(scales, dtype=torch.int32)
    rounded = torch.fake_quantize_per_channel_affine(
        weight.float(), scales, zeros, 0, -_MAX_WEIGHT, _MAX_WEIGHT
    )
    return rounded.to(weight.dtype)

"""Torch's containers of modules, typed by what they hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Generic, TypeVar

from torch import Tensor, nn

ModuleT = TypeVar("ModuleT", bound=nn.Module)


class Modules(nn.ModuleList, Generic[ModuleT]):
    """`torch.nn.ModuleList` of one type of modules."""

    def __init__(self, modules: Iterable[ModuleT]) -> None:
        super().__init__(modules)

    if TYPE_CHECKING:

        def __getitem__(self, index: int) -> ModuleT: ...  # type: ignore[override]

        def __iter__(self) -> Iterator[ModuleT]: ...


class Chain(nn.Sequential, Generic[ModuleT]):
    """`torch.nn.Sequential` of one type of modules."""

    def __init__(self, *modules: ModuleT) -> None:
        super().__init__(*modules)

    if TYPE_CHECKING:

        def __getitem__(self, index: int) -> ModuleT: ...  # type: ignore[override]

        def __iter__(self) -> Iterator[ModuleT]: ...


def bias_of(conv: nn.Conv2d) -> Tensor:
    """The bias, which every convolution of the network has."""
    if conv.bias is None:
        raise TypeError("need a convolution with bias, got one without")
    return conv.bias

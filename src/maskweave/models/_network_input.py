"""The image input of a network that has just one: what the file says of it, and images prepared to fit it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maskweave.errors import InvalidValue, UnknownLayout
from maskweave.models.base import Model, Prepared, fixed_canvas
from maskweave.ops.letterbox import Letterbox
from maskweave.ops.preprocessing import Preprocessing
from maskweave.runtimes.base import Runtime, RuntimeInfo
from maskweave.types.arrays import Image, Size

_FLOATS = ("float32", "float16")
MIN_SIDE, MAX_SIDE = 32, 4096
"""Long sides that an input may be given, in pixels."""


@dataclass(frozen=True)
class NetworkInput:
    """An input (1, 3, H, W), or (3, H, W) where not ``batched``, of floats; (1, H, W, 3) where ``channels_last``.

    ``canvas``: its (height, width) where it is fixed, else None, and images get ``long_side``; where that is None
    too, their short side becomes ``short_side`` and the long one at most twice as much.
    """

    name: str
    dtype: str
    batched: bool
    canvas: Size | None
    long_side: int | None
    preprocessing: Preprocessing
    short_side: int = 0
    channels_last: bool = False

    def prepare(self, image: Image) -> Prepared:
        """Lay an (H, W, 3) uint8 RGB image into the input."""
        size = (image.shape[0], image.shape[1])
        return self.lay(image, self.preprocessing.place(size, self.canvas, self._long_side_for(size)))

    def lay(self, image: Image, letterbox: Letterbox) -> Prepared:
        """The same for a family that places the image itself."""
        planes = self.preprocessing.planes(image, letterbox).astype(self.dtype, copy=False)
        if self.channels_last:
            planes = np.ascontiguousarray(np.moveaxis(planes, 0, -1))
        return Prepared({self.name: planes[None] if self.batched else planes}, letterbox)

    def _long_side_for(self, size: Size) -> int:
        if self.long_side is not None:
            return self.long_side
        return round(min(self.short_side * max(size) / min(size), 2 * self.short_side))

    def in_words(self) -> str:
        """For people."""
        if self.canvas is not None:
            size = f"{self.canvas[0]}x{self.canvas[1]}"
        elif self.long_side is not None:
            size = f"long side {self.long_side}"
        else:
            size = f"short side {self.short_side}"
        return f"{self.preprocessing.in_words()}; {size}"


class OneInputModel(Model):
    """A model whose network has one input, into which images are laid as its `NetworkInput` says."""

    def __init__(
        self,
        runtime: Runtime,
        *,
        name: str,
        class_names: tuple[str, ...],
        fed: NetworkInput,
        default_score: float = 0.5,
    ) -> None:
        super().__init__(runtime, name=name, class_names=class_names, default_score=default_score)
        self.fed = fed
        self.preprocessing = fed.in_words()

    def prepare(self, image: Image) -> Prepared:
        """Lay an (H, W, 3) uint8 RGB image into the input, and normalize."""
        return self.fed.prepare(image)


def network_input(
    name: str,
    info: RuntimeInfo,
    preprocessing: Preprocessing,
    *,
    size: int | None,
    usual: int | None = None,
    short_side: int = 0,
) -> NetworkInput:
    """Read the input of a network called ``name``.

    ``size``: the long side that was asked for. ``usual``: the one that an input which may be chosen gets otherwise,
    or ``short_side``: how long its short side becomes; neither where the family has none.

    Raises `UnknownLayout` when it is no such input or no size is known, `InvalidValue` for a size that cannot be, or
    that a fixed input does not have.
    """
    if not takes_one_image(info):
        seen = ", ".join(f"{tensor.name} {tensor.shape} {tensor.dtype}" for tensor in info.inputs)
        raise UnknownLayout(f"{name}: need one input (1, 3, H, W) of floats, got {seen or 'none'}")
    (tensor,) = info.inputs
    canvas = fixed_canvas(name, *canvas_of(info))
    if size is not None and not MIN_SIDE <= size <= MAX_SIDE:
        raise InvalidValue(f"size: need {MIN_SIDE} to {MAX_SIDE} pixels, got {size}")
    if canvas is not None and size not in (None, max(canvas)):
        raise InvalidValue(
            f"size: the input of {name} is always {canvas[0]}x{canvas[1]}, got {size}; leave the size out"
        )
    long_side = size or (max(canvas) if canvas is not None else usual)
    if long_side is None and not short_side:
        raise UnknownLayout(f"{name}: its input takes any size; give the one it was trained on as size")
    return NetworkInput(
        name=tensor.name,
        dtype=np.dtype(tensor.dtype).name,
        batched=len(tensor.shape) == 4,
        canvas=canvas,
        long_side=long_side,
        preprocessing=preprocessing,
        short_side=short_side,
        channels_last=_has_channels_last(tensor.shape),
    )


def canvas_of(info: RuntimeInfo) -> tuple[int | None, int | None]:
    """(height, width) of the only input, each None where it is free."""
    shape = info.inputs[0].shape
    height, width = shape[1:3] if _has_channels_last(shape) else shape[-2:]
    return height, width


def takes_one_image(info: RuntimeInfo, *, batched: bool | None = None) -> bool:
    """Whether the only input is (1, 3, H, W), (1, H, W, 3) or (3, H, W) floats.

    ``batched`` asks for one with or without the first axis.
    """
    if len(info.inputs) != 1 or info.inputs[0].dtype not in _FLOATS:
        return False
    shape = info.inputs[0].shape
    if len(shape) not in (3, 4) or (batched is not None and batched != (len(shape) == 4)):
        return False
    if len(shape) == 4 and shape[0] not in (1, None):
        return False
    return shape[-3] in (3, None) or _has_channels_last(shape)


def _has_channels_last(shape: tuple[int | None, ...]) -> bool:
    return len(shape) == 4 and shape[3] == 3 and shape[1] != 3

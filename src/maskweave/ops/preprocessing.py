"""Preprocess images as a network was trained on them, by values that a sidecar can change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np

from maskweave.errors import InvalidValue
from maskweave.ops.letterbox import Letterbox, fit_inside
from maskweave.types.arrays import Array, Image, Size

Resize: TypeAlias = Literal["squash", "stretch", "letterbox", "keep-aspect"]
Three: TypeAlias = tuple[float, float, float]

IMAGENET_MEAN: Three = (0.485, 0.456, 0.406)
IMAGENET_STD: Three = (0.229, 0.224, 0.225)

_MAX_VALUE = 1e30  # that is surely finite in float32, squared or not
_MULTIPLE = 32  # sides of an input that is free: networks halve it up to five times


@dataclass(frozen=True)
class Preprocessing:
    """An image's way into an input: laid into it by ``resize``, then ``(pixel * scale - mean) / std``.

    - ``order``: of the channels, "rgb" or "bgr"; ``mean`` and ``std`` are in that order.
    - ``scale``: of pixel values 0..255; ``mean`` and ``std`` are in units of the scaled values.
    - ``resize``: "squash" fills the input, aspect not kept; "stretch" fills it too, but where the input is free its
      sides follow the image's, each rounded to a multiple of 32; "letterbox" keeps the aspect and puts the image
      in the middle; "keep-aspect" keeps it and puts the image at the top left.
    - ``pad_value``: 0..255, beside an image whose aspect is kept; it is normalized as pixels are.
    - ``antialias``: whether an image that shrinks is averaged, or sampled bilinearly between pixel centers.

    Raises `InvalidValue` naming the field, what it needs and what came.
    """

    order: Literal["rgb", "bgr"] = "rgb"
    scale: float = 1 / 255
    mean: Three = (0.0, 0.0, 0.0)
    std: Three = (1.0, 1.0, 1.0)
    resize: Resize = "squash"
    pad_value: int = 114
    antialias: bool = False

    def __post_init__(self) -> None:
        """Check every field."""
        for key, (need, fits) in _RULES.items():
            value = getattr(self, key)
            if not fits(value):
                raise InvalidValue(f"preprocessing.{key}: need {need}, got {value!r}")

    def place(self, source: Size, canvas: Size | None, long_side: int) -> Letterbox:
        """The letterbox of an image of ``source`` size in an input of ``canvas`` size, or in one that may be chosen.

        ``canvas`` None: the long side becomes ``long_side``, and the input is no larger than a multiple of 32 needs.
        """
        if self.resize == "stretch":
            return Letterbox.squash(source, canvas or _near(source, long_side))
        if self.resize == "squash":
            return Letterbox.squash(source, canvas or (long_side, long_side))
        center = self.resize == "letterbox"
        if canvas is not None:
            return fit_inside(source, canvas, center=center)
        return Letterbox.long_side(source, long_side, multiple=_MULTIPLE, center=center)

    def planes(self, image: Image, letterbox: Letterbox) -> Array:
        """(3, h, w) float32 of the input's size, from an (H, W, 3) uint8 RGB image."""
        canvas = letterbox.apply(image, pad_value=self.pad_value, antialias=self.antialias)
        planes = np.empty((3, *canvas.shape[:2]), dtype=np.float32)
        channels = (0, 1, 2) if self.order == "rgb" else (2, 1, 0)
        for plane, channel, std in zip(planes, channels, self.std, strict=True):
            np.multiply(canvas[:, :, channel], np.float32(self.scale / std), out=plane)
        planes -= (np.array(self.mean) / self.std).astype(np.float32)[:, None, None]
        return planes

    def in_words(self) -> str:
        """For people."""
        values = f"{self.order.upper()} 0..255 x {self.scale:.6g}"
        if any(self.mean):
            values += f", less {_listed(self.mean)}"
        if self.std != (1, 1, 1):
            values += f", by {_listed(self.std)}"
        method = {
            "squash": "squashed, aspect not kept",
            "stretch": "stretched to multiples of 32",
            "letterbox": f"aspect kept, in the middle of gray {self.pad_value}",
            "keep-aspect": f"aspect kept, at the top left of gray {self.pad_value}",
        }[self.resize]
        return f"{values}; {method}; {'averaged when it shrinks' if self.antialias else 'bilinear'}"


def _near(source: Size, long_side: int) -> Size:
    """The sides of multiples of 32 that are nearest to those of an image scaled to ``long_side``."""
    height, width = (max(1, round(side * long_side / max(source) / _MULTIPLE)) * _MULTIPLE for side in source)
    return height, width


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _MAX_VALUE


def _are_numbers(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 3 and all(map(_is_number, value))


_RULES: Mapping[str, tuple[str, Callable[..., bool]]] = MappingProxyType(
    {
        "order": ('"rgb" or "bgr"', lambda value: value in ("rgb", "bgr")),
        "scale": ("a number above 0", lambda value: _is_number(value) and value > 0),
        "mean": ("three numbers", _are_numbers),
        "std": ("three numbers above 0", lambda value: _are_numbers(value) and min(value) > 0),
        "resize": (
            '"squash", "stretch", "letterbox" or "keep-aspect"',
            lambda value: value in ("squash", "stretch", "letterbox", "keep-aspect"),
        ),
        "pad_value": (
            "a whole number from 0 to 255",
            lambda value: _is_number(value) and isinstance(value, int) and 0 <= value <= 255,
        ),
        "antialias": ("true or false", lambda value: isinstance(value, bool)),
    }
)


def _listed(values: Three) -> str:
    return f"({', '.join(f'{value:g}' for value in values)})"


UNIT = Preprocessing(resize="stretch", antialias=True)
"""RGB in 0..1, the whole input filled."""
IMAGENET = replace(UNIT, mean=IMAGENET_MEAN, std=IMAGENET_STD)
"""What most networks are trained with that began from ImageNet's classes."""
HALF = replace(UNIT, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
"""RGB in -1..1."""

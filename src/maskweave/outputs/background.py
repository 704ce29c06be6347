"""Composite cut-out objects: transparent, on one color, or over a blurred image."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor

from maskweave.errors import InvalidValue
from maskweave.ops.palette import Color
from maskweave.types.arrays import FloatArray, Image, Mask

_SHRINK = 4  # the blur is computed on a smaller image: it has no detail to lose
_MIN_WEIGHT = 1e-6  # only deep inside an object, where the background is not seen

VIDEO_MARGIN = 4
"""Pixels round an object whose color stays under the alpha of videos: codecs mix neighboring colors."""


@dataclass(frozen=True)
class Background:
    """The background of cut-outs: nothing ("transparent"), one ``color``, or the image itself, blurred."""

    kind: Literal["transparent", "color", "blur"] = "transparent"
    color: Color = (0, 0, 0)

    @property
    def is_transparent(self) -> bool:
        """Whether the result needs alpha."""
        return self.kind == "transparent"


TRANSPARENT = Background()


def parse_background(text: str) -> Background:
    """Read "transparent", "blur", "#rrggbb" or a color name of CSS; raises `InvalidValue` for anything else.

    >>> parse_background("teal").color
    (0, 128, 128)
    """
    word = text.strip().lower()
    if word == "transparent":
        return TRANSPARENT
    if word == "blur":
        return Background("blur")
    color: tuple[int, ...] = ()
    with suppress(ValueError):
        color = ImageColor.getrgb(word)
    if len(color) != 3:  # no color, or one with alpha
        raise InvalidValue(
            f"--background: need transparent, blur, #rrggbb or a color name like white or teal, got {text!r}"
        )
    return Background("color", (color[0], color[1], color[2]))


def with_alpha(image: Image, alpha: FloatArray | Mask, *, margin: int = 0) -> Image:
    """(H, W, 4) uint8 RGBA: the image with ``alpha`` (bool, or 0..1); where that is 0, transparent black.

    ``margin``: pixels round the object that keep their color under the transparency (`VIDEO_MARGIN`).
    """
    opacity = np.rint(alpha * np.float32(255)).astype(np.uint8)
    kept = (opacity > 0).view(np.uint8)
    if margin:
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1, 2 * margin + 1))
        kept = cv2.dilate(kept, kernel).astype(np.uint8, copy=False)
    rgba = np.zeros((*alpha.shape, 4), dtype=np.uint8)
    rgba[..., :3] = cv2.copyTo(np.ascontiguousarray(image), kept)
    rgba[..., 3] = opacity
    return rgba


def before_background(
    image: Image, alpha: FloatArray | Mask, background: Background, *, colors: Image | None = None
) -> Image:
    """(H, W, 3) uint8 RGB: the image where ``alpha`` (bool, or 0..1) is, before ``background``.

    The edges of a mask of bool are softened by a pixel. ``colors``: (H, W, 3) uint8 RGB of the objects alone, where
    they are known without what shines through at their edges; None takes those of the image.

    Raises `InvalidValue` for a transparent background, which needs `with_alpha`.
    """
    if background.is_transparent:
        raise InvalidValue("background: need a color or blur for an image without alpha, got transparent")
    ground = np.array(background.color, dtype=np.float32)
    if background.kind == "blur":
        ground = _blurred_without(image, alpha)
    share = alpha.astype(np.float32)
    if alpha.dtype == np.bool_:
        share = np.asarray(cv2.GaussianBlur(share, (3, 3), 0), np.float32)
    front = image if colors is None else colors
    return np.rint(ground + share[..., None] * (front - ground)).astype(np.uint8)


def _blurred_without(image: Image, alpha: FloatArray | Mask) -> NDArray[np.float32]:
    """(H, W, 3) float32, blurred as if the objects were not there, so that none has a halo of its own color."""
    height, width = alpha.shape
    small = (-(-width // _SHRINK), -(-height // _SHRINK))
    seen = 1 - alpha.astype(np.float32)
    colors = cv2.resize(image * seen[..., None], small, interpolation=cv2.INTER_AREA)
    weights = cv2.resize(seen, small, interpolation=cv2.INTER_AREA)
    sigma = max(height, width) / _SHRINK / 70
    colors = cv2.GaussianBlur(colors, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    weights = cv2.GaussianBlur(weights, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    blurred = colors / np.maximum(weights, _MIN_WEIGHT)[..., None]
    return cv2.resize(blurred, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32, copy=False)

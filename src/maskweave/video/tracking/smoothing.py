"""Smooth masks over time, so that they do not flicker."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from maskweave.types.arrays import Mask, Size

_SECONDS = 0.08  # memory of the outline: 60 % of it comes from before at 25 frames a second
_MIN_IOU = 0.75  # under this the object changed, was hidden or turned up: nothing to smooth
_BAND = 0.035  # of the root of the area: how far from the raw outline the result may lie


@dataclass(frozen=True)
class SteadyMask:
    """A track's outline, averaged over time.

    ``probs``: (h, w) uint8, 255 is the object, its top-left pixel at ``corner`` (x, y) of the frame.
    ``center``: x, y of the middle of the raw mask's pixels in the frame.
    """

    probs: NDArray[np.uint8]
    corner: tuple[int, int]
    center: tuple[float, float]

    @classmethod
    def of(cls, crop: Mask, corner: tuple[int, int]) -> SteadyMask:
        """Start from a raw mask; ``crop`` (h, w) bool at ``corner`` x, y."""
        return cls(crop.view(np.uint8) * np.uint8(255), corner, _center(crop, corner))


def steady(
    former: SteadyMask, crop: Mask, corner: tuple[int, int], *, size: Size, scale: float, seconds: float
) -> tuple[SteadyMask, Mask, tuple[int, int]]:
    """Return the average of a raw mask with what was before, and the mask to show with its corner (x, y).

    ``crop`` (h, w) bool, tight, lies at ``corner`` of a frame of ``size``. The former outline is laid over the new,
    middle on middle, ``scale`` times as large, and the two are averaged; ``seconds`` lie between them. The result
    differs from the raw mask only in a narrow `band` along its outline, so nothing is left behind and nothing lags;
    where the two have too little in common, it is the raw one.
    """
    if not crop.size:
        return SteadyMask.of(crop, corner), crop, corner
    margin = band(crop)
    left, top = min(margin, corner[0]), min(margin, corner[1])
    right = min(margin, size[1] - corner[0] - crop.shape[1])
    bottom = min(margin, size[0] - corner[1] - crop.shape[0])
    padded = cv2.copyMakeBorder(crop.view(np.uint8), top, bottom, left, right, cv2.BORDER_CONSTANT)
    raw = np.asarray(padded, dtype=np.uint8)
    raw *= 255
    place = corner[0] - left, corner[1] - top
    center = _center(crop, corner)
    warped = _warped(former, center, place, raw.shape, scale)
    inside = warped >= 128
    shared = np.count_nonzero(inside[top : top + crop.shape[0], left : left + crop.shape[1]] & crop)
    if shared < _MIN_IOU * (np.count_nonzero(inside) + np.count_nonzero(crop) - shared):
        return SteadyMask(raw, place, center), crop, corner
    keep = math.exp(-seconds / _SECONDS)
    probs = np.asarray(cv2.addWeighted(warped, keep, raw, 1 - keep, 0), dtype=np.uint8)
    near = cv2.blur(raw, (2 * margin + 1, 2 * margin + 1), borderType=cv2.BORDER_REPLICATE)
    shown = (probs >= 128) & (near > 0) | (near == 255)
    return SteadyMask(probs, place, center), *_tight(shown, place)


def _tight(mask: Mask, place: tuple[int, int]) -> tuple[Mask, tuple[int, int]]:
    """A mask at x, y without its empty margins, read-only, and where it lies then."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    crop = mask[y : y + height, x : x + width].copy()
    crop.flags.writeable = False
    return crop, (place[0] + x, place[1] + y)


def band(crop: Mask) -> int:
    """Pixels that a steady outline may lie away from the raw one."""
    return max(1, round(_BAND * math.sqrt(crop.size)))


def _warped(
    former: SteadyMask,
    center: tuple[float, float],
    place: tuple[int, int],
    shape: tuple[int, ...],
    scale: float,
) -> NDArray[np.uint8]:
    """The former probabilities in the pixels of an array of ``shape`` at ``place``, 0 beyond them."""
    if abs(scale - 1) * max(shape) < 1:
        scale = 1.0  # less than half a pixel at the outline
    shift_x = center[0] - place[0] - scale * (former.center[0] - former.corner[0])
    shift_y = center[1] - place[1] - scale * (former.center[1] - former.corner[1])
    if scale == 1:
        return moved(former.probs, (shift_x, shift_y), shape)
    matrix = np.array([[scale, 0, shift_x], [0, scale, shift_y]])
    warped = cv2.warpAffine(former.probs, matrix, (shape[1], shape[0]), flags=cv2.INTER_LINEAR)
    return np.asarray(warped, dtype=np.uint8)


def moved(probs: NDArray[np.uint8], shift: tuple[float, float], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """What `cv2.warpAffine` gives for a shift (x, y), in an eighth of its time."""
    framed = cv2.copyMakeBorder(probs, 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    middle = (shape[1] - 1) / 2 + 1 - shift[0], (shape[0] - 1) / 2 + 1 - shift[1]
    return np.asarray(cv2.getRectSubPix(framed, (shape[1], shape[0]), middle), dtype=np.uint8)


def _center(crop: Mask, corner: tuple[int, int]) -> tuple[float, float]:
    moments = cv2.moments(crop.view(np.uint8))  # of zeros and ones
    area = max(moments["m00"], 1.0)
    return corner[0] + moments["m10"] / area, corner[1] + moments["m01"] / area

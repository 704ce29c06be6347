"""Objects of one frame carried to the next by optical flow, where the network does not look."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue
from maskweave.ops.reduce import halved_until
from maskweave.ops.shift import shift_masks
from maskweave.tracking.flow import DenseFlow
from maskweave.types.arrays import FloatArray, Image, Mask
from maskweave.types.instances import Instances

_REDUCED = 320
"""Pixels: the long side at which motion is measured."""


class MaskCarrier:
    """Takes what was found in a frame along to the frames after it.

    Each mask moves as a whole by the median of the dense flow inside it, measured on reduced pictures: over a few
    frames an object's shape changes less than flow errs at its border. What leaves the picture is dropped.
    """

    def __init__(self) -> None:
        self._flow = DenseFlow()
        self._former: NDArray[np.uint8] | None = None
        self._found: Instances | None = None
        self._rest: FloatArray = np.zeros((0, 2))  # of the shifts, under a pixel

    def note(self, image: Image, found: Instances) -> Instances:
        """Take in what the network found in (H, W, 3) ``image``, and return it."""
        self._former, self._found = _grey(image)[0], found
        self._rest = np.zeros((len(found), 2))
        return found

    def carry(self, image: Image) -> Instances:
        """What was found in the frame before, where it is in ``image``; ids, classes and scores stay.

        Raises `InvalidValue` when no frame of that size came before.
        """
        former, found = self._former, self._found
        if former is None or found is None or found.size != image.shape[:2]:
            raise InvalidValue(f"carry: need a frame of size {image.shape[:2]} before, got none")
        self._former, factor = _grey(image)
        if not len(found):
            return found
        flow = self._flow.between(former, self._former)
        placed = found.masks.placed()
        shifts = np.array([_shift(crop, x, y, flow, factor=factor) for crop, x, y in placed]) + self._rest
        whole = np.rint(shifts).astype(np.int64)
        masks = shift_masks(found.masks, whole)
        there = masks.areas > 0
        self._found = found.replace(masks=masks, boxes=masks.boxes)[there]
        self._rest = (shifts - whole)[there]
        return self._found


def _grey(image: Image) -> tuple[NDArray[np.uint8], int]:
    """The picture reduced by a whole factor, and the factor."""
    reduced, factor = halved_until(image, _REDUCED)
    return np.asarray(cv2.cvtColor(reduced, cv2.COLOR_RGB2GRAY), dtype=np.uint8), factor


def _shift(crop: Mask, x: int, y: int, flow: FloatArray, *, factor: int) -> FloatArray:
    """(x, y) pixels by which a mask at ``x``, ``y`` moves: median of the (h, w, 2) reduced flow inside it."""
    # the pixels of the crop that lie in the middle of a pixel of the reduced picture
    left, top = -(-(x - factor // 2) // factor), -(-(y - factor // 2) // factor)
    sampled = crop[top * factor + factor // 2 - y :: factor, left * factor + factor // 2 - x :: factor]
    part = flow[top : top + sampled.shape[0], left : left + sampled.shape[1]]
    inside = part[sampled[: part.shape[0], : part.shape[1]]]
    shift: FloatArray = np.median(inside, axis=0) * factor if len(inside) else np.zeros(2)
    return shift

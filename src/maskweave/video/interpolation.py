"""Move objects along by optical flow between key frames, where the network does not look."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue
from maskweave.ops.masks import shift_masks
from maskweave.types.arrays import FloatArray, Mask
from maskweave.types.instances import Instances
from maskweave.video.optical_flow import DenseFlow
from maskweave.video.stream import FrameFacts


class MaskInterpolator:
    """Moves what was found in a key frame through the frames after it.

    Each mask moves as a whole by the median of the dense flow inside it, measured on reduced images: over a few
    frames an object's shape changes less than flow errs at its border. What leaves the image is dropped.
    """

    def __init__(self) -> None:
        self._flow = DenseFlow()
        self._former: NDArray[np.uint8] | None = None
        self._found: Instances | None = None
        self._rest: FloatArray = np.zeros((0, 2))  # of the shifts, under a pixel

    def update(self, facts: FrameFacts, found: Instances | None) -> Instances:
        """Return ``found``, a key frame's objects, or for None those of the frame before, where they are now.

        Ids, classes and scores stay. Raises `InvalidValue` for None when no frame of that size came before.
        """
        former, self._former = self._former, facts.reduced_gray
        if found is None:
            return self._move(facts, former)
        self._found, self._rest = found, np.zeros((len(found), 2))
        return found

    def _move(self, facts: FrameFacts, former: NDArray[np.uint8] | None) -> Instances:
        found, (height, width) = self._found, facts.frame.image.shape[:2]
        if former is None or found is None or found.size != (height, width):
            raise InvalidValue(f"between key frames: need a frame of {width}x{height} before, got none")
        if not len(found):
            return found
        flow, factor = self._flow.between(former, facts.reduced_gray), facts.reduced[1]
        placed = found.masks.placed()
        shifts = np.array([_shift(crop, x, y, flow, factor=factor) for crop, x, y in placed]) + self._rest
        whole = np.rint(shifts).astype(np.int64)
        masks = shift_masks(found.masks, whole)
        visible = masks.areas > 0
        self._found = found.replace(masks=masks, boxes=masks.boxes)[visible]
        self._rest = (shifts - whole)[visible]
        return self._found


def _shift(crop: Mask, x: int, y: int, flow: FloatArray, *, factor: int) -> FloatArray:
    """(x, y) pixels by which a mask at ``x``, ``y`` moves: median of the (h, w, 2) reduced flow inside it."""
    # the pixels of the crop that lie in the middle of a pixel of the reduced image
    left, top = -(-(x - factor // 2) // factor), -(-(y - factor // 2) // factor)
    sampled = crop[top * factor + factor // 2 - y :: factor, left * factor + factor // 2 - x :: factor]
    part = flow[top : top + sampled.shape[0], left : left + sampled.shape[1]]
    inside = part[sampled[: part.shape[0], : part.shape[1]]]
    shift: FloatArray = np.median(inside, axis=0) * factor if len(inside) else np.zeros(2)
    return shift

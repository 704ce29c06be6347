"""Draw where objects came from, as thin lines that fade with age."""

from __future__ import annotations

from collections import deque
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from maskweave.ops.centers import object_centers
from maskweave.ops.palette import Color
from maskweave.types.arrays import Image
from maskweave.types.frame import Frame
from maskweave.types.instances import Instances

_SHIFT = 4  # binary digits behind the point in OpenCV's drawing
_STRONGEST = 0.9  # how much of the image the newest end of a trail covers
_CALM = 2  # each center is drawn as the mean of itself and so many before and after: masks tremble

_Spot = tuple[Fraction, float, float]


class Trails:
    """Remembers where the tracked objects of one stream were during the last ``seconds``.

    A track that has not been seen for that long is forgotten; one that is not in the frame is not drawn. Memory is
    bounded by what is seen within ``seconds``.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = Fraction(seconds)
        self._spots: dict[int, deque[_Spot]] = {}
        self._now: tuple[int, ...] = ()

    def __len__(self) -> int:
        """How many tracks are remembered."""
        return len(self._spots)

    def update(self, frame: Frame, instances: Instances) -> None:
        """Add where the objects of a frame are; those without ``track_ids`` leave no trail."""
        ids = [] if instances.track_ids is None else instances.track_ids.tolist()
        self._now = tuple(ids)
        self._forget(frame.time)
        centers = object_centers(instances)[: len(ids)].tolist()
        for track_id, (x, y) in zip(ids, centers, strict=True):
            self._spots.setdefault(track_id, deque()).append((frame.time, x, y))

    def _forget(self, now: Fraction) -> None:
        """Drop what is too old, and what claims to be from the future when a stream's clock steps back."""
        for track_id, spots in list(self._spots.items()):
            while spots and spots[0][0] < now - self._seconds:
                spots.popleft()
            while spots and spots[-1][0] >= now:
                spots.pop()
            if not spots:
                del self._spots[track_id]

    def draw(self, image: Image, colors: dict[int, Color], *, width: int) -> None:
        """Draw the trails of the tracks in the last frame into ``image``, ``width`` pixels wide.

        ``colors``: by track id; a track without one is left out.
        """
        for track_id in self._now:
            spots = self._spots.get(track_id)
            if spots is not None and len(spots) > 1 and track_id in colors:
                self._draw_one(image, list(spots), colors[track_id], width)

    def _draw_one(self, image: Image, spots: list[_Spot], color: Color, width: int) -> None:
        newest = spots[-1][0]
        ages = np.array([float((newest - time) / self._seconds) for time, _, _ in spots])
        path = _calmed(np.array([(x, y) for _, x, y in spots]))
        low = np.maximum(np.floor(path.min(axis=0)).astype(int) - width - 1, 0)
        high = np.minimum(np.ceil(path.max(axis=0)).astype(int) + width + 1, image.shape[1::-1])
        if (high <= low).any():
            return
        cover = np.zeros((high[1] - low[1], high[0] - low[0]), dtype=np.uint8)
        corners = np.rint((path - low - 0.5) * (1 << _SHIFT)).astype(int).tolist()
        for start, end, age in zip(corners[:-1], corners[1:], ages[1:], strict=True):
            strength = round(255 * _STRONGEST * max(0.0, 1 - age))
            cv2.line(cover, start, end, strength, width, cv2.LINE_AA, _SHIFT)
        region = image[low[1] : high[1], low[0] : high[0]]
        drawn = np.divmod(np.flatnonzero(cover), cover.shape[1])  # few pixels of a large rectangle
        below = region[drawn].astype(np.float32)
        share = cover[drawn][:, None].astype(np.float32) / np.float32(255)
        region[drawn] = below + share * (np.array(color, dtype=np.float32) - below) + np.float32(0.5)


def _calmed(path: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 2) points, each the mean of its neighbors; the newest stays where it is."""
    reach = np.minimum(_CALM, np.minimum(np.arange(len(path)), np.arange(len(path))[::-1]))
    sums = np.concatenate([np.zeros((1, 2)), np.cumsum(path, axis=0)])
    index = np.arange(len(path))
    means: NDArray[np.float64] = (sums[index + reach + 1] - sums[index - reach]) / (2 * reach + 1)[:, None]
    return means

"""Predict where tracked boxes go: a constant-velocity filter for all tracks at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from maskweave.types.arrays import FloatArray, IntArray
from maskweave.video.camera_motion import Homography, move_points

_MIN_PLACE_GAIN, _MIN_SPEED_GAIN = 0.5, 0.15
_SIZE_SHARE = 0.3  # sizes change slower than places


class BoxMotion:
    """Places, sizes and speeds of T boxes, as center x, center y, width, height in pixels and per second.

    An alpha-beta filter: the Kalman filter of constant velocity with its gains written down. They follow the
    least-squares line through the first sightings and end at constants, so a new track knows its speed after
    two (Kalata, "The tracking index", 1984; Brookner, "Tracking and Kalman Filtering Made Easy", 1998).
    """

    def __init__(self) -> None:
        self.places: NDArray[np.float64] = np.zeros((0, 4))
        self.speeds: NDArray[np.float64] = np.zeros((0, 4))
        self.sightings: NDArray[np.int64] = np.zeros(0, np.int64)

    @property
    def boxes(self) -> FloatArray:
        """(T, 4) x1 y1 x2 y2."""
        half = np.maximum(self.places[:, 2:], 1) / 2
        return np.concatenate([self.places[:, :2] - half, self.places[:, :2] + half], axis=1)

    def begin(self, boxes: FloatArray) -> None:
        """Append boxes, at rest."""
        self.places = np.concatenate([self.places, _as_places(boxes)])
        self.speeds = np.concatenate([self.speeds, np.zeros((len(boxes), 4))])
        self.sightings = np.concatenate([self.sightings, np.ones(len(boxes), np.int64)])

    def keep(self, rows: IntArray) -> None:
        """Keep these rows only."""
        self.places, self.speeds = self.places[rows], self.speeds[rows]
        self.sightings = self.sightings[rows]

    def move_camera(self, homography: Homography) -> None:
        """Carry all into the pixels of the next frame."""
        if not len(self.places) or np.array_equal(homography, np.eye(3)):
            return
        centers = self.places[:, :2]
        step = np.maximum(self.places[:, 2:], 1) / 2
        points = np.concatenate([centers, centers + step * (1, 0), centers + step * (0, 1)])
        moved, right, low = np.split(move_points(homography, points), 3)
        aside, below = np.abs(right - moved), np.abs(low - moved)
        scale = np.stack([aside[:, 0] / step[:, 0], below[:, 1] / step[:, 1]], axis=1)
        self.places = np.concatenate([moved, self.places[:, 2:] * scale], axis=1)
        turn = homography[:2, :2] / homography[2, 2]
        self.speeds = np.concatenate([self.speeds[:, :2] @ turn.T, self.speeds[:, 2:] * scale], axis=1)

    def predict(self, seconds: float) -> None:
        """Let all go on at their speeds; nothing shrinks to less than half or grows to more than double."""
        sizes = self.places[:, 2:]
        self.places = self.places + self.speeds * seconds
        self.places[:, 2:] = np.clip(self.places[:, 2:], sizes / 2, sizes * 2)

    def correct(self, rows: IntArray, boxes: FloatArray, *, seconds: FloatArray, trust: FloatArray) -> None:
        """Take in where (R,) ``rows`` were seen: (R, 4) xyxy, ``seconds`` after they were seen before.

        A place follows the smaller of what the two sides moved, and rests where they moved against each other: what
        goes into hiding loses one side and only seems to slow down. ``trust`` (R,) in 0..1 is how much of the object
        the box shows; sizes and speeds follow by it.
        """
        seen = self.sightings[rows].astype(np.float64)
        spread = (seen + 1) * (seen + 2)
        place_gain = np.maximum(2 * (2 * seen + 1) / spread, _MIN_PLACE_GAIN)
        speed_gain = np.maximum(6 / spread, _MIN_SPEED_GAIN) * trust**2 / np.maximum(seconds, 1e-3)
        expected = self.boxes[rows]
        low, high = boxes[:, :2] - expected[:, :2], boxes[:, 2:] - expected[:, 2:]
        nearer = np.where(np.abs(low) < np.abs(high), low, high) * (low * high > 0)
        error = np.concatenate([nearer, trust[:, None] * (high - low)], axis=1)
        self.places[rows] += place_gain[:, None] * error
        self.speeds[rows] += speed_gain[:, None] * error * (1, 1, _SIZE_SHARE, _SIZE_SHARE)
        self.sightings[rows] += 1


def _as_places(boxes: FloatArray) -> NDArray[np.float64]:
    places: NDArray[np.float64] = np.concatenate(
        [(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], axis=1
    )
    return places

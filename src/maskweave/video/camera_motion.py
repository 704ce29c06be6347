"""Estimate the camera's motion between frames, apart from that of objects."""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from maskweave.types.arrays import FloatArray, Size

Gray: TypeAlias = NDArray[np.uint8]
"""(H, W) uint8."""
Homography: TypeAlias = NDArray[np.float64]
"""(3, 3), takes (x, y, 1) of one image to another up to a factor."""

_POINTS = 80  # corners followed from frame to frame
_MIN_POINTS = 8
_WINDOW = (9, 9)  # pixels around a corner; OpenCV takes eight of a row at once, with 11 it is half as fast
_STILL_ENOUGH = 0.8  # of the corners followed: with fewer, new ones are looked for
_MIN_INLIERS = 0.3  # share of the followed corners that must agree
_TOLERANCE = 0.7  # pixels a corner may lie off the common motion
_MAX_SCALE = 2.0  # an image does not double or halve within a frame


class CameraMotion:
    """Follows corners from each frame to the next and fits the shift, turn and scale that most of them share.

    Images are meant to be small, a long side of 160 to 320 pixels; carry the result to other sizes with
    `scale_homography`. Sparse pyramidal Lucas-Kanade (Bouguet, 2001) on Shi-Tomasi corners, RANSAC.
    """

    def __init__(self) -> None:
        self._former: Gray | None = None
        self._corners = np.zeros((0, 1, 2), np.float32)
        self._fresh = 0  # corners when they were last looked for

    def update(self, gray: Gray) -> Homography:
        """Return the (3, 3) map from the former frame's pixels to this one's; the identity when it is unknown.

        ``gray``: (H, W) uint8; another size than before begins again.
        """
        former, corners = self._former, self._corners
        self._former = gray
        if former is None or former.shape != gray.shape or len(corners) < _MIN_POINTS:
            self._look_for_corners(gray)
            return np.eye(3)
        found, seen, _ = cv2.calcOpticalFlowPyrLK(
            former, gray, corners, corners.copy(), winSize=_WINDOW, maxLevel=3
        )
        both = np.asarray(seen).ravel() == 1
        start, end = corners[both], np.asarray(found, dtype=np.float32)[both]
        self._corners = end
        if len(end) < _STILL_ENOUGH * self._fresh:
            self._look_for_corners(gray)
        return fit_camera(start, end, min_inliers=_MIN_INLIERS * len(corners))

    def _look_for_corners(self, gray: Gray) -> None:
        spread = max(3.0, 0.03 * max(gray.shape))  # corners of one busy spot say nothing about the whole
        found = cv2.goodFeaturesToTrack(gray, _POINTS, 0.01, spread, blockSize=3)
        self._corners = np.zeros((0, 1, 2), np.float32) if found is None else np.asarray(found, np.float32)
        self._fresh = len(self._corners)


def scale_homography(homography: Homography, *, measured: Size, wanted: Size) -> Homography:
    """Carry a map between images of size ``measured`` (height, width) to the same images at size ``wanted``.

    Pixel centers lie at whole numbers, as in OpenCV.

    >>> shift = np.array([[1.0, 0, 2], [0, 1, 0], [0, 0, 1]])
    >>> scale_homography(shift, measured=(10, 20), wanted=(30, 60))[0].tolist()
    [1.0, 0.0, 6.0]
    """
    factor_x, factor_y = wanted[1] / measured[1], wanted[0] / measured[0]
    enlarge = np.array(
        [[factor_x, 0, (factor_x - 1) / 2], [0, factor_y, (factor_y - 1) / 2], [0, 0, 1]], dtype=np.float64
    )
    scaled: Homography = enlarge @ homography @ np.linalg.inv(enlarge)
    unit: Homography = scaled / scaled[2, 2]
    return unit


def move_points(homography: Homography, points: FloatArray) -> FloatArray:
    """Carry (N, 2) points x, y by a map."""
    moved = points @ homography[:, :2].T + homography[:, 2]
    projected: FloatArray = moved[:, :2] / moved[:, 2:]
    return projected


def fit_camera(start: FloatArray, end: FloatArray, *, min_inliers: float) -> Homography:
    """Fit the motion that most of (N, 1, 2) points share; the identity where fewer than ``min_inliers`` agree."""
    if len(start) < _MIN_POINTS:
        return np.eye(3)
    fitted, agree = cv2.estimateAffinePartial2D(start, end, ransacReprojThreshold=_TOLERANCE, refineIters=0)
    if fitted is None or agree.sum() < min_inliers:
        return np.eye(3)
    inliers = np.asarray(agree).ravel() == 1
    matrix = _similarity(start.reshape(-1, 2)[inliers], end.reshape(-1, 2)[inliers])
    return matrix if _plausible(matrix) else np.eye(3)


def _similarity(start: FloatArray, end: FloatArray) -> Homography:
    """The shift, turn and scale that carry (N, 2) points to others with the least squared error.

    In closed form; OpenCV's own refinement comes to the same by iterating, in several times the time.
    """
    middles = start.mean(axis=0, dtype=np.float64), end.mean(axis=0, dtype=np.float64)
    before, after = start - middles[0], end - middles[1]
    whole = max(float(np.vdot(before, before)), 1e-9)
    along = float(np.vdot(before, after)) / whole
    across = float(np.vdot(before, after[:, ::-1] * (1, -1))) / whole
    turn = np.array([[along, -across], [across, along]])
    matrix: Homography = np.eye(3)
    matrix[:2, :2], matrix[:2, 2] = turn, middles[1] - turn @ middles[0]
    return matrix


def _plausible(matrix: FloatArray) -> bool:
    if not np.isfinite(matrix).all():
        return False
    scale = np.sqrt(abs(np.linalg.det(matrix[:2, :2])))
    return bool(1 / _MAX_SCALE < scale < _MAX_SCALE)

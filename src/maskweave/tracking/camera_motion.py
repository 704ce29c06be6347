"""How the whole picture moves between frames: the camera's own motion, told apart from that of objects."""

from __future__ import annotations

from typing import Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue
from maskweave.types.arrays import FloatArray, Mask, Size

Grey: TypeAlias = NDArray[np.uint8]
"""(H, W) uint8."""
Homography: TypeAlias = NDArray[np.float64]
"""(3, 3), takes (x, y, 1) of one picture to another up to a factor."""

_POINTS = 80  # corners followed from frame to frame
_LEAST_POINTS = 8
_LEAST_INLIERS = 0.3  # share of the followed corners that must agree
_TOLERANCE = 0.7  # pixels a corner may lie off the common motion
_MOST_SCALE = 2.0  # a picture does not double or halve within a frame


class CameraMotion:
    """Follows corners from each frame to the next and fits the motion most of them share.

    ``model``: "similarity" (shift, turn, scale) is the steadier one where there is little to see; "homography" also
    follows a camera that tilts in front of a plane. Pictures are meant to be small, a long side of 160 to 320
    pixels; carry the result to other sizes with `scale_homography`. ``inlier_share`` is the share of corners that
    agreed in the last update, 0 where no motion could be told.

    Sparse pyramidal Lucas-Kanade (Bouguet, 2001) on Shi-Tomasi corners, RANSAC.
    Raises `InvalidValue` for another model.
    """

    def __init__(self, *, model: Literal["similarity", "homography"] = "similarity") -> None:
        if model not in ("similarity", "homography"):
            raise InvalidValue(f"camera motion: need model similarity or homography, got {model!r}")
        self._model = model
        self._former: Grey | None = None
        self._corners: NDArray[np.float32] | None = None
        self.inlier_share = 0.0

    def update(self, grey: Grey, *, ignore: Mask | None = None) -> Homography:
        """Return the (3, 3) map from the former frame's pixels to this one's; the identity when it cannot be told.

        ``grey``: (H, W) uint8; another size than before begins anew. ``ignore``: (H, W) bool, pixels of this frame
        that move on their own, from which no corner is followed to the next frame.
        """
        former, corners = self._former, self._corners
        self._former, self._corners = grey, _corners(grey, ignore)
        self.inlier_share = 0.0
        if former is None or corners is None or former.shape != grey.shape:
            return np.eye(3)
        found, seen, _ = cv2.calcOpticalFlowPyrLK(
            former, grey, corners, corners.copy(), winSize=(11, 11), maxLevel=3
        )
        both = np.asarray(seen).ravel() == 1
        return self._fit(corners[both], np.asarray(found, dtype=np.float32)[both], len(corners))

    def reset(self) -> None:
        """Forget the former frame: after a cut nothing moved, the picture is another."""
        self._former = self._corners = None

    def _fit(self, start: FloatArray, end: FloatArray, corners: int) -> Homography:
        if len(start) < _LEAST_POINTS:
            return np.eye(3)
        if self._model == "similarity":
            fitted, agree = cv2.estimateAffinePartial2D(start, end, ransacReprojThreshold=_TOLERANCE)
            matrix = None if fitted is None else np.vstack([fitted, [0, 0, 1]])
        else:
            matrix, agree = cv2.findHomography(start, end, cv2.RANSAC, _TOLERANCE)
        share = 0.0 if matrix is None else float(agree.sum()) / corners
        if matrix is None or share < _LEAST_INLIERS or not _plausible(matrix):
            return np.eye(3)
        self.inlier_share = share
        found: Homography = np.asarray(matrix, dtype=np.float64)
        return found


def scale_homography(homography: Homography, *, measured: Size, wanted: Size) -> Homography:
    """Carry a map between pictures of size ``measured`` (height, width) to the same pictures at size ``wanted``.

    Pixel centres lie at whole numbers, as in OpenCV.

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
    carried: FloatArray = moved[:, :2] / moved[:, 2:]
    return carried


def _corners(grey: Grey, ignore: Mask | None) -> NDArray[np.float32] | None:
    allowed = None if ignore is None else np.where(ignore, 0, 255).astype(np.uint8)
    spread = max(3.0, 0.03 * max(grey.shape))  # corners of one busy spot say nothing about the whole
    found = cv2.goodFeaturesToTrack(grey, _POINTS, 0.01, spread, mask=allowed, blockSize=3)
    if found is None or len(found) < _LEAST_POINTS:
        return None
    return np.asarray(found, dtype=np.float32)


def _plausible(matrix: FloatArray) -> bool:
    if not np.isfinite(matrix).all():
        return False
    scale = np.sqrt(abs(np.linalg.det(matrix[:2, :2])))
    return bool(1 / _MOST_SCALE < scale < _MOST_SCALE)

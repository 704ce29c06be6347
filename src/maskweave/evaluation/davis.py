"""The DAVIS measures of video object segmentation: J (regions), F (contours), their mean, recall and decay.

Definitions: F. Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation",
CVPR 2016, and the benchmark's own programs, https://github.com/davisvideochallenge/davis2017-evaluation.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue
from maskweave.types.arrays import FloatArray, IntArray, Mask

TOLERANCE = 0.008
"""How far a contour may be off and still count, as a share of the image's diagonal."""
RECALL_THRESHOLD = 0.5
_BINS = 4


@dataclass(frozen=True)
class Statistics:
    """Of one measure over the frames of one object.

    ``mean``: over the frames. ``recall``: share of frames above 0.5. ``decay``: mean of the first quarter of the
    frames less that of the last one; smaller is better. Values lie in 0..1.
    """

    mean: float
    recall: float
    decay: float

    @classmethod
    def of(cls, values: FloatArray) -> Statistics:
        """Summarise (T,) values, one a frame. Frames without a value (NaN) are left out."""
        borders = np.round(np.linspace(1, len(values), _BINS + 1) + 1e-10).astype(int) - 1
        quarters = [values[start : end + 1] for start, end in itertools.pairwise(borders)]
        return cls(
            mean=float(np.nanmean(values)),
            recall=float(np.nanmean(values > RECALL_THRESHOLD)),
            decay=float(np.nanmean(quarters[0]) - np.nanmean(quarters[-1])),
        )


@dataclass(frozen=True)
class ObjectScores:
    """J and F of one object in one sequence."""

    sequence: str
    object_id: int
    regions: Statistics
    contours: Statistics

    @property
    def jf_mean(self) -> float:
        """Mean of J and F."""
        return (self.regions.mean + self.contours.mean) / 2


@dataclass(frozen=True, eq=False)
class DavisFrame:
    """The truth of one frame: (H, W) object ids, 0 is background; its sequence, and the objects to score there."""

    id_map: IntArray
    sequence: str
    object_ids: Sequence[int]


class DavisMetric:
    """Collects sequences, frame by frame, and gives the scores of every object in them; satisfies `Metric`.

    ``skip_ends`` leaves the first and the last frame of each sequence out, as the benchmark does for the
    semi-supervised task, where the first mask is given.
    """

    def __init__(self, *, skip_ends: bool) -> None:
        self._skip_ends = skip_ends
        self._values: dict[tuple[str, int], list[tuple[int, float, float]]] = {}
        self._lengths: dict[str, int] = {}

    def add(self, truth: DavisFrame, predicted: IntArray) -> None:
        """Add the next frame of a sequence and the (H, W) object ids found in it.

        Raises `InvalidValue` naming the frame when the two maps are of different sizes.
        """
        known, frame = truth.id_map, self._lengths.get(truth.sequence, 0)
        if known.shape != predicted.shape or known.ndim != 2:
            raise InvalidValue(
                f"{truth.sequence}, frame {frame}: need a result of the truth's size {known.shape}, "
                f"got {predicted.shape}"
            )
        self._lengths[truth.sequence] = frame + 1
        for object_id in truth.object_ids:
            true_mask, mask = known == object_id, predicted == object_id
            values = (frame, region_similarity(true_mask, mask), contour_accuracy(true_mask, mask))
            self._values.setdefault((truth.sequence, object_id), []).append(values)

    def result(self) -> list[ObjectScores]:
        """Scores of every object, in the order they were added; raises `InvalidValue` without a frame."""
        if not self._lengths:
            raise InvalidValue("davis: need at least one frame, got none")
        return [self._scores(*key, values) for key, values in self._values.items()]

    def _scores(self, sequence: str, object_id: int, values: list[tuple[int, float, float]]) -> ObjectScores:
        last = self._lengths[sequence] - 1
        counted = [each for each in values if not self._skip_ends or 0 < each[0] < last]
        if not counted:
            raise InvalidValue(
                f"{sequence}: need at least {3 if self._skip_ends else 1} frames, got {last + 1}"
            )
        table = np.array(counted)
        return ObjectScores(sequence, object_id, Statistics.of(table[:, 1]), Statistics.of(table[:, 2]))


def region_similarity(truth: Mask, mask: Mask) -> float:
    """J: intersection over union of two (H, W) bool masks; 1 when both are empty."""
    union = np.count_nonzero(truth | mask)
    return 1.0 if union == 0 else np.count_nonzero(truth & mask) / union


def contour_accuracy(truth: Mask, mask: Mask) -> float:
    """F: harmonic mean of precision and recall of the contour of ``mask``, both (H, W) bool.

    A contour pixel is right when one of the other contour lies within `TOLERANCE` (a share of the diagonal,
    rounded up to whole pixels, by dilation with a disk).
    """
    reach = math.ceil(TOLERANCE * math.hypot(*truth.shape))
    true_contour, contour = contour_map(truth), contour_map(mask)
    found, wanted = int(contour.sum()), int(true_contour.sum())
    if found == 0 or wanted == 0:
        return 1.0 if found == wanted else 0.0
    precision = int((contour & _dilated(true_contour, reach)).sum()) / found
    recall = int((true_contour & _dilated(contour, reach)).sum()) / wanted
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)


def contour_map(mask: Mask) -> Mask:
    """(H, W) bool: pixels that differ from their neighbor to the right, below, or diagonally below right."""
    right, below, diagonal = mask.copy(), mask.copy(), mask.copy()
    right[:, :-1] = mask[:, 1:]
    below[:-1] = mask[1:]
    diagonal[:-1, :-1] = mask[1:, 1:]
    contour: Mask = (mask ^ right) | (mask ^ below) | (mask ^ diagonal)
    contour[-1] = mask[-1] ^ right[-1]
    contour[:, -1] = mask[:, -1] ^ below[:, -1]
    contour[-1, -1] = False
    return contour


def _dilated(contour: Mask, radius: int) -> Mask:
    return cv2.dilate(contour.view(np.uint8), _disk(radius)).astype(bool)


def _disk(radius: int) -> NDArray[np.uint8]:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disk: NDArray[np.uint8] = (x * x + y * y <= radius * radius).astype(np.uint8)
    return disk

"""Measures of class maps: mean IoU, accuracies, boundary IoU, and which class is taken for which.

Definitions: J. Long et al., "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015, section 5 (all but
the boundaries); B. Cheng et al., "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation", CVPR 2021,
https://arxiv.org/abs/2103.16562, with the dilation of 0.02 of the diagonal that its authors use. Pixels are counted
over all images before any share is taken.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from maskweave.errors import InvalidValue
from maskweave.evaluation.matching import percent
from maskweave.types.arrays import IntArray, Mask
from maskweave.types.semantic import IGNORE, SemanticMap

BOUNDARY = 0.02
"""How thick the band along a boundary is, as a share of the image's diagonal."""


@dataclass(frozen=True)
class ClassScores:
    """Of one class; shares in 0..100, NaN where there is nothing to take a share of.

    Attributes:
        iou: Intersection over union of its pixels.
        accuracy: Share of its true pixels that were found.
        boundary_iou: Intersection over union of those of its pixels that lie near its boundaries.
        pixels: How many true pixels it has.
    """

    iou: float
    accuracy: float
    boundary_iou: float
    pixels: int


@dataclass(frozen=True)
class SemanticScores:
    """Of all images; shares in 0..100.

    Attributes:
        miou: Mean of the classes' `ClassScores.iou`; a class that is predicted but never true counts, with 0.
        pixel_accuracy: Share of the labeled pixels whose class is right.
        mean_accuracy: Mean of the classes' `ClassScores.accuracy`.
        fw_iou: Mean of the classes' IoU, weighted with their share of the labeled pixels.
        boundary_miou: Mean of the classes' `ClassScores.boundary_iou`.
        classes: By class name.
        confusion: (C, C + 1) labeled pixels by true class and predicted class, "nothing" last.
        images: How many.
    """

    miou: float
    pixel_accuracy: float
    mean_accuracy: float
    fw_iou: float
    boundary_miou: float
    classes: dict[str, ClassScores]
    confusion: IntArray
    images: int


class SemanticMetric:
    """Collects images one by one and keeps counts only; satisfies `Metric`.

    What is `IGNORE` in the truth counts nowhere; what is `IGNORE` in the prediction is of no class, and wrong.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        self.class_names = tuple(class_names)
        count = len(self.class_names)
        self._confusion = np.zeros((count, count + 1), dtype=np.int64)
        self._edges = np.zeros((3, count), dtype=np.int64)  # true, predicted, both
        self._images = 0

    def add(self, truth: SemanticMap, predicted: SemanticMap) -> None:
        """Take in one image; raises `InvalidValue` where class names or sizes differ."""
        for what, semantic in (("truth", truth), ("predicted", predicted)):
            if semantic.class_names != self.class_names:
                raise InvalidValue(f"{what}: need classes {self.class_names}, got {semantic.class_names}")
        if truth.size != predicted.size:
            raise InvalidValue(f"need a prediction of (height, width) {truth.size}, got {predicted.size}")
        labeled = truth.class_map != IGNORE
        known = np.asarray(truth.class_map)
        found = np.where(labeled, predicted.class_map, np.uint8(IGNORE))
        count = len(self.class_names)
        columns = np.minimum(found[labeled].astype(np.int64), count)  # `IGNORE` is the last column
        pairs = known[labeled].astype(np.int64) * (count + 1) + columns
        self._confusion += np.bincount(pairs, minlength=self._confusion.size).reshape(self._confusion.shape)
        near, found_near = (boundary(each) & labeled for each in (known, found))
        both = near & found_near & (known == found)
        for row, pixels in enumerate((known[near], found[found_near & (found != IGNORE)], known[both])):
            self._edges[row] += np.bincount(pixels, minlength=count)
        self._images += 1

    def result(self) -> SemanticScores:
        """The scores over all images taken in; raises `InvalidValue` without a labeled pixel."""
        if not self._confusion.any():
            raise InvalidValue("semantic: need at least one image with a labeled pixel, got none")
        hits, true = np.diag(self._confusion), self._confusion.sum(axis=1)
        union = true + self._confusion[:, :-1].sum(axis=0) - hits
        iou, accuracy = percent(hits, union), percent(hits, true)
        edges = percent(self._edges[2], self._edges[0] + self._edges[1] - self._edges[2])
        weighted = np.where(true > 0, true / true.sum() * np.nan_to_num(iou), 0.0)
        return SemanticScores(
            miou=float(np.nanmean(iou)),
            pixel_accuracy=float(hits.sum() / true.sum() * 100),
            mean_accuracy=float(np.nanmean(accuracy)),
            fw_iou=float(weighted.sum()),
            boundary_miou=float(np.nanmean(edges)),
            classes={
                name: ClassScores(float(iou[row]), float(accuracy[row]), float(edges[row]), int(true[row]))
                for row, name in enumerate(self.class_names)
            },
            confusion=self._confusion.copy(),
            images=self._images,
        )


def boundary(class_map: IntArray) -> Mask:
    """(H, W) bool: pixels of a uint8 map that lie within the band along another class or the image's edge.

    A pixel of a mask survives the erosion by a square of 2 d + 1 pixels just where that square holds its class alone,
    so the least and the greatest class in the square tell it for all classes at once.
    """
    thickness = max(1, round(BOUNDARY * math.hypot(*class_map.shape)))
    square = np.ones((2 * thickness + 1, 2 * thickness + 1), dtype=np.uint8)
    lowest = cv2.erode(class_map, square)
    highest = cv2.dilate(class_map, square, borderType=cv2.BORDER_CONSTANT, borderValue=(float(IGNORE),) * 4)
    return np.asarray((lowest != class_map) | (highest != class_map))

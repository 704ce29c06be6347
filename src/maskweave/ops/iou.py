"""Overlap of compact masks, computed on the crops alone."""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue
from maskweave.ops.boxes import box_intersections
from maskweave.types.arrays import FloatArray, IntArray, Mask
from maskweave.types.masks import Masks

_Bitmaps: TypeAlias = tuple[list[NDArray[np.uint8]], NDArray[np.int64]]
"""N bitmaps, and (N, 4) the edges of their bytes in the image: left, top, right, bottom, end excluded."""

_CROWDED = 2  # overlapping pixels to look at for each pixel of the masks, from where on packing these pays


def dense_iou(one: Mask, other: Mask) -> float:
    """IoU of two (H, W) bool masks; 0 where both are empty."""
    return float((one & other).sum() / max(1, (one | other).sum()))


def mask_intersections(first: Masks, second: Masks) -> NDArray[np.int64]:
    """(N, M) number of pixels shared by each of N masks with each of M, of images of one size."""
    if first.size != second.size:
        raise InvalidValue(f"masks: need one image size, got {first.size} and {second.size}")
    boxes = first.boxes, second.boxes
    common = box_intersections(*boxes)
    twice = first is second  # then each pair need be met once only
    rows, columns = np.nonzero(np.triu(common, 1) if twice else common)
    pixels = first.nbytes + (0 if twice else second.nbytes)
    bitmaps = _packed if common[rows, columns].sum() > _CROWDED * pixels else _plain
    bits_a = bitmaps(first, boxes[0])
    bits_b = bits_a if twice else bitmaps(second, boxes[1])
    shared = np.zeros(common.shape, dtype=np.int64)
    shared[rows, columns] = _common_bits(bits_a, rows, bits_b, columns)
    if twice:
        shared += shared.T
        np.fill_diagonal(shared, first.areas)
    return shared


def mask_iou(first: Masks, second: Masks) -> FloatArray:
    """(N, M) intersection over union of masks; 0 where both are empty."""
    shared = mask_intersections(first, second)
    union = first.areas[:, None] + second.areas[None] - shared
    iou: FloatArray = np.divide(shared, union, out=np.zeros(shared.shape), where=union > 0)
    return iou


def mask_containment(inner: Masks, outer: Masks) -> FloatArray:
    """(N, M) share of each of N masks inside each of M; 0 for a mask without pixels."""
    shared = mask_intersections(inner, outer)
    areas = np.broadcast_to(inner.areas[:, None], shared.shape)
    share: FloatArray = np.divide(shared, areas, out=np.zeros(shared.shape), where=areas > 0)
    return share


def _plain(masks: Masks, boxes: FloatArray) -> _Bitmaps:
    """A byte a pixel."""
    return [crop.view(np.uint8) for crop in masks.crops], boxes.astype(np.int64)


def _packed(masks: Masks, boxes: FloatArray) -> _Bitmaps:
    """A byte for eight pixels of a row, the first of which lies at a multiple of eight."""
    bitmaps, edges = [], boxes.astype(np.int64)
    for crop, shift in zip(masks.crops, (edges[:, 0] % 8).tolist(), strict=True):
        aligned = np.zeros((crop.shape[0], shift + crop.shape[1]), dtype=bool)
        aligned[:, shift:] = crop
        bitmaps.append(np.packbits(aligned, axis=1))
    edges[:, 0] //= 8
    edges[:, 2] = -(-edges[:, 2] // 8)
    return bitmaps, edges


def _common_bits(first: _Bitmaps, rows: IntArray, second: _Bitmaps, columns: IntArray) -> list[int]:
    """How many bits each pair has in common, looking only where both bitmaps are."""
    (bits_a, edges_a), (bits_b, edges_b) = first, second
    corner, other_corner = edges_a[rows, :2], edges_b[columns, :2]
    low = np.maximum(corner, other_corner)
    high = np.minimum(edges_a[rows, 2:], edges_b[columns, 2:])
    windows = np.concatenate([low - corner, high - corner, low - other_corner, high - other_corner], axis=1)
    counts = []
    for row, column, (x1, y1, x2, y2, u1, v1, u2, v2) in zip(
        rows.tolist(), columns.tolist(), windows.tolist(), strict=True
    ):
        both = cv2.bitwise_and(bits_a[row][y1:y2, x1:x2], bits_b[column][v1:v2, u1:u2])
        counts.append(int(cv2.norm(both, cv2.NORM_HAMMING)))
    return counts

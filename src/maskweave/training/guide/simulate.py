"""Simulate what a user, a detector or the frame before says of an object, from its exact mask.

Everything happens in the pixels of a crop; all randomness comes from the generator handed in.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from maskweave.ops.guidance import Click, error_regions, innermost

Region = NDArray[np.bool_]
"""(S, S)."""


def jittered_box(mask: Region, rng: np.random.Generator) -> NDArray[np.float64] | None:
    """Draw a mask's box as a hand does: each side off by some 4 % of the object, 12 % at most; None of no mask."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    if not width:
        return None
    off = np.clip(rng.normal(0, 0.04, 4), -0.12, 0.12) * [width, height, width, height]
    box: NDArray[np.float64] = np.array([x, y, x + width, y + height], dtype=np.float64) + off
    return box


def clicks_on(mask: Region, others: Region, rng: np.random.Generator) -> list[Click]:
    """One to three clicks on an object and up to two beside it, near by or on its neighbors."""
    clicks = [_inside(mask, rng, central=rng.random() < 0.6)]
    clicks += [_inside(mask, rng, central=False) for _ in range(int(rng.choice(3, p=(0.6, 0.25, 0.15))))]
    for _ in range(int(rng.choice(3, p=(0.6, 0.25, 0.15)))):
        near = _near(mask)
        region = others if others.any() and rng.random() < 0.5 else near & ~mask
        if region.any():
            clicks.append((*_anywhere(region, rng), False))
    return clicks


def click_on_error(answer: Region, mask: Region, rng: np.random.Generator) -> Click | None:
    """A click in the middle of the largest error of an answer, or of another large one; None where it has none."""
    labels, areas = error_regions(answer, mask)
    if not len(areas) or areas.max() < 4:
        return None
    chosen = 1 + int(areas.argmax())
    if rng.random() < 0.25:
        chosen = 1 + int(rng.choice(len(areas), p=areas / areas.sum()))
    x, y, _ = innermost(labels == chosen)
    return x, y, bool(mask[int(y), int(x)])


def old_mask(mask: Region, others: Region, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A mask (S, S) uint8 as a coarse network or the frame before gives it.

    Turned, scaled, moved, bent, dilated or eroded, coarse, with bites and blobs; at times almost right.
    """
    extent = cv2.boundingRect(mask.view(np.uint8))
    reach = float(np.sqrt(max(extent[2], 1) * max(extent[3], 1)))
    strength = float(rng.choice((0.15, 0.5, 1.0, 1.5), p=(0.15, 0.3, 0.4, 0.15)))
    soft = mask.astype(np.float32)
    if rng.random() < 0.8:
        soft = _moved(soft, extent, reach, strength, rng)
    if rng.random() < 0.5:
        soft = _grown(soft, reach * 0.06 * strength, rng)
    if rng.random() < 0.4 * min(strength, 1):
        soft = _bitten(soft, others, reach, strength, rng)
    if rng.random() < 0.5:
        soft = _coarse(soft, rng)
    if rng.random() < 0.5:
        soft = (soft > 0.5).astype(np.float32)
    return np.asarray((soft * 255).round(), dtype=np.uint8)


def _inside(mask: Region, rng: np.random.Generator, *, central: bool) -> Click:
    if not central:
        return (*_anywhere(mask, rng), True)
    x, y, depth = innermost(mask)
    off = rng.normal(0, 0.25 * depth, 2)
    moved = np.clip((x + off[0], y + off[1]), 0, mask.shape[0] - 0.01)
    if mask[int(moved[1]), int(moved[0])]:
        x, y = float(moved[0]), float(moved[1])
    return x, y, True


def _anywhere(region: Region, rng: np.random.Generator) -> tuple[float, float]:
    """A pixel center of a region, away from its border where there is room."""
    inner = cv2.erode(region.view(np.uint8), np.ones((7, 7), np.uint8)).astype(bool)
    pixels = np.flatnonzero(inner if inner.any() else region)
    row, column = divmod(int(rng.choice(pixels)), region.shape[1])
    return column + 0.5, row + 0.5


def _near(mask: Region) -> Region:
    """What lies round a mask, within a third of its size."""
    _, _, width, height = cv2.boundingRect(mask.view(np.uint8))
    reach = max(3, round(0.35 * float(np.sqrt(width * height))))
    distance = cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, 3)
    near: Region = distance <= reach
    return near


def _moved(
    soft: NDArray[np.float32],
    extent: Sequence[int],
    reach: float,
    strength: float,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Turned and scaled about its middle, moved, and bent by a smooth field."""
    size = soft.shape[0]
    middle = (extent[0] + extent[2] / 2, extent[1] + extent[3] / 2)
    angle = float(np.clip(rng.normal(0, 8 * strength), -30, 30))
    zoom = float(np.exp(rng.normal(0, 0.09 * strength)))
    matrix = np.asarray(cv2.getRotationMatrix2D(middle, angle, zoom), dtype=np.float64)
    matrix[:, 2] += rng.normal(0, 0.07 * strength, 2) * reach
    back = cv2.invertAffineTransform(matrix)
    cells = int(rng.choice((4, 6, 9)))
    bend = rng.normal(0, 0.05 * strength * reach, (cells, cells, 2)).astype(np.float32)
    field = cv2.resize(bend, (size, size), interpolation=cv2.INTER_CUBIC)
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    maps = [
        (back[axis, 0] * columns + back[axis, 1] * rows + back[axis, 2] + field[..., axis]).astype(np.float32)
        for axis in (0, 1)
    ]
    return np.asarray(cv2.remap(soft, maps[0], maps[1], cv2.INTER_LINEAR), dtype=np.float32)


def _grown(soft: NDArray[np.float32], radius: float, rng: np.random.Generator) -> NDArray[np.float32]:
    size = 2 * round(abs(rng.normal(0, max(radius, 1)))) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    change = cv2.dilate if rng.random() < 0.5 else cv2.erode
    changed = np.asarray(change(soft, kernel), dtype=np.float32)
    return changed if changed.max() > 0.5 else soft


def _bitten(
    soft: NDArray[np.float32], others: Region, reach: float, strength: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Pieces taken out and pieces added: discs about its border or near by, and parts of its neighbors."""
    soft = soft.copy()
    border = cv2.morphologyEx((soft > 0.5).view(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    places = np.flatnonzero(border)
    for _ in range(int(rng.integers(1, 4))):
        if not len(places):
            break
        row, column = divmod(int(rng.choice(places)), soft.shape[1])
        off = rng.normal(0, 0.15 * reach, 2)
        center = (int(column + off[0]), int(row + off[1]))
        axes = tuple(max(1, int(reach * strength * side)) for side in rng.uniform(0.05, 0.22, 2))
        value = float(rng.random() < 0.5)
        cv2.ellipse(soft, center, axes, float(rng.uniform(0, 180)), 0, 360, value, -1)
    if others.any() and rng.random() < 0.3:
        row, column = divmod(int(rng.choice(np.flatnonzero(others))), soft.shape[1])
        disc = cv2.circle(np.zeros_like(soft), (column, row), max(2, int(reach * 0.4)), 1.0, -1)
        soft = np.maximum(soft, disc * others)
    return soft


def _coarse(soft: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """As from a grid of few cells."""
    cells = int(np.exp(rng.uniform(np.log(14), np.log(80))))
    small = cv2.resize(soft, (cells, cells), interpolation=cv2.INTER_AREA)
    size = (soft.shape[1], soft.shape[0])
    return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR), dtype=np.float32)

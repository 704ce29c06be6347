"""Mosaic views: four half-size views in one (YOLOv4, arXiv:2004.10934), four images for the price of one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from maskweave.training.augment import MASK_STRIDE, View

_CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))


def join_views(views: tuple[View, View, View, View]) -> View:
    """Lay four views of one size (h, w) out as one of (2h, 2w): top left, top right, bottom left, bottom right.

    The quarters may have been labeled for different classes: a class that only some of them label stays labeled,
    and costs nothing inside the others.
    """
    height, width = views[0].image.shape[:2]
    shifts = [np.array([c * width, r * height] * 2, dtype=np.float32) for r, c in _CORNERS]
    labeled = np.logical_or.reduce([view.labeled for view in views])
    unknown = [np.flatnonzero(labeled & ~view.labeled) for view in views]
    quarter = np.array([0, 0, width, height], dtype=np.float32)
    silent = [
        np.concatenate([view.silent + shift, np.tile(quarter + shift, (len(classes), 1))])
        for view, shift, classes in zip(views, shifts, unknown, strict=True)
    ]
    return View(
        image=_tile(np.stack([view.image for view in views])),
        boxes=np.concatenate([view.boxes + shift for view, shift in zip(views, shifts, strict=True)]),
        classes=np.concatenate([view.classes for view in views]),
        masks=_lay_masks(views, height // MASK_STRIDE, width // MASK_STRIDE),
        mask_weights=np.concatenate([view.mask_weights for view in views]),
        trust=np.concatenate([view.trust for view in views]),
        silent=np.concatenate(silent),
        silent_classes=np.concatenate(
            [
                part
                for view, classes in zip(views, unknown, strict=True)
                for part in (view.silent_classes, classes)
            ]
        ),
        labeled=labeled,
    )


def _tile(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    _, height, width, channels = images.shape
    grid = images.reshape(2, 2, height, width, channels).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(grid.reshape(2 * height, 2 * width, channels))


def _lay_masks(views: tuple[View, ...], height: int, width: int) -> NDArray[np.uint8]:
    masks = np.zeros((sum(len(view.masks) for view in views), 2 * height, 2 * width), dtype=np.uint8)
    first = 0
    for view, (row, column) in zip(views, _CORNERS, strict=True):
        last = first + len(view.masks)
        masks[first:last, row * height : (row + 1) * height, column * width : (column + 1) * width] = (
            view.masks
        )
        first = last
    return masks

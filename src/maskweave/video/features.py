"""Reduced frames with a network's features, for the stages that work on pixels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue
from maskweave.models.base import Model
from maskweave.models.loading import RuntimeOptions, load_model
from maskweave.types.arrays import FloatArray, Image, Size
from maskweave.types.instances import Instances
from maskweave.video.cues.instance_cue import MIN_SCORE

FEATURE_SIZE = 512
"""Long side at which the network looks at frames for features: a cell of its map is then 1/64 of the width."""
LONG_SIDE = 432
"""Soft masks are worked on at this size at most: half of 854x480, where a pixel is still 0.25 % of the width."""
_GRAY = 128.0
_LIGHT_SPREAD, _COLOR_SPREAD, _MAX = 60.0, 15.0, 4.0


@dataclass(frozen=True, eq=False)
class FrameFeatures:
    """One frame, reduced, with a network's features.

    - ``image``: (h, w, 3) uint8 RGB.
    - ``gray``: (h, w) uint8.
    - ``features``: (cells, C) float32, a network's features, row by row of the grid ``cells``.
    - ``colors``: (cells, 9) float32, color and its products of two for each cell.
    - ``cells``: (rows, columns) of the grid, which covers the frame.
    - ``source_size``: (H, W) of the frame.
    """

    image: Image
    gray: NDArray[np.uint8]
    features: FloatArray
    colors: FloatArray
    cells: Size
    source_size: Size

    @classmethod
    def of(cls, image: Image, features: FloatArray) -> FrameFeatures:
        """Reduce an (H, W, 3) uint8 RGB image with (C, rows, columns) features over the whole of it.

        Raises `InvalidValue` for features of another rank.
        """
        if features.ndim != 3 or 0 in features.shape:
            raise InvalidValue(f"features: need (channels, rows, columns), got {features.shape}")
        height, width = image.shape[:2]
        scale = min(1.0, LONG_SIDE / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        channels, rows, columns = features.shape
        return cls(
            image=small,
            gray=np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), dtype=np.uint8),
            features=np.ascontiguousarray(features.reshape(channels, -1).T, dtype=np.float32),
            colors=_colors(small, (rows, columns)),
            cells=(rows, columns),
            source_size=(height, width),
        )

    @property
    def size(self) -> Size:
        """(h, w) of the reduced frame."""
        return self.image.shape[0], self.image.shape[1]

    def to_cells(self, mask_probs: FloatArray) -> FloatArray:
        """(cells,) means of an (h, w) map over the cells."""
        rows, columns = self.cells
        small = cv2.resize(mask_probs, (columns, rows), interpolation=cv2.INTER_AREA)
        return np.asarray(small, dtype=np.float32).reshape(-1)

    def from_cells(self, values: FloatArray) -> FloatArray:
        """(h, w) map of (cells,) values, linear in between."""
        grid = values.reshape(self.cells).astype(np.float32)
        return np.asarray(cv2.resize(grid, self.size[::-1], interpolation=cv2.INTER_LINEAR), dtype=np.float32)

    def from_source(self, mask: NDArray[np.bool_]) -> FloatArray:
        """(h, w) share of every reduced pixel that an (H, W) mask covers."""
        small = cv2.resize(mask.astype(np.float32), self.size[::-1], interpolation=cv2.INTER_AREA)
        return np.asarray(small, dtype=np.float32)


def feature_network(*, options: RuntimeOptions | None = None) -> Model:
    """Load the network in the package at the size that gives fine features."""
    return load_model("built-in", options=options, size=FEATURE_SIZE)


def features_and_instances(image: Image, network: Model) -> tuple[FrameFeatures, Instances]:
    """Run ``network`` once on an (H, W, 3) image: its features, and what it finds, scores down to `MIN_SCORE`.

    Raises `InvalidValue` when it gives no features or no instances.
    """
    prepared = network.prepare(image)
    outputs = network.infer(prepared.inputs)
    features = network.features(outputs, prepared.letterbox)
    if features is None:
        raise InvalidValue(f"{network.name}: need a network that gives features; use the built-in one")
    found = network.result(outputs, prepared.letterbox, score=MIN_SCORE)
    if not isinstance(found, Instances):
        raise InvalidValue(f"{network.name}: need instances, got a map of classes; use the built-in network")
    return FrameFeatures.of(image, features), found


def _colors(image: Image, cells: Size) -> FloatArray:
    """CIELAB of each cell, roughly of unit spread, and the products of two."""
    lab = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2LAB), cells[::-1], interpolation=cv2.INTER_AREA)
    plain = (np.asarray(lab, dtype=np.float32).reshape(-1, 3) - _GRAY) / np.array(
        [_LIGHT_SPREAD, _COLOR_SPREAD, _COLOR_SPREAD], dtype=np.float32
    )
    products = [plain[:, i] * plain[:, j] for i in range(3) for j in range(i, 3)]
    both = np.concatenate([plain, np.stack(products, axis=1).clip(-_MAX, _MAX)], axis=1)
    return np.asarray(both, dtype=np.float32)

"""Decoded images in one memory-mapped file, so that each is decoded once and all loader processes share the pages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from maskweave.training.annotations import ImageRecord
from maskweave.training.errors import TrainingDataError


class ImageCache:
    """RGB images of a training set, at most `max_side` pixels on their longer side.

    Item `i` is image `i` of the records as (H, W, 3) uint8 RGB. The file is rebuilt when the records or the side
    change.
    """

    def __init__(
        self, records: Sequence[ImageRecord], folder: Path, *, max_side: int, name: str = "images"
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._pixels = folder / f"{name}.bin"
        index = folder / f"{name}.json"
        key = {"max_side": max_side, "files": [str(record.path) for record in records]}
        stored = json.loads(index.read_text()) if index.is_file() and self._pixels.is_file() else {}
        if stored.get("key") != key:
            stored = {"key": key, "sizes": self._build(records, max_side)}
            partial = index.with_suffix(".partial")
            partial.write_text(json.dumps(stored))
            partial.replace(index)
        self._sizes: list[tuple[int, int]] = [(int(h), int(w)) for h, w in stored["sizes"]]
        self._offsets = np.concatenate([[0], np.cumsum([h * w * 3 for h, w in self._sizes], dtype=np.int64)])
        self._map: np.memmap[tuple[int], np.dtype[np.uint8]] | None = None

    def _build(self, records: Sequence[ImageRecord], max_side: int) -> list[tuple[int, int]]:
        sizes = []
        partial = self._pixels.with_suffix(".partial")
        with partial.open("wb") as out:
            for record in records:
                image = _fit(read_rgb(record.path), max_side)
                out.write(image.tobytes())
                sizes.append((image.shape[0], image.shape[1]))
        partial.replace(self._pixels)
        return sizes

    def __len__(self) -> int:
        return len(self._sizes)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        if self._map is None:  # opened on first use, so that each process maps the file itself
            self._map = np.memmap(self._pixels, dtype=np.uint8, mode="r")
        height, width = self._sizes[index]
        start = int(self._offsets[index])
        return np.asarray(self._map[start : start + height * width * 3]).reshape(height, width, 3)


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Read an image file as (H, W, 3) uint8 RGB.

    Raises:
        TrainingDataError: The file is missing or no image.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise TrainingDataError(
            f"{path}: not a readable image. Repair it or take it out of the annotation file."
        )
    return np.ascontiguousarray(image[:, :, ::-1]).astype(np.uint8, copy=False)


def _fit(image: NDArray[np.uint8], max_side: int) -> NDArray[np.uint8]:
    scale = max_side / max(image.shape[:2])
    if scale >= 1:
        return image
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)

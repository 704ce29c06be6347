"""Cache decoded images in one memory-mapped file that all loader processes share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from maskweave.errors import SourceError
from maskweave.sources.images import read_image
from maskweave.training.annotations import ImageRecord
from maskweave.training.errors import TrainingDataError
from maskweave.training.run_folder import whole_file

_MAX_PIXELS = 1 << 30


class ImageCache:
    """RGB images of a training set, at most `max_side` pixels on their longer side.

    Item `i` is image `i` of the records as (H, W, 3) uint8 RGB. The file is rebuilt when an image, the list or the
    side changes. A set that would take more than `max_bytes` is decoded again on every access instead.
    """

    def __init__(
        self, records: Sequence[ImageRecord], folder: Path, *, max_side: int, max_bytes: float = 16e9
    ) -> None:
        self._paths = [record.path for record in records]
        self._max_side = max_side
        self._map: np.memmap[tuple[int], np.dtype[np.uint8]] | None = None
        self._file: Path | None = None
        if sum(_stored_bytes(record.size, max_side) for record in records) <= max_bytes:
            self._file = folder / "images.bin"
            self._sizes = self._read_or_build(folder)
            lengths = [height * width * 3 for height, width in self._sizes]
            self._offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])

    def _read_or_build(self, folder: Path) -> list[tuple[int, int]]:
        folder.mkdir(parents=True, exist_ok=True)
        index = folder / "images.json"
        key = {"max_side": self._max_side, "files": [_stamp(path) for path in self._paths]}
        stored = _read_index(index)
        if stored.get("key") != key or not (folder / "images.bin").is_file():
            stored = {"key": key, "sizes": self._build(folder / "images.bin")}
            with whole_file(index) as partial:
                partial.write_text(json.dumps(stored), encoding="utf-8")
        return [(int(height), int(width)) for height, width in stored["sizes"]]

    def _build(self, target: Path) -> list[tuple[int, int]]:
        sizes = []
        with whole_file(target) as partial, partial.open("wb") as out:
            for path in self._paths:
                image = _fit(read_rgb(path), self._max_side)
                out.write(image.tobytes())
                sizes.append((image.shape[0], image.shape[1]))
        return sizes

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        if self._file is None:
            return _fit(read_rgb(self._paths[index]), self._max_side)
        if self._map is None:  # opened on first use, so that each process maps the file itself
            self._map = np.memmap(self._file, dtype=np.uint8, mode="r")
        height, width = self._sizes[index]
        start = int(self._offsets[index])
        return np.asarray(self._map[start : start + height * width * 3]).reshape(height, width, 3)


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Read an image file as (H, W, 3) uint8 RGB, as every command does: a network sees what it was trained on.

    Raises:
        TrainingDataError: The file is missing or no image.
    """
    try:
        return read_image(path, max_pixels=_MAX_PIXELS)
    except SourceError as error:
        reason = str(error).removeprefix(f"{path}: ")
        raise TrainingDataError(
            f"{path}: not a readable image ({reason}). Repair it or take it out of the annotation file."
        ) from error


def _stored_bytes(size: tuple[int, int], max_side: int) -> float:
    scale = min(1.0, max_side / max(size))
    return 3 * size[0] * size[1] * scale * scale


def _stamp(path: Path) -> list[Any]:
    """What tells that a file is still the same."""
    state = path.stat()
    return [str(path), state.st_size, state.st_mtime_ns]


def _read_index(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _fit(image: NDArray[np.uint8], max_side: int) -> NDArray[np.uint8]:
    scale = max_side / max(image.shape[:2])
    if scale >= 1:
        return image
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)

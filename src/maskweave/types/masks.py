"""Compact masks: a set of objects of one image, each stored as a bitmap cropped to its box."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from maskweave.errors import InvalidValue
from maskweave.types.arrays import Array, FloatArray, IntArray, Mask, Size, check_size

Selection: TypeAlias = int | slice | Sequence[int] | Sequence[bool] | Array


class Masks:
    """The masks of N objects of one image: cropped bitmaps, immutable. They may overlap; N may be 0.

    Args:
        crops: (h, w) bool bitmaps, which are trimmed to the objects' extents; an object without pixels has a (0, 0)
            crop.
        corners: (N, 2) integers, x y of each crop's top-left pixel in the image.
        size: (height, width) of the image.

    Raises:
        InvalidValue: A crop is no 2-D bool array or does not lie inside the image.

    Example:
        >>> masks = Masks.from_dense(np.array([[[0, 1, 1], [0, 1, 0]]], dtype=bool))
        >>> masks.areas.tolist(), masks.boxes.tolist()
        ([3], [[1.0, 0.0, 3.0, 2.0]])
    """

    __slots__ = ("_areas", "_corners", "_crops", "_size")

    def __init__(self, crops: Sequence[Mask], corners: object, size: tuple[int, int]) -> None:
        self._size = check_size(size)
        positions = np.asarray(corners)
        if positions.size == 0:
            positions = positions.reshape(0, 2).astype(np.int64)
        if positions.shape != (len(crops), 2) or positions.dtype.kind not in "iu":
            raise InvalidValue(
                f"corners: need ({len(crops)}, 2) integers, got {positions.shape} {positions.dtype}"
            )
        trimmed = [
            _trim(index, crop, int(x), int(y), self._size)
            for index, (crop, (x, y)) in enumerate(zip(crops, positions, strict=True))
        ]
        self._crops: tuple[Mask, ...] = tuple(crop for crop, _, _ in trimmed)
        self._corners: NDArray[np.int64] = np.array([(x, y) for _, x, y in trimmed], dtype=np.int64).reshape(
            -1, 2
        )
        self._corners.flags.writeable = False
        self._areas: NDArray[np.int64] | None = None

    @classmethod
    def empty(cls, size: tuple[int, int]) -> Masks:
        """Make a set of no masks.

        Args:
            size: (height, width) of the image.
        """
        return cls((), (), size)

    @classmethod
    def from_dense(cls, dense: Array) -> Masks:
        """Crop dense masks.

        Args:
            dense: (N, H, W) bool; N may be 0.

        Raises:
            InvalidValue: The array has another shape or type.
        """
        dense = np.asarray(dense)
        if dense.ndim != 3 or dense.dtype != np.bool_:
            raise InvalidValue(f"masks: need (N, H, W) bool, got {dense.shape} {dense.dtype}")
        return cls(list(dense), np.zeros((len(dense), 2), np.int64), dense.shape[1:])

    @classmethod
    def of_tight(cls, crops: Sequence[Mask], corners: NDArray[np.int64], size: Size) -> Masks:
        """Make masks of crops that are trimmed already; nothing is checked.

        Args:
            crops: (h, w) bool bitmaps, read-only, each as large as its object, wholly inside the image.
            corners: (N, 2) x y of their top-left pixels.
            size: (height, width) of the image.
        """
        masks = cls.__new__(cls)
        masks._size, masks._crops, masks._corners = size, tuple(crops), corners.reshape(-1, 2).copy()
        masks._corners.flags.writeable = False
        masks._areas = None
        return masks

    @property
    def size(self) -> Size:
        """(height, width) of the image."""
        return self._size

    @property
    def crops(self) -> tuple[Mask, ...]:
        """The N bitmaps, each (h, w) bool and read-only."""
        return self._crops

    @property
    def corners(self) -> NDArray[np.int64]:
        """(N, 2) x, y of each crop's top-left pixel."""
        return self._corners

    @property
    def areas(self) -> NDArray[np.int64]:
        """(N,) number of pixels of each object; counted once, read-only."""
        if self._areas is None:
            self._areas = np.array([np.count_nonzero(crop) for crop in self._crops], dtype=np.int64)
            self._areas.flags.writeable = False
        return self._areas

    @property
    def boxes(self) -> FloatArray:
        """(N, 4) x1, y1, x2, y2 around each object's pixels, end excluded; zeros for an empty one."""
        shapes = np.array([crop.shape[::-1] for crop in self._crops], dtype=np.int64).reshape(-1, 2)
        return np.concatenate([self._corners, self._corners + shapes], axis=1).astype(np.float64)

    @property
    def nbytes(self) -> int:
        """Memory of the bitmaps in bytes."""
        return sum(crop.nbytes for crop in self._crops)

    def dense(self) -> Mask:
        """Return all masks as one (N, H, W) bool array of N x H x W bytes."""
        out = np.zeros((len(self), *self._size), dtype=bool)
        for plane, (crop, x, y) in zip(out, self.placed(), strict=True):
            plane[y : y + crop.shape[0], x : x + crop.shape[1]] = crop
        return out

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        """`dense`, where NumPy is given masks; raises `ValueError` for ``copy=False``, as there is no such array."""
        if copy is False:
            raise ValueError("masks: need to make the dense array, got copy=False")
        return self.dense().astype(dtype or np.bool_, copy=False)

    def __dlpack__(self, **options: Any) -> Any:
        """`dense`, where `torch.from_dlpack` and its like are given masks."""
        dense: Any = self.dense()
        return dense.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        """The CPU, in the words of DLPack."""
        return 1, 0

    def union(self) -> Mask:
        """Return (H, W) bool, true where any object is."""
        out = np.zeros(self._size, dtype=bool)
        for crop, x, y in self.placed():
            out[y : y + crop.shape[0], x : x + crop.shape[1]] |= crop
        return out

    def placed(self) -> Iterator[tuple[Mask, int, int]]:
        """Yield (crop, x, y) for each object, in order."""
        for crop, (x, y) in zip(self._crops, self._corners.tolist(), strict=True):
            yield crop, x, y

    def __len__(self) -> int:
        return len(self._crops)

    def __getitem__(self, selection: Selection) -> Masks:
        """Select objects by bool array, index, indices or slice; always a `Masks`."""
        rows = selected_rows(selection, len(self))
        picked = Masks.of_tight([self._crops[row] for row in rows.tolist()], self._corners[rows], self._size)
        if self._areas is not None:
            picked._areas = self._areas[rows]
            picked._areas.flags.writeable = False
        return picked

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Masks):
            return NotImplemented
        return (
            self._size == other._size
            and np.array_equal(self._corners, other._corners)
            and all(np.array_equal(a, b) for a, b in zip(self._crops, other._crops, strict=True))
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Masks({len(self)} objects in {self._size[0]}x{self._size[1]}, {self.nbytes:,} bytes)"


def concatenate(parts: Sequence[Masks]) -> Masks:
    """Join the objects of several `Masks` of images of one size, in order."""
    if not parts:
        raise InvalidValue("masks: need at least one Masks to join, got none")
    if len({part.size for part in parts}) > 1:
        raise InvalidValue(f"masks: need one image size, got {sorted({part.size for part in parts})}")
    return Masks.of_tight(
        [crop for part in parts for crop in part.crops],
        np.concatenate([part.corners for part in parts]),
        parts[0].size,
    )


def selected_rows(selection: Selection, rows: int) -> IntArray:
    """Turn a bool array, index, list of indices or slice into (K,) row numbers of a table of ``rows``."""
    picked = np.asarray(np.arange(rows)[selection] if isinstance(selection, slice) else selection)
    if picked.dtype == np.bool_:
        if picked.shape != (rows,):
            raise InvalidValue(f"selection: need ({rows},) booleans, got {picked.shape}")
        return np.flatnonzero(picked)
    if picked.size == 0:
        return np.zeros(0, np.int64)
    if picked.dtype.kind not in "iu" or picked.ndim > 1:
        raise InvalidValue(f"selection: need booleans, indices or a slice, got {picked.shape} {picked.dtype}")
    if picked.max() >= rows or picked.min() < -rows:
        raise IndexError(f"row {int(np.abs(picked).max())} of a table of {rows} rows")
    return np.atleast_1d(np.arange(rows)[picked])


def _trim(index: int, crop: Mask, x: int, y: int, size: Size) -> tuple[Mask, int, int]:
    """Cut empty margins off one crop and check that it lies inside the image."""
    if not isinstance(crop, np.ndarray) or crop.ndim != 2 or crop.dtype != np.bool_:
        got = f"{crop.shape} {crop.dtype}" if isinstance(crop, np.ndarray) else type(crop).__name__
        raise InvalidValue(f"crop {index}: need a 2-D bool array, got {got}")
    top, bottom, left, right = _extent(crop)
    if top == bottom:
        return np.zeros((0, 0), dtype=bool), 0, 0
    if y + top < 0 or x + left < 0 or y + bottom > size[0] or x + right > size[1]:
        raise InvalidValue(
            f"crop {index}: need pixels inside the {size[0]}x{size[1]} image, got x {x + left}..{x + right}, "
            f"y {y + top}..{y + bottom}"
        )
    whole = (bottom - top, right - left) == crop.shape
    if not whole or crop.flags.writeable:  # read-only tight crops are shared, not copied
        crop = crop[top:bottom, left:right].copy()
        crop.flags.writeable = False
    return crop, int(x + left), int(y + top)


def _extent(crop: Mask) -> tuple[int, int, int, int]:
    """Rows and columns, ends excluded, outside of which a crop is empty; zeros for one without pixels."""
    height, width = crop.shape
    if crop.size and crop[0].any() and crop[-1].any() and crop[:, 0].any() and crop[:, -1].any():
        return 0, height, 0, width
    rows = np.flatnonzero(crop.any(axis=1))
    if not len(rows):
        return 0, 0, 0, 0
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(crop[top:bottom].any(axis=0))
    return top, bottom, int(columns[0]), int(columns[-1]) + 1

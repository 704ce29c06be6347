"""Named array types, and the checks that every data type shares."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue

Image: TypeAlias = NDArray[np.uint8]
"""(H, W, 3) uint8, RGB."""
Mask: TypeAlias = NDArray[np.bool_]
"""(H, W) bool."""
FloatArray: TypeAlias = NDArray[np.floating[Any]]
IntArray: TypeAlias = NDArray[np.integer[Any]]
Array: TypeAlias = NDArray[Any]
Size: TypeAlias = tuple[int, int]
"""(height, width) in pixels."""

MAX_OBJECT_PIXELS = 1 << 30
"""Of one object's bitmap. A few bytes of run lengths or corners can ask for any number."""


def check_image(image: object) -> Image:
    """Return ``image`` if it is (H, W, 3) uint8, else raise `InvalidValue` that says what it is."""
    if not isinstance(image, np.ndarray):
        raise InvalidValue(f"image: need an (H, W, 3) uint8 RGB array, got {type(image).__name__}")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise InvalidValue(
            f"image: need a non-empty (H, W, 3) uint8 RGB array, got {image.shape} {image.dtype}"
        )
    return image


def check_size(size: tuple[int, int]) -> Size:
    """Return ``size`` as two positive ints (height, width), else raise `InvalidValue`."""
    if len(size) != 2 or int(size[0]) < 1 or int(size[1]) < 1:
        raise InvalidValue(f"size: need (height, width), both at least 1, got {tuple(size)}")
    return int(size[0]), int(size[1])


def column(name: str, values: object, *, rows: int, dtype: type, width: int | None = None) -> Array:
    """Convert one column of a table; raise `InvalidValue` naming need and got when it does not fit.

    ``width`` is the second dimension, or None for a flat column. Floats must be finite.
    """
    array = np.asarray(values)
    need = (rows,) if width is None else (rows, width)
    if array.size == 0 and rows == 0:
        array = array.reshape(need)
    if array.shape != need:
        raise InvalidValue(f"{name}: need {need}, got {array.shape}")
    if np.issubdtype(dtype, np.integer) and not np.issubdtype(array.dtype, np.integer) and rows:
        raise InvalidValue(f"{name}: need integers, got {array.dtype}")
    if array.dtype == object or array.dtype.kind in "USmM":
        raise InvalidValue(f"{name}: need numbers, got {array.dtype}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InvalidValue(f"{name}: need finite numbers, got NaN or infinity")
    array = array.astype(dtype)  # always a copy: the caller's array stays the caller's
    array.flags.writeable = False
    return array

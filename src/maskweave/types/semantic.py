"""The result of semantic segmentation: one class per pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from maskweave.errors import InvalidValue
from maskweave.types.arrays import Array, FloatArray, IntArray, Mask, Size

IGNORE = 255
"""The class id of pixels that belong to no class and count nowhere (the PASCAL VOC convention)."""
FOREGROUND_NAMES = ("background", "foreground")
"""The classes of a map of foreground."""
_STRIP = 1 << 22  # pixels that are checked at a time


@dataclass(frozen=True, eq=False)
class SemanticMap:
    """A class for every pixel of one image.

    Args:
        class_map: (H, W) integers, indices into ``class_names``, or `IGNORE`.
        class_names: At most 255 names; a map of foreground has ("background", "foreground").
        mask_probs: (H, W) float in [0, 1] or None: the probability of the class at each pixel.
        alpha: (H, W) float in [0, 1] or None: in a map of foreground, how much of each pixel is foreground. Cut-outs
            take their soft edges from it; ``class_map`` is where it passes the threshold.

    Raises:
        InvalidValue: Shapes or values do not fit.

    Example:
        >>> SemanticMap(np.array([[0, 1, 1]]), ("road", "sky")).mask("sky").tolist()
        [[False, True, True]]
    """

    class_map: IntArray
    class_names: tuple[str, ...]
    mask_probs: FloatArray | None = None
    alpha: FloatArray | None = None

    def __post_init__(self) -> None:
        """Check and freeze."""
        class_map = np.asarray(self.class_map)
        if class_map.ndim != 2 or class_map.dtype.kind not in "iu" or 0 in class_map.shape:
            raise InvalidValue(
                f"class_map: need non-empty (H, W) integers, got {class_map.shape} {class_map.dtype}"
            )
        if not 0 < len(self.class_names) <= IGNORE:
            raise InvalidValue(f"class_names: need 1 to {IGNORE} names, got {len(self.class_names)}")
        _check_classes(class_map, len(self.class_names))
        class_map = class_map.astype(np.uint8)
        class_map.flags.writeable = False
        object.__setattr__(self, "class_map", class_map)
        object.__setattr__(self, "class_names", tuple(self.class_names))
        self._freeze("mask_probs")
        self._freeze("alpha")

    def _freeze(self, name: str) -> None:
        """Check one of the optional (H, W) planes, and keep a read-only copy of it."""
        given = getattr(self, name)
        if given is None:
            return
        values = np.array(given, dtype=np.float32)
        if values.shape != self.class_map.shape:
            raise InvalidValue(f"{name}: need {self.class_map.shape}, got {values.shape}")
        if not ((values >= 0) & (values <= 1)).all():
            raise InvalidValue(f"{name}: need values in [0, 1], got values outside")
        values.flags.writeable = False
        object.__setattr__(self, name, values)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        """``class_map``, where NumPy is given a map."""
        wanted = self.class_map.dtype if dtype is None else np.dtype(dtype)
        if copy is False and wanted != self.class_map.dtype:
            raise ValueError(
                f"class map: need a copy to make {self.class_map.dtype} {wanted}, got copy=False"
            )
        return self.class_map.astype(wanted, copy=bool(copy))

    @property
    def size(self) -> Size:
        """(height, width) of the image."""
        height, width = self.class_map.shape
        return height, width

    def mask(self, class_name: str) -> Mask:
        """Return (H, W) bool, true where the pixel is of one class.

        Args:
            class_name: One of ``class_names``.

        Raises:
            InvalidValue: There is no such class.
        """
        if class_name not in self.class_names:
            raise InvalidValue(f"class_name: need one of {', '.join(self.class_names)}, got {class_name!r}")
        found: Mask = self.class_map == self.class_names.index(class_name)
        return found

    def present(self) -> tuple[str, ...]:
        """Return the names of the classes that have at least one pixel, in class order."""
        counts = np.bincount(self.class_map.ravel(), minlength=IGNORE + 1)
        return tuple(name for index, name in enumerate(self.class_names) if counts[index])

    def __repr__(self) -> str:
        return f"SemanticMap({', '.join(self.present()) or 'nothing'} in {self.size[0]}x{self.size[1]})"


def _check_classes(class_map: IntArray, classes: int) -> None:
    """Raise `InvalidValue` for a value that is neither a class nor `IGNORE`; a strip at a time, to save memory."""
    height, width = class_map.shape
    step = max(1, _STRIP // width)
    for top in range(0, height, step):
        rows = class_map[top : top + step]
        outside = (rows != IGNORE) & ((rows < 0) | (rows >= classes))
        if outside.any():
            raise InvalidValue(
                f"class_map: need 0..{classes - 1} or {IGNORE} (ignore), got {int(rows[outside].flat[0])}"
            )

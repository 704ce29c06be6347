"""The result of instance segmentation: one row per object, aligned columns."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue
from maskweave.optional import optional
from maskweave.types.arrays import FloatArray, Size, column
from maskweave.types.masks import Masks, Selection, selected_rows


@dataclass(frozen=True, eq=False)
class Instances:
    """The N objects of one image, in columns that are copied and read-only; N may be 0.

    Selecting with a bool array, index, list of indices or slice gives a new object.

    Args:
        masks: `Masks` of N objects, in pixels of the source image.
        boxes: (N, 4) float, x1 y1 x2 y2 in pixels, end excluded.
        scores: (N,) float confidence in [0, 1].
        class_ids: (N,) int, indices into ``class_names``.
        class_names: The model's classes.
        track_ids: (N,) int or None; an object of a stream keeps its number.

    Raises:
        InvalidValue: A column does not fit; the message names it, what it needs and what came.

    Example:
        >>> pair = Instances(
        ...     masks=Masks.from_dense(np.ones((2, 4, 5), dtype=bool)), boxes=[[0, 0, 5, 4]] * 2,
        ...     scores=[0.9, 0.4], class_ids=[0, 1], class_names=("cat", "dog"),
        ... )
        >>> pair[pair.scores > 0.5].names
        ('cat',)
    """

    masks: Masks
    boxes: FloatArray
    scores: FloatArray
    class_ids: NDArray[np.int64]
    class_names: tuple[str, ...]
    track_ids: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        """Check and freeze the columns."""
        if not isinstance(self.masks, Masks):
            raise InvalidValue(f"masks: need Masks (see Masks.from_dense), got {type(self.masks).__name__}")
        rows = len(self.masks)
        put = object.__setattr__
        put(self, "class_names", tuple(self.class_names))
        put(self, "boxes", column("boxes", self.boxes, rows=rows, dtype=np.float64, width=4))
        put(self, "scores", column("scores", self.scores, rows=rows, dtype=np.float64))
        put(self, "class_ids", column("class_ids", self.class_ids, rows=rows, dtype=np.int64))
        if self.track_ids is not None:
            put(self, "track_ids", column("track_ids", self.track_ids, rows=rows, dtype=np.int64))
        self._check_ranges()

    def _check_ranges(self) -> None:
        if not len(self):
            return
        if self.scores.min() < 0 or self.scores.max() > 1:
            raise InvalidValue(
                f"scores: need values in [0, 1], got {self.scores.min():g}..{self.scores.max():g}"
            )
        if self.class_ids.min() < 0 or self.class_ids.max() >= len(self.class_names):
            raise InvalidValue(
                f"class_ids: need 0..{len(self.class_names) - 1} (indices into class_names), "
                f"got {self.class_ids.min()}..{self.class_ids.max()}"
            )
        if (self.boxes[:, 2:] < self.boxes[:, :2]).any():
            raise InvalidValue("boxes: need x1 <= x2 and y1 <= y2 (xyxy), got a row with its ends swapped")

    @classmethod
    def empty(cls, size: tuple[int, int], class_names: tuple[str, ...]) -> Instances:
        """Make a set of no objects.

        Args:
            size: (height, width) of the image.
            class_names: The model's classes.
        """
        return cls(Masks.empty(size), np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64), class_names)

    @property
    def size(self) -> Size:
        """(height, width) of the image."""
        return self.masks.size

    @property
    def names(self) -> tuple[str, ...]:
        """The class name of each object."""
        return tuple(self.class_names[class_id] for class_id in self.class_ids)

    def to_dataframe(self) -> Any:
        """A ``pandas.DataFrame``: a row for each object, with class, score, box, area in pixels and track id.

        Raises `MissingDependency` when pandas is not installed.
        """
        with optional("to_dataframe", install="pip install pandas"):
            import pandas
        return pandas.DataFrame(
            {
                **({} if self.track_ids is None else {"track_id": self.track_ids}),
                "class": self.names,
                "class_id": self.class_ids,
                "score": self.scores,
                **{name: self.boxes[:, column] for column, name in enumerate(("x1", "y1", "x2", "y2"))},
                "area": self.masks.areas,
            }
        )

    def replace(self, **columns: object) -> Instances:
        """Return a copy with some columns exchanged, checked again.

        Args:
            columns: New values by the name of the column.
        """
        return dataclasses.replace(self, **columns)  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self.masks)

    def __getitem__(self, selection: Selection) -> Instances:
        rows = selected_rows(selection, len(self))
        picked = object.__new__(Instances)  # rows of columns that were checked need no second check
        columns = vars(self) | {"masks": self.masks[rows]}
        for name in ("boxes", "scores", "class_ids", "track_ids"):
            if columns[name] is not None:
                columns[name] = columns[name][rows]
                columns[name].flags.writeable = False
        vars(picked).update(columns)
        return picked

    def __iter__(self) -> Iterator[Instances]:
        """Yield each object as an `Instances` of one row."""
        return (self[row] for row in range(len(self)))

    def __repr__(self) -> str:
        counts = {name: self.names.count(name) for name in dict.fromkeys(self.names)}
        listed = ", ".join(f"{count} {name}" for name, count in counts.items()) or "no objects"
        return f"Instances({listed} in {self.size[0]}x{self.size[1]})"

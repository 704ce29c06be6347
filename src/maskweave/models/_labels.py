"""Map the class numbers that a network answers to class names, and find where these names come from."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskweave.errors import UnknownLayout
from maskweave.types.arrays import IntArray


@dataclass(frozen=True)
class LabelSpace:
    """The labels 0, 1, … of a network.

    - ``class_names``: the classes that are reported.
    - ``classes``: (L,) int, for each label its index in ``class_names``, or -1 for one that is never reported.
    """

    class_names: tuple[str, ...]
    classes: NDArray[np.int64]

    @classmethod
    def of(cls, names: Sequence[str], *, first: int = 0) -> LabelSpace:
        """Labels ``first``, ``first`` + 1, … are called ``names``; an empty name stands for a label never reported.

        >>> LabelSpace.of(["", "cat", "", "dog"]).classes.tolist()
        [-1, 0, -1, 1]
        """
        padded = [""] * first + list(names)
        classes = np.cumsum([bool(name) for name in padded], dtype=np.int64) - 1
        classes[[not name for name in padded]] = -1
        return cls(tuple(filter(None, padded)), classes)

    def look_up(self, labels: IntArray, *, model: str) -> NDArray[np.int64]:
        """(N,) class ids of N labels, -1 for those to be dropped: never reported, or below 0, as padding rows have.

        Raises `UnknownLayout` for a label without a name.
        """
        whole = np.asarray(labels).astype(np.int64)
        if whole.size and whole.max() >= len(self.classes):
            raise UnknownLayout(
                f"{model}: need a name for every class, got {len(self.classes)} labels and label "
                f"{int(whole.max())}; give class_names"
            )
        return np.where(whole >= 0, self.classes[np.maximum(whole, 0)], -1)


def names_of(
    model: str,
    *,
    given: Sequence[str] | None,
    in_file: Sequence[str] | None,
    documented: Sequence[str],
    count: int | None,
) -> tuple[str, ...]:
    """Return the names of a network's labels: as ``given``, else those ``in_file``, else the ``documented`` ones.

    ``count``: how many labels the tensors have, None where they do not tell. The documented names are taken where the
    count is theirs, and with a warning where it is unknown. What fits none of them becomes "class 0", "class 1", …
    with a warning. Raises `UnknownLayout` when the names that were given or in the file are not ``count``, or that is
    below 1.
    """
    if count is not None and count < 1:
        raise UnknownLayout(f"{model}: need outputs for one class at least, got {count}")
    names = given if given is not None else in_file
    if names is not None:
        if count not in (None, len(names)):
            raise UnknownLayout(
                f"{model}: need a name for each of its {count} classes, got {len(names)}; give class_names"
            )
        return tuple(names)
    if count == len(documented):
        return tuple(documented)
    if count is None:
        known = sum(map(bool, documented))
        warnings.warn(
            f"{model} does not name its classes: taken for the {known} of the published weights, "
            f"{next(filter(None, documented))} first; give class_names in {model}.toml if it has others",
            stacklevel=3,
        )
        return tuple(documented)
    warnings.warn(
        f"{model} does not name its {count} classes: called class 0 to class {count - 1}; "
        f"give class_names in {model}.toml",
        stacklevel=3,
    )
    return tuple(f"class {label}" for label in range(count))

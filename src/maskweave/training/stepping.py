"""A run of training steps, the same for every network: it walks through batches, keeps its time, saves and stops."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Self, TypeAlias, TypeVar

import torch
from torch import Tensor

from maskweave.training.annotations import TrainingSet
from maskweave.training.averaging import MovingAverage
from maskweave.training.cache import ImageCache
from maskweave.training.checkpoint import load_checkpoint, save_checkpoint
from maskweave.training.errors import LossNotFinite
from maskweave.training.hardware import choose_device, choose_precision, keep_freed_memory
from maskweave.training.run_folder import LAST, LOG, MODEL, VAL_LOG, append_row
from maskweave.training.schedule import Schedule
from maskweave.training.settings import RunSettings

_LOG_EVERY = 20

StageT = TypeVar("StageT")
BatchT = TypeVar("BatchT")
ResultT = TypeVar("ResultT")


class SteppedRun(ABC, Generic[StageT, BatchT, ResultT]):
    """A run that can be advanced, stopped and resumed: what is the same for every network that is trained.

    A stage is what the training views are like for a while; a result is what one step gives. A subclass makes the
    ``network``, its ``average`` and what updates them.

    Args:
        config: The run.
        data: Its training set.
        items: How many images, or objects that are shown one by one, a pass over the data has.
        cache_side: Longer side at most of decoded images.

    Attributes:
        step: Steps done.
        seconds: Training time so far, over all sittings; validation and export do not count.
    """

    network: torch.nn.Module
    average: MovingAverage[Any]
    step: int = 0
    seconds: float = 0.0

    def __init__(self, config: RunSettings, data: TrainingSet, *, items: int, cache_side: int) -> None:
        keep_freed_memory()
        if config.threads:
            torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.config, self.data = config, data
        config.output.mkdir(parents=True, exist_ok=True)
        self.cache = ImageCache(
            data.images, config.output / "cache", max_side=cache_side, max_bytes=config.cache_gb * 1e9
        )
        self.device = choose_device(config.device)
        self.precision = choose_precision(config.precision, self.device)
        self.schedule = Schedule.of(config, items)

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
    def losses(self, result: ResultT) -> dict[str, float]:
        """What the log notes of a step: its loss under "loss", and other figures."""

    @property
    def lr(self) -> float:
        """The learning rate now."""
        return self.schedule.lr(self.step, self.progress)

    def require_finite(self, what: str, value: Tensor) -> None:
        """Raise `LossNotFinite` for a loss or gradient that is NaN or infinite."""
        if not torch.isfinite(value):
            raise LossNotFinite(
                f"the {what} of step {self.step} is {value.item()}. The last good checkpoint is "
                f"{self.config.output / LAST}; lower the learning rate (now {self.config.lr}) or look at that batch."
            )

    def _log(self, result: ResultT) -> None:
        row = {
            "step": self.step,
            "minutes": f"{self.seconds / 60:.2f}",
            "size": self.schedule.size(self.progress),
            "lr": f"{self.lr:.6f}",
            **{name: f"{value:.4f}" for name, value in self.losses(result).items()},
        }
        append_row(self.config.output / LOG, row)

    def save(self, name: str) -> None:
        """Write the whole state of the run under a name in its folder."""
        save_checkpoint(self.config.output / name, self.state())

    def load(self, path: Path) -> None:
        """Continue from a checkpoint of this run (or of one with the same network).

        Raises:
            CheckpointError: It is unreadable or belongs to another network.
        """
        self.restore(load_checkpoint(path), path)

    def state(self) -> dict[str, Any]:
        """All that a checkpoint holds."""
        return {
            "config": json.dumps(self.config.to_dict()),
            "precision": self.precision,
            "step": self.step,
            "seconds": self.seconds,
            "network": self.network.state_dict(),
            "average": self.average.network.state_dict(),
            "torch_rng": torch.get_rng_state(),
        }

    def restore(self, state: dict[str, Any], path: Path) -> None:
        """Take over what `state` gave; ``path`` names the checkpoint in messages."""
        self.network.load_state_dict(state["network"])
        self.average.network.load_state_dict(state["average"])
        torch.set_rng_state(state["torch_rng"])
        self.precision = str(state["precision"])  # "auto" may resolve otherwise the second time
        self.step, self.seconds = int(state["step"]), float(state["seconds"])

    def after_step(self, progress_before: float) -> None:
        """What is due when a step has moved the run on from `progress_before`."""

    def run(
        self, on_step: Callable[[Self, ResultT], None] | None = None, *, stop_at_step: int | None = None
    ) -> None:
        """Train until the run is over (or a step is reached), saving as it goes.

        Raises:
            LossNotFinite: The loss became NaN or infinite; the last checkpoint is left as it was.
        """
        if not (self.config.output / LAST).exists():
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
                self._log(result)
            if on_step is not None:
                on_step(self, result)
                mark = time.monotonic()  # validation and export do not count as training time
            self.after_step(progress_before)
            if now - last_save > self.config.checkpoint_minutes * 60:
                self.save(LAST)
                last_save = now
            if self.progress >= 1 or self.stage != stage or self.step == stop_at_step:
                return


@dataclass(frozen=True)
class Progress:
    """What a caller may show during a run.

    Attributes:
        share: 0..1 of the run that is done.
        step: Steps done.
        minutes: Training time so far, over all sittings.
        loss: Of the latest step.
        message: Something worth a line of its own, or "".
    """

    share: float
    step: int
    minutes: float
    loss: float
    message: str = ""


OnProgress: TypeAlias = Callable[[Progress], None]


def reporter(on_progress: OnProgress | None) -> Callable[[str], None]:
    """What to call with a message for the user, before the first step."""

    def report(message: str) -> None:
        if on_progress is not None:
            on_progress(Progress(0.0, 0, 0.0, 0.0, message=message))

    return report


class TrainingSession(ABC):
    """A session of a run, from its start or a checkpoint on: trains, reports progress, validates now and then.

    Args:
        trainer: The run.
        on_progress: Called after each step and with each message.
    """

    def __init__(self, trainer: SteppedRun[Any, Any, Any], on_progress: OnProgress | None) -> None:
        self.trainer, self._on_progress = trainer, on_progress
        self._last_validation = trainer.seconds

    @staticmethod
    @abstractmethod
    def make_trainer(config: Any, on_progress: OnProgress | None) -> SteppedRun[Any, Any, Any]:
        """Make the trainer of a configuration; reading its data may take a while, and is reported."""

    @abstractmethod
    def load_start(self, start: str) -> None:
        """Start from weights that exist, instead of from scratch."""

    def run(self) -> Path:
        """Train to the end, and return the exported model's path."""
        self.report_notes()
        self.trainer.run(self.on_step)
        return self.validate()

    def report(self, message: str, loss: float = 0.0) -> None:
        """Report how far the run is, with a message or a step's loss."""
        if self._on_progress is not None:
            trainer = self.trainer
            self._on_progress(Progress(trainer.progress, trainer.step, trainer.seconds / 60, loss, message))

    def report_notes(self) -> None:
        """Report what is worth knowing of the training data before training begins."""
        for note in self.trainer.data.notes:
            self.report(note)

    def on_step(self, trainer: SteppedRun[Any, Any, Any], result: Any) -> None:
        """What is done after each step."""
        due = trainer.seconds - self._last_validation >= trainer.config.validate_minutes * 60
        if due and trainer.progress < 1:
            self.validate()
        self.report("", trainer.losses(result)["loss"])

    def validate(self) -> Path:
        """Export the average, score it, and return the exported file."""
        self.trainer.save(LAST)
        self._last_validation = self.trainer.seconds
        target = self.trainer.config.output / MODEL
        scores = self.export(target)
        self.report(f"exported {target}" + (f", {scores}" if scores else ""))
        return target

    @abstractmethod
    def export(self, target: Path) -> str:
        """Export the average to a file and score it; returns the scores in words, "" where there are none."""

    def log_scores(self, scores: Mapping[str, str]) -> None:
        """Note the scores of a validation."""
        row = {"step": str(self.trainer.step), "minutes": f"{self.trainer.seconds / 60:.2f}", **scores}
        append_row(self.trainer.config.output / VAL_LOG, row)

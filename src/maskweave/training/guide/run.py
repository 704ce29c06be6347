"""A whole run of the guide as users start it: training, validation with early export, curves, all in one folder.

The folder holds ``config.json``, ``last.pt`` (resume from here), ``log.csv``, ``val.csv`` and ``model.onnx`` (newest
average).
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from maskweave.evaluation.prompting import PromptIous
from maskweave.training.annotations import TrainingSet, read_training_set
from maskweave.training.guide.config import GuideConfig
from maskweave.training.guide.data import read_guide_data
from maskweave.training.guide.export import GuideInfo, export_guide
from maskweave.training.guide.loop import GuideTrainer, StepResult
from maskweave.training.guide.start import load_start
from maskweave.training.guide.validate import validate
from maskweave.training.run import (
    CONFIG,
    MODEL,
    VAL_LOG,
    OnProgress,
    Progress,
    disk_errors,
    read_settings,
    refuse_existing_run,
    reporter,
    require_run,
    write_json,
)
from maskweave.training.stepping import LAST
from maskweave.training.tables import append_row


def train_guide(config: GuideConfig, on_progress: OnProgress | None = None) -> Path:
    """Train from the start and return the exported model's path.

    Raises:
        TrainingDataError: The data cannot be trained on, or the output folder holds another run.
        LossNotFinite: The loss became NaN or infinite; the last good checkpoint is kept.
        CheckpointError: A checkpoint cannot be written, or `start_from` is of another network.
        TrainingError: Anything else cannot be read or written: the disk is full, say.
    """
    refuse_existing_run(config.output)
    with disk_errors(config.output):
        trainer = GuideTrainer(config, read_guide_data(config, reporter(on_progress)))
        write_json(config.output / CONFIG, config.to_dict())
        if config.start_from not in (None, "none"):
            load_start(trainer.network, config.start_from)
            trainer.average.network.load_state_dict(trainer.network.state_dict())
        return _go(trainer, on_progress)


def resume_guide(folder: Path, on_progress: OnProgress | None = None, **changes: Any) -> Path:
    """Continue a run where its last checkpoint stands; `changes` replace settings (say, ``minutes``).

    Raises:
        CheckpointError: The folder holds no run of a guide, or its checkpoint is damaged.
    """
    require_run(folder)
    with disk_errors(folder):
        config = GuideConfig.from_dict(read_settings(folder))
        trainer = GuideTrainer(replace(config, **changes))
        trainer.load(folder / LAST)
        return _go(trainer, on_progress)


def _go(trainer: GuideTrainer, on_progress: OnProgress | None) -> Path:
    observer = _Observer(trainer, on_progress or (lambda _: None))
    trainer.run(observer.on_step)
    observer.validate()
    return trainer.config.output / MODEL


class _Observer:
    """Reports progress, and validates now and then."""

    def __init__(self, trainer: GuideTrainer, on_progress: OnProgress) -> None:
        self.trainer, self.on_progress = trainer, on_progress
        config = trainer.config
        self.val: TrainingSet | None = None
        if config.val_annotations is not None:
            self.val = read_training_set(config.val_annotations, config.val_images or config.images)
        self.last_validation = trainer.seconds
        for note in trainer.data.notes:
            self._report(note)

    def _report(self, message: str, loss: float = 0.0) -> None:
        trainer = self.trainer
        self.on_progress(
            Progress(trainer.progress, trainer.step, trainer.seconds / 60, loss, message=message)
        )

    def on_step(self, trainer: GuideTrainer, result: StepResult) -> None:
        due = trainer.seconds - self.last_validation >= trainer.config.validate_minutes * 60
        if due and trainer.progress < 1:
            self.validate()
        self._report("", result.loss)

    def validate(self) -> None:
        """Export the average and score it."""
        trainer, config = self.trainer, self.trainer.config
        trainer.save(LAST)
        self.last_validation = trainer.seconds
        target = config.output / MODEL
        export_guide(trainer.average.network, target, GuideInfo(size=config.size))
        message = f"exported {target}"
        if self.val is not None:
            scores = validate(
                target,
                self.val,
                max_objects=config.validate_objects,
                min_area=config.min_area,
                threads=config.threads or None,
            )
            self._log(scores)
            message += f", mean IoU of a box {scores.box:.3f}, of a click {scores.click:.3f}"
        self._report(message)

    def _log(self, scores: PromptIous) -> None:
        row = {"step": self.trainer.step, "minutes": f"{self.trainer.seconds / 60:.2f}"}
        row |= {name: f"{value:.4f}" for name, value in asdict(scores).items()}
        append_row(self.trainer.config.output / VAL_LOG, row)

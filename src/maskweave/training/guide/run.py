"""Run a whole training of the guide, with validation, early export and curves, in one folder.

The folder holds ``config.json``, ``last.pt`` (resume from here), ``log.csv``, ``val.csv`` and ``model.onnx`` (newest
average).
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from maskweave.training.annotations import TrainingSet, read_training_set
from maskweave.training.guide.config import GuideConfig
from maskweave.training.guide.export import GuideInfo, export_guide
from maskweave.training.guide.loop import GuideTrainer
from maskweave.training.guide.start import load_start
from maskweave.training.guide.validate import validate
from maskweave.training.run_folder import (
    LAST,
    disk_errors,
    read_settings,
    refuse_existing_run,
    write_settings,
)
from maskweave.training.stepping import Observer, OnProgress


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
        trainer = GuideTrainer(config)
        write_settings(config.output, config.to_dict())
        if config.start_from not in (None, "none"):
            load_start(trainer.network, config.start_from)
            trainer.average.network.load_state_dict(trainer.network.state_dict())
        return _go(trainer, on_progress)


def resume_guide(folder: Path, on_progress: OnProgress | None = None, **changes: Any) -> Path:
    """Continue a run where its last checkpoint stands; `changes` replace settings (say, ``minutes``).

    Raises:
        CheckpointError: The folder holds no run of a guide, or its checkpoint is damaged.
    """
    with disk_errors(folder):
        config = GuideConfig.from_dict(read_settings(folder))
        trainer = GuideTrainer(replace(config, **changes))
        trainer.load(folder / LAST)
        return _go(trainer, on_progress)


def _go(trainer: GuideTrainer, on_progress: OnProgress | None) -> Path:
    observer = _Observer(trainer, on_progress)
    observer.report_notes()
    trainer.run(observer.on_step)
    return observer.validate()


class _Observer(Observer):
    trainer: GuideTrainer

    def __init__(self, trainer: GuideTrainer, on_progress: OnProgress | None) -> None:
        super().__init__(trainer, on_progress)
        config = trainer.config
        self._val: TrainingSet | None = None
        if config.val_annotations is not None:
            self._val = read_training_set(config.val_annotations, config.val_images or config.images)

    def export(self, target: Path) -> str:
        """Export the average and score it."""
        config = self.trainer.config
        export_guide(self.trainer.average.network, target, GuideInfo(size=config.size))
        if self._val is None:
            return ""
        scores = validate(
            target,
            self._val,
            max_objects=config.validate_objects,
            min_area=config.min_area,
            threads=config.threads or None,
        )
        self.log_scores({name: f"{value:.4f}" for name, value in asdict(scores).items()})
        return f"mean IoU of a box {scores.box:.3f}, of a click {scores.click:.3f}"

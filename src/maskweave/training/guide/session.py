"""A training session of the guide, with validation, early export and curves, in one folder.

The folder holds ``config.json``, ``last.pt`` (resume from here), ``log.csv``, ``val.csv`` and ``model.onnx`` (newest
average).
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from maskweave.training.annotations import TrainingSet, read_training_set
from maskweave.training.guide.config import GuideConfig
from maskweave.training.guide.data import read_guide_data
from maskweave.training.guide.export import GuideInfo, export_guide
from maskweave.training.guide.loop import GuideTrainer
from maskweave.training.guide.start import load_start
from maskweave.training.guide.validate import validate
from maskweave.training.stepping import OnProgress, TrainingSession, reporter


class GuideSession(TrainingSession):
    """A session of a run of the guide."""

    trainer: GuideTrainer

    def __init__(self, trainer: GuideTrainer, on_progress: OnProgress | None) -> None:
        super().__init__(trainer, on_progress)
        config = trainer.config
        self._val: TrainingSet | None = None
        if config.val_annotations is not None:
            self._val = read_training_set(config.val_annotations, config.val_folder)

    @staticmethod
    def make_trainer(config: GuideConfig, on_progress: OnProgress | None) -> GuideTrainer:
        """Make the trainer; copies of validation images are reported."""
        return GuideTrainer(config, read_guide_data(config, reporter(on_progress)))

    def load_start(self, start: str) -> None:
        """Start from weights that exist."""
        load_start(self.trainer.network, start)
        self.trainer.average.network.load_state_dict(self.trainer.network.state_dict())

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

"""A whole run as users start it: training, validation with early export, curves and pictures, all in one folder.

The folder holds ``config.json``, ``last.pt`` (resume from here), ``stable.pt`` (the state before the learning
rate fell), ``log.csv``, ``val.csv``, ``curves.png``, ``model.onnx`` (newest average) and ``val/`` (pictures).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from maskweave.evaluation.coco_ap import CocoScores
from maskweave.evaluation.coco_truth import CocoTruth, read_coco_truth
from maskweave.models.loading import load_model
from maskweave.outputs.overlay import draw_overlay
from maskweave.outputs.pictures import encode_picture
from maskweave.training.annotations import classes_without_objects
from maskweave.training.cache import read_rgb
from maskweave.training.config import TrainConfig
from maskweave.training.errors import CheckpointError, TrainingDataError
from maskweave.training.export import ExportInfo, export_onnx
from maskweave.training.loop import LAST, Trainer
from maskweave.training.losses import LossParts
from maskweave.training.plots import draw_curves
from maskweave.training.start import load_start
from maskweave.training.validate import WHOLE, validate

CONFIG, MODEL, VAL_LOG = "config.json", "model.onnx", "val.csv"
_PICTURES = 12


@dataclass(frozen=True)
class Progress:
    """What a caller may show while a run goes on.

    Attributes:
        share: 0..1 of the run that is done.
        step: Steps done.
        minutes: Training time so far, over all sittings.
        loss: Of the latest step.
        scores: Of the latest validation; None before the first.
        message: Something worth a line of its own, or "".
    """

    share: float
    step: int
    minutes: float
    loss: float
    scores: CocoScores | None = None
    message: str = ""


OnProgress = Callable[[Progress], None]


def train(config: TrainConfig, on_progress: OnProgress | None = None) -> Path:
    """Train from the start and return the exported model's path.

    Raises:
        TrainingDataError: The data cannot be trained on, or the output folder holds another run.
        LossNotFinite: The loss became NaN or infinite; the last good checkpoint is kept.
        CheckpointError: A checkpoint cannot be written, or `start_from` is of another network.
    """
    if (config.output / LAST).exists():
        raise TrainingDataError(
            f"{config.output}: holds a run already. Continue it with --resume, or choose another folder."
        )
    trainer = Trainer(config)
    _write_json(config.output / CONFIG, config.to_dict())
    if config.start_from is not None:
        load_start(trainer, config.start_from)
    return _go(trainer, on_progress)


def resume(folder: Path, on_progress: OnProgress | None = None, **changes: Any) -> Path:
    """Continue a run where its last checkpoint stands; `changes` replace settings (say, ``minutes``).

    Raises:
        CheckpointError: The folder holds no run, or its checkpoint is damaged or of another network.
    """
    path = folder / CONFIG
    if not path.is_file() or not (folder / LAST).is_file():
        raise CheckpointError(
            f"{folder}: holds no run to resume; need {CONFIG} and {LAST}, as training writes them."
        )
    config = TrainConfig.from_dict({**json.loads(path.read_text(encoding="utf-8")), "output": folder})
    trainer = Trainer(replace(config, **changes))
    trainer.load(folder / LAST)
    return _go(trainer, on_progress)


def _go(trainer: Trainer, on_progress: OnProgress | None) -> Path:
    observer = _Observer(trainer, on_progress or (lambda _: None))
    trainer.run(observer.on_step)
    observer.validate()
    return trainer.config.output / MODEL


class _Observer:
    """Reports progress, and validates now and then."""

    def __init__(self, trainer: Trainer, on_progress: OnProgress) -> None:
        self.trainer, self.on_progress = trainer, on_progress
        config = trainer.config
        self.truths: list[CocoTruth] = []
        if config.val_annotations is not None:
            self.truths = read_coco_truth(config.val_annotations, trainer.data.class_names)
        self.images = config.val_images or config.images
        self.last_validation = trainer.seconds
        self.scores: CocoScores | None = None
        empty = classes_without_objects(trainer.data)
        if empty:
            self._tell(
                f"no object of {', '.join(empty)} in the training data: these will not be learned", 0.0
            )

    def _tell(self, message: str, loss: float) -> None:
        trainer = self.trainer
        self.on_progress(
            Progress(trainer.progress, trainer.step, trainer.seconds / 60, loss, self.scores, message)
        )

    def on_step(self, trainer: Trainer, parts: LossParts) -> None:
        due = trainer.seconds - self.last_validation >= trainer.config.validate_minutes * 60
        if due and trainer.progress < 1:
            self.validate()
        self._tell("", float(parts.total.detach()))

    def validate(self) -> None:
        """Export the average, score it, draw pictures and curves."""
        trainer = self.trainer
        trainer.save(LAST)
        self.last_validation = trainer.seconds
        folder = trainer.config.output
        size = trainer.config.validate_size or trainer.config.size
        info = ExportInfo(trainer.data.class_names, size=size)
        export_onnx(trainer.average.network, folder / MODEL, info)
        if self.truths:
            scores = validate(folder / MODEL, self.truths, self.images)[WHOLE]
            self.scores = scores
            self._log(scores)
            _draw_pictures(folder, self.truths[:_PICTURES], self.images)
        draw_curves(folder)
        self._tell(
            f"exported {folder / MODEL}"
            + (f", mask AP50 {self.scores.masks.ap50:.1f}" if self.scores else ""),
            0.0,
        )

    def _log(self, scores: CocoScores) -> None:
        path = self.trainer.config.output / VAL_LOG
        new = not path.is_file()
        with path.open("a", newline="", encoding="utf-8") as out:
            writer = csv.writer(out)
            if new:
                writer.writerow(["step", "minutes", "mask_ap", "mask_ap50", "box_ap", "box_ap50"])
            values = (scores.masks.ap, scores.masks.ap50, scores.boxes.ap, scores.boxes.ap50)
            minutes = f"{self.trainer.seconds / 60:.2f}"
            writer.writerow([self.trainer.step, minutes, *(f"{value:.2f}" for value in values)])


def _draw_pictures(folder: Path, truths: list[CocoTruth], images: Path) -> None:
    pictures = folder / "val"
    pictures.mkdir(exist_ok=True)
    model = load_model(folder / MODEL)
    try:
        for truth in truths:
            image = read_rgb(images / truth.file_name)
            overlay = draw_overlay(image, model.predict(image))
            (pictures / f"{Path(truth.file_name).stem}.jpg").write_bytes(encode_picture(overlay, ".jpg"))
    finally:
        model.close()


def _write_json(path: Path, values: dict[str, Any]) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(values, indent=2), encoding="utf-8")
    partial.replace(path)

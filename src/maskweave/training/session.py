"""A training session of the compact network, with validation, early export, curves and images, in one folder.

The folder holds ``config.json``, ``last.pt`` (resume from here), ``stable.pt`` (the state before the learning
rate fell), ``log.csv``, ``val.csv``, ``curves.png``, ``model.onnx`` (newest average) and ``val/`` (images);
``copies.json`` names the training images that were left out as copies of validation images,
``bad-batch.txt`` where the loss became NaN.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskweave.annotations.report import Report
from maskweave.evaluation.coco_truth import CocoTruth
from maskweave.models.loading import load_model
from maskweave.outputs.images import encode_image
from maskweave.outputs.overlay import draw_overlay
from maskweave.training.annotations import classes_without_objects, notes_of, read_truths
from maskweave.training.cache import ImageCache, read_rgb
from maskweave.training.config import TrainConfig
from maskweave.training.data import read_training_data
from maskweave.training.errors import LossNotFinite
from maskweave.training.export import ExportInfo, export_onnx
from maskweave.training.loop import Trainer
from maskweave.training.plots import draw_curves
from maskweave.training.start import load_start
from maskweave.training.stepping import OnProgress, TrainingSession, reporter
from maskweave.training.validate import WHOLE, validate

BAD_BATCH = "bad-batch.txt"
_IMAGES = 12


class CompactSession(TrainingSession):
    """A session of a run of the compact network."""

    trainer: Trainer

    def __init__(self, trainer: Trainer, on_progress: OnProgress | None) -> None:
        super().__init__(trainer, on_progress)
        config = trainer.config
        self._images = config.val_folder
        self._truths: list[CocoTruth] = []
        found = Report()
        if config.val_annotations is not None:
            names = trainer.data.class_names
            self._truths = read_truths(config.val_annotations, self._images, names, found)
        self._notes = notes_of(found, "validation annotations")

    @staticmethod
    def make_trainer(config: TrainConfig, on_progress: OnProgress | None) -> Trainer:
        """Make the trainer; copies of validation images, and what teachers see, are reported."""
        return Trainer(config, read_training_data(config, reporter(on_progress)))

    def load_start(self, start: str) -> None:
        """Start from weights that exist; classes are matched by name."""
        load_start(self.trainer, start)

    def run(self) -> Path:
        """Train to the end, and return the exported model's path; a loss that is NaN names its images."""
        self.report(_begun(self.trainer), float("nan"))
        try:
            return super().run()
        except LossNotFinite as error:
            names = [path.name for path in images_of_step(self.trainer)]
            listed = self.trainer.config.output / BAD_BATCH
            listed.write_text("\n".join(names) + "\n", encoding="utf-8")
            raise LossNotFinite(
                f"{error} Its images begin with {', '.join(names[:3])}; all are in {listed}."
            ) from error

    def report_notes(self) -> None:
        """Also report what is wrong with the validation data, classes without objects, and data without masks."""
        super().report_notes()
        for note in self._notes:
            self.report(note)
        data = self.trainer.data
        empty = classes_without_objects(data)
        if empty:
            self.report(f"no object of {', '.join(empty)} in the training data: these will not be learned")
        if not any(item.mask for image in data.images for item in image.objects):
            self.report("no object of the training data has an outline: masks will not be learned")

    def export(self, target: Path) -> str:
        """Export the average, score it, draw images and curves."""
        config, folder = self.trainer.config, target.parent
        info = ExportInfo(
            self.trainer.data.class_names,
            size=config.validate_size or config.size,
            max_objects=config.max_objects,
        )
        export_onnx(self.trainer.average.network, target, info)
        scores = None
        if self._truths:
            max_reported = max(100, config.max_objects)  # COCO's, where fewer are reported
            scores = validate(target, self._truths, self._images, max_objects=max_reported)[WHOLE]
            figures = {
                "mask_ap": scores.masks.ap,
                "mask_ap50": scores.masks.ap50,
                "box_ap": scores.boxes.ap,
                "box_ap50": scores.boxes.ap50,
            }
            self.log_scores({name: f"{value:.2f}" for name, value in figures.items()})
            _draw_images(target, self._truths[:_IMAGES], self._images)
        draw_curves(folder)
        return "" if scores is None else f"mask AP50 {scores.masks.ap50:.1f}"


def _begun(trainer: Trainer) -> str:
    """What is trained, for how long and where: "6 images of 2 classes, 1 epoch, on cpu"."""
    config, data = trainer.config, trainer.data
    by_clock = config.minutes is not None
    length = f"{config.minutes if by_clock else config.epochs:g} {'minutes' if by_clock else 'epochs'}"
    at = f", from step {trainer.step} on" if trainer.step else ""
    return (
        f"{len(data.images):,} images of {len(data.class_names)} classes, {length}, on {trainer.device}{at}"
    )


def images_of_step(trainer: Trainer) -> list[Path]:
    """All images that the trainer's next step is made of, those that objects are pasted from included."""
    phase = trainer.schedule.phase(trainer.progress)
    seen = _Seen(trainer.data.images, trainer.config.output, max_side=32, max_bytes=0)
    cache, trainer.cache = trainer.cache, seen
    try:
        next(trainer.batches(phase.size, mosaic=phase.mosaic, workers=0))
    finally:
        trainer.cache = cache
    return [trainer.data.images[index].path for index in dict.fromkeys(seen.asked)]


class _Seen(ImageCache):
    """Notes which images are asked for, and gives small ones: only their names matter."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.asked: list[int] = []

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        self.asked.append(index)
        return super().__getitem__(index)


def _draw_images(model_file: Path, truths: list[CocoTruth], images: Path) -> None:
    target_folder = model_file.parent / "val"
    target_folder.mkdir(exist_ok=True)
    with closing(load_model(model_file)) as model:
        for truth in truths:
            image = read_rgb(images / truth.file_name)
            overlay = draw_overlay(image, model.predict(image))
            (target_folder / f"{Path(truth.file_name).stem}.jpg").write_bytes(encode_image(overlay, ".jpg"))

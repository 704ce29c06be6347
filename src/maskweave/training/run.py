"""A whole run as users start it: training, validation with early export, curves and images, all in one folder.

The folder holds ``config.json``, ``last.pt`` (resume from here), ``stable.pt`` (the state before the learning
rate fell), ``log.csv``, ``val.csv``, ``curves.png``, ``model.onnx`` (newest average) and ``val/`` (images);
``copies.json`` names the training images that were left out as copies of validation images,
``bad-batch.txt`` where the loss became NaN.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskweave.annotations.report import Report
from maskweave.errors import MaskWeaveError
from maskweave.evaluation.coco_ap import CocoScores
from maskweave.evaluation.coco_truth import CocoTruth
from maskweave.models.loading import load_model
from maskweave.outputs.images import encode_image
from maskweave.outputs.overlay import draw_overlay
from maskweave.training.annotations import classes_without_objects, notes_of, read_truths
from maskweave.training.cache import ImageCache, read_rgb
from maskweave.training.config import TrainConfig
from maskweave.training.data import read_training_data
from maskweave.training.errors import CheckpointError, LossNotFinite, TrainingDataError, TrainingError
from maskweave.training.export import ExportInfo, export_onnx
from maskweave.training.loop import Trainer
from maskweave.training.losses import LossParts
from maskweave.training.plots import draw_curves
from maskweave.training.start import load_start
from maskweave.training.stepping import LAST
from maskweave.training.tables import append_row
from maskweave.training.validate import WHOLE, validate
from maskweave.training.whole_file import whole_file

CONFIG, MODEL, VAL_LOG, BAD_BATCH = "config.json", "model.onnx", "val.csv", "bad-batch.txt"
_IMAGES = 12


@dataclass(frozen=True)
class Progress:
    """What a caller may show during a run.

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
        TrainingError: Anything else cannot be read or written: the disk is full, say.
    """
    refuse_existing_run(config.output)
    with disk_errors(config.output):
        trainer = Trainer(config, read_training_data(config, reporter(on_progress)))
        write_json(config.output / CONFIG, config.to_dict())
        if config.start_from not in (None, "none"):
            load_start(trainer, config.start_from)
        return _go(trainer, on_progress)


def resume(folder: Path, on_progress: OnProgress | None = None, **changes: Any) -> Path:
    """Continue a run where its last checkpoint stands; `changes` replace settings (say, ``minutes``).

    Raises:
        CheckpointError: The folder holds no run, or its checkpoint is damaged or of another network.
    """
    require_run(folder)
    with disk_errors(folder):
        config = TrainConfig.from_dict(read_settings(folder))
        trainer = Trainer(replace(config, **changes))
        trainer.load(folder / LAST)
        return _go(trainer, on_progress)


def reporter(on_progress: OnProgress | None) -> Callable[[str], None]:
    """What to call with a sentence for the user, before the first step."""

    def report(message: str) -> None:
        if on_progress is not None:
            on_progress(Progress(0.0, 0, 0.0, 0.0, message=message))

    return report


def refuse_existing_run(folder: Path) -> None:
    """Raise `TrainingDataError` where a folder holds a run already."""
    if (folder / LAST).exists():
        raise TrainingDataError(
            f"{folder}: holds a run already. Continue it with --resume, or choose another folder."
        )


def require_run(folder: Path) -> None:
    """Raise `CheckpointError` where a folder holds no run that could be resumed."""
    if not (folder / CONFIG).is_file() or not (folder / LAST).is_file():
        raise CheckpointError(
            f"{folder}: holds no run to resume; need {CONFIG} and {LAST}, as training writes them."
        )


def read_settings(folder: Path) -> dict[str, Any]:
    """The settings of the run in a folder, which may have been moved."""
    return {**json.loads((folder / CONFIG).read_text(encoding="utf-8")), "output": folder}


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Tell what the disk refuses as a `TrainingError`."""
    try:
        yield
    except OSError as error:
        if isinstance(error, MaskWeaveError):
            raise
        raise TrainingError(
            f"{folder}: a file of the run cannot be read or written ({error}). See to that, then start or --resume."
        ) from error


def _go(trainer: Trainer, on_progress: OnProgress | None) -> Path:
    if on_progress is not None:
        minutes = trainer.seconds / 60
        on_progress(Progress(trainer.progress, trainer.step, minutes, float("nan"), message=_begun(trainer)))
    observer = _Observer(trainer, on_progress or (lambda _: None))
    for message in trainer.data.notes:
        observer.on_progress(Progress(0.0, trainer.step, 0.0, float("nan"), message=message))
    try:
        trainer.run(observer.on_step)
    except LossNotFinite as error:
        names = [path.name for path in images_of_step(trainer)]
        listed = trainer.config.output / BAD_BATCH
        listed.write_text("\n".join(names) + "\n", encoding="utf-8")
        raise LossNotFinite(
            f"{error} Its images begin with {', '.join(names[:3])}; all are in {listed}."
        ) from error
    observer.validate()
    return trainer.config.output / MODEL


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


class _Observer:
    """Reports progress, and validates now and then."""

    def __init__(self, trainer: Trainer, on_progress: OnProgress) -> None:
        self.trainer, self.on_progress = trainer, on_progress
        config = trainer.config
        self.images = config.val_images or config.images
        self.truths: list[CocoTruth] = []
        notes: tuple[str, ...] = ()
        if config.val_annotations is not None:
            found = Report()
            names = trainer.data.class_names
            self.truths = read_truths(config.val_annotations, self.images, names, found)
            notes = notes_of(found, "validation annotations")
        self.last_validation = trainer.seconds
        self.scores: CocoScores | None = None
        for note in notes:
            self._report(note, 0.0)
        empty = classes_without_objects(trainer.data)
        if empty:
            self._report(
                f"no object of {', '.join(empty)} in the training data: these will not be learned", 0.0
            )
        if not any(item.mask for image in trainer.data.images for item in image.objects):
            self._report("no object of the training data has an outline: masks will not be learned", 0.0)

    def _report(self, message: str, loss: float) -> None:
        trainer = self.trainer
        self.on_progress(
            Progress(trainer.progress, trainer.step, trainer.seconds / 60, loss, self.scores, message)
        )

    def on_step(self, trainer: Trainer, parts: LossParts) -> None:
        due = trainer.seconds - self.last_validation >= trainer.config.validate_minutes * 60
        if due and trainer.progress < 1:
            self.validate()
        self._report("", float(parts.total.detach()))

    def validate(self) -> None:
        """Export the average, score it, draw images and curves."""
        trainer = self.trainer
        trainer.save(LAST)
        self.last_validation = trainer.seconds
        folder = trainer.config.output
        size = trainer.config.validate_size or trainer.config.size
        info = ExportInfo(trainer.data.class_names, size=size, max_objects=trainer.config.max_objects)
        export_onnx(trainer.average.network, folder / MODEL, info)
        if self.truths:
            max_reported = max(100, trainer.config.max_objects)  # COCO's, where fewer are reported
            scores = validate(folder / MODEL, self.truths, self.images, max_objects=max_reported)[WHOLE]
            self.scores = scores
            self._log(scores)
            _draw_images(folder, self.truths[:_IMAGES], self.images)
        draw_curves(folder)
        self._report(
            f"exported {folder / MODEL}"
            + (f", mask AP50 {self.scores.masks.ap50:.1f}" if self.scores else ""),
            0.0,
        )

    def _log(self, scores: CocoScores) -> None:
        row = {
            "step": self.trainer.step,
            "minutes": f"{self.trainer.seconds / 60:.2f}",
            "mask_ap": f"{scores.masks.ap:.2f}",
            "mask_ap50": f"{scores.masks.ap50:.2f}",
            "box_ap": f"{scores.boxes.ap:.2f}",
            "box_ap50": f"{scores.boxes.ap50:.2f}",
        }
        append_row(self.trainer.config.output / VAL_LOG, row)


def _draw_images(folder: Path, truths: list[CocoTruth], images: Path) -> None:
    target_folder = folder / "val"
    target_folder.mkdir(exist_ok=True)
    model = load_model(folder / MODEL)
    try:
        for truth in truths:
            image = read_rgb(images / truth.file_name)
            overlay = draw_overlay(image, model.predict(image))
            (target_folder / f"{Path(truth.file_name).stem}.jpg").write_bytes(encode_image(overlay, ".jpg"))
    finally:
        model.close()


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write values as JSON; the file appears only when it is whole."""
    with whole_file(path) as partial:
        partial.write_text(json.dumps(values, indent=2), encoding="utf-8")

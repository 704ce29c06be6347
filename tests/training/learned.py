"""Runs of seconds from the weights in the package, after which a network knows the drawn shapes."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from maskweave.catalog.entry import BUILT_IN
from maskweave.evaluation.coco_truth import read_coco_truth
from maskweave.models.loading import load_model
from maskweave.ops.iou import mask_iou
from maskweave.training.augment import Augmentation
from maskweave.training.cache import read_rgb
from maskweave.training.config import TrainConfig
from maskweave.training.data import read_training_data
from maskweave.training.export import ExportInfo, export_onnx
from maskweave.training.loop import Trainer
from maskweave.training.start import load_start
from tests.training.drawn import draw_data_set

GENTLE = Augmentation(scale=(0.9, 1.1), color=0.1, flip=0.5, gray=0.0, paste=0.0)


@dataclass
class Learned:
    """A finished run: its trainer, its data set, its exported model, the loss of every step, and what it reported."""

    trainer: Trainer
    annotations: Path
    model: Path
    losses: list[float] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)


def learn_shapes(folder, annotations=None, *, epochs=28, **changes):
    """Train on drawn images, one batch of eight a pass, and export the average."""
    path = annotations or draw_data_set(folder / "data", images=8)
    config = TrainConfig(
        path, path.parent / "images", folder / "run", size=96, start_size=96, batch_size=8, epochs=epochs, workers=0,
        warmup_steps=5, lr=4e-3, detector_lr=1.0, vector_lr=1.0, ema=0.95, precision="fp32", device="cpu",
        augmentation=GENTLE, checkpoint_minutes=60, threads=1, **changes,
    )  # fmt: skip
    messages, losses = [], []
    trainer = Trainer(config, read_training_data(config, messages.append))
    load_start(trainer, BUILT_IN)
    trainer.run(lambda _, parts: losses.append(parts.total.item()))
    model = folder / "model.onnx"
    export_onnx(
        trainer.average.network, model, ExportInfo(trainer.data.class_names, size=96, license="CC0-1.0")
    )
    return Learned(trainer, path, model, losses, messages)


def shapes_found(model_file, annotations):
    """How many drawn shapes a model finds with a score of 0.3 and a mask IoU over 0.7."""
    return int((best_scores(model_file, annotations) >= 0.3).sum())


def best_scores(model_file, annotations, name=None, *, iou=0.7):
    """For each drawn shape (of one class) the best score of its class at that mask IoU; 0 where there is none."""
    model = load_model(model_file)
    best = []
    for truth in read_coco_truth(annotations, model.class_names):
        true = truth.instances
        if name is not None:
            true = true[np.array([each == name for each in true.names])]
        predicted = model.predict(
            read_rgb(annotations.parent / "images" / truth.file_name), score=0.02, multi_label=True
        )
        right = mask_iou(true.masks, predicted.masks) > iou
        right &= true.class_ids[:, None] == predicted.class_ids[None]
        best += (right * predicted.scores).max(axis=1, initial=0).tolist()
    model.close()
    return np.array(best)

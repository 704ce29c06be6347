"""The training loop: one object that owns network, optimizers, average and progress of a run."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from maskweave.training.annotations import TrainingSet
from maskweave.training.averaging import MovingAverage
from maskweave.training.batches import Batch, StepDataset, sampling_weights, step_loader
from maskweave.training.checkpoint import require_same
from maskweave.training.config import TrainConfig
from maskweave.training.data import read_training_data
from maskweave.training.fake_quantization import rounding
from maskweave.training.hardware import autocast
from maskweave.training.losses import LossParts, Teaching, compute_loss
from maskweave.training.network import BINS, Architecture, CompactNet, normalize
from maskweave.training.optimizers import Optimizers
from maskweave.training.quantize import EXACT_LAYERS
from maskweave.training.schedule import Phase, activation_slope
from maskweave.training.stepping import SteppedRun

STABLE = "stable.pt"
_CLIP = 10.0


class Trainer(SteppedRun[Phase, Batch, LossParts]):
    """A run that can be advanced, stopped and resumed.

    Args:
        config: The run.
        data: Its training set; None reads it from `config`.
    """

    config: TrainConfig
    network: CompactNet
    average: MovingAverage[CompactNet]

    def __init__(self, config: TrainConfig, data: TrainingSet | None = None) -> None:
        data = data or read_training_data(config)
        super().__init__(config, data, items=len(data.images), cache_side=round(config.size * 1.5))
        network = CompactNet(Architecture(classes=len(self.data.class_names)))
        network.freeze(config.frozen)
        self.network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._forward = torch.compile(self.network, dynamic=False) if config.compile else self.network
        self.average = MovingAverage(self.network, config.ema)
        self.optimizers = Optimizers(
            self.network,
            kind=config.optimizer,
            lr=config.lr,
            detector_lr=config.detector_lr,
            vector_lr=config.vector_lr,
            weight_decay=config.weight_decay,
        )
        self.rounding = rounding(self.network, EXACT_LAYERS, wanted=config.quantization_aware)
        self.first_slope = self.network.slope
        self.teacher: CompactNet | None = None
        self.taught = torch.zeros(len(self.data.class_names), dtype=torch.bool)
        self.weights = sampling_weights(self.data, source_weights=config.source_weights)

    @property
    def stage(self) -> Phase:
        """Size and kind of the training views now."""
        return self.schedule.phase(self.progress)

    def stage_batches(self, stage: Phase) -> Iterator[Batch]:
        """The batches of the next steps at the size and of the kind of a phase."""
        return self.batches(stage.size, mosaic=stage.mosaic)

    def after_step(self, progress_before: float) -> None:
        """Keep the state before the learning rate falls."""
        if not self.schedule.decaying(progress_before) and self.schedule.decaying(self.progress):
            self.save(STABLE)

    def batches(self, size: int, *, mosaic: bool = True, workers: int | None = None) -> Iterator[Batch]:
        """The batches of the next steps at an input size; `workers` None takes the run's setting."""
        augmentation = self.config.augmentation
        dataset = StepDataset(
            self.data,
            self.cache,
            weights=self.weights,
            batch_size=self.config.batch_size,
            size=size,
            seed=self.config.seed,
            augmentation=augmentation if mosaic else replace(augmentation, mosaic=0.0),
        )
        return step_loader(dataset, self.step, workers=self.config.workers if workers is None else workers)

    def train_step(self, batch: Batch) -> LossParts:
        """One update; `step` counts up.

        Raises:
            LossNotFinite: Before any weight was touched.
        """
        self.network.train()
        self.optimizers.set_lr(self.lr)
        slope = activation_slope(self.first_slope, self.progress, relu_by=self.config.relu_by)
        for network in (self.network, self.average.network):
            network.set_slope(slope)
        batch = batch.to(self.device)
        images = normalize(batch.images).contiguous(memory_format=torch.channels_last)
        with autocast(self.precision, self.device), self.rounding:
            output = self._forward(images)
        parts = compute_loss(output, batch, self.config.loss, self._teaching(images))
        self.require_finite("loss", parts.total)
        self.optimizers.zero_grad()
        parts.total.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), _CLIP)
        self.require_finite("gradient", norm)
        self.optimizers.step()
        self.average.update(self.network, self.step)
        self.step += 1
        return parts

    def teach_with(self, network: CompactNet, taught: Sequence[bool]) -> None:
        """Let a copy of a network as it is now say what annotations leave open, of the classes it knows."""
        self.teacher = copy.deepcopy(network).eval().requires_grad_(False)
        self.taught = torch.tensor(taught, dtype=torch.bool, device=self.device)

    @torch.no_grad()
    def _teaching(self, images: Tensor) -> Teaching | None:
        if self.teacher is None:
            return None
        with autocast(self.precision, self.device):
            _, _, heads = self.teacher.detect(images)
        classes, distances = (
            torch.cat([head[part].flatten(2).transpose(1, 2).float() for head in heads], 1) for part in (0, 1)
        )
        return Teaching(classes.sigmoid(), distances.reshape(*distances.shape[:2], 4, BINS), self.taught)

    def losses(self, result: LossParts) -> dict[str, float]:
        """The loss of a step and its parts."""
        parts = {
            "loss": result.total,
            "classes": result.classes,
            "boxes": result.boxes,
            "masks": result.masks,
        }
        return {name: float(value.detach()) for name, value in parts.items()}

    def state(self) -> dict[str, Any]:
        """All that a checkpoint holds."""
        return {
            **super().state(),
            "architecture": json.dumps(self.network.architecture.to_dict()),
            "class_names": list(self.data.class_names),
            "optimizers": self.optimizers.state_dict(),
            "slope": self.network.slope,
            "first_slope": self.first_slope,
            "teacher": None if self.teacher is None else self.teacher.state_dict(),
            "teacher_slope": None if self.teacher is None else self.teacher.slope,
            "taught": self.taught,
        }

    def restore(self, state: dict[str, Any], path: Path) -> None:
        """Take over a checkpoint's state; raises `CheckpointError` for one of another network or other classes."""
        current = json.loads(json.dumps(self.network.architecture.to_dict()))
        require_same("architecture", stored=json.loads(state["architecture"]), wanted=current, path=path)
        require_same(
            "list of classes", stored=state["class_names"], wanted=list(self.data.class_names), path=path
        )
        super().restore(state, path)
        self.optimizers.load_state_dict(state["optimizers"])
        self.first_slope = float(state["first_slope"])
        for network in (self.network, self.average.network):
            network.set_slope(float(state["slope"]))
        if state["teacher"] is not None:
            self.teach_with(self.network, state["taught"].tolist())
            self.teacher.load_state_dict(state["teacher"])  # type: ignore[union-attr]
            self.teacher.set_slope(float(state["teacher_slope"]))  # type: ignore[union-attr]

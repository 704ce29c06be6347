"""The training loop of the guide: one object that owns network, optimizer, average and progress of a run."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from maskweave.training.annotations import TrainingSet
from maskweave.training.averaging import MovingAverage
from maskweave.training.batches import step_loader
from maskweave.training.errors import CheckpointError
from maskweave.training.fake_quantization import rounding
from maskweave.training.guide.config import TASK, GuideConfig
from maskweave.training.guide.crops import CropDataset, GuideBatch, add_corrections, exact_objects
from maskweave.training.guide.data import read_guide_data
from maskweave.training.guide.loss import batch_iou, mask_loss
from maskweave.training.guide.network import GuideNet, normalize, normalize_guidance
from maskweave.training.guide.quantize import EXACT_LAYERS
from maskweave.training.hardware import autocast
from maskweave.training.stepping import SteppedRun

_CLIP = 5.0


class StepResult(NamedTuple):
    """Mean loss of a step, and the mean IoU of its first answers, by what guided them: box, clicks, old mask."""

    loss: float
    ious: tuple[float, float, float]
    corrected: float


class GuideTrainer(SteppedRun[int, GuideBatch, StepResult]):
    """A run that can be advanced, stopped and resumed.

    Args:
        config: The run.
        data: Its training set; None reads it from `config`.
    """

    config: GuideConfig
    network: GuideNet
    average: MovingAverage[GuideNet]

    def __init__(self, config: GuideConfig, data: TrainingSet | None = None) -> None:
        data = data or read_guide_data(config)
        self.objects = exact_objects(data, min_area=config.min_area, source_weights=config.source_weights)
        super().__init__(config, data, items=len(self.objects.rows), cache_side=config.cache_side)
        self.network = GuideNet().to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = MovingAverage(self.network, config.ema)
        self.optimizer = torch.optim.AdamW(_groups(self.network, config), lr=config.lr)
        self.rounding = rounding(self.network, EXACT_LAYERS, wanted=config.quantization_aware)

    @property
    def stage(self) -> int:
        """Side of the crops now."""
        return self.schedule.size(self.progress)

    def stage_batches(self, stage: int) -> Iterator[GuideBatch]:
        """The batches of the next steps at a size of crops."""
        dataset = CropDataset(
            self.data,
            self.cache,
            self.objects,
            batch_size=self.config.batch_size,
            size=stage,
            seed=self.config.seed,
        )
        return step_loader(dataset, self.step, workers=self.config.workers)

    def train_step(self, batch: GuideBatch) -> StepResult:
        """One update, or two where the answers are corrected; `step` counts up.

        Raises:
            LossNotFinite: Before any weight was touched by it.
        """
        self.network.train()
        batch = batch.to(self.device)
        images = normalize(batch.images).contiguous(memory_format=torch.channels_last)
        logits, loss = self._update(images, batch.guidance, batch.masks)
        ious = batch_iou(logits, batch.masks).cpu().numpy()
        kinds = (batch.step + np.arange(len(ious))) % 3
        by_kind = [
            float(ious[kinds == kind].mean()) if (kinds == kind).any() else math.nan for kind in range(3)
        ]
        corrected = math.nan
        rng = np.random.default_rng((self.config.seed, batch.step, 1))
        if rng.random() < self.config.corrections:
            probs = logits[:, 0].detach().sigmoid().cpu().numpy()
            guidance = add_corrections(batch.guidance.cpu().numpy(), probs, batch.masks.cpu().numpy(), rng)
            logits, _ = self._update(images, torch.from_numpy(guidance).to(self.device), batch.masks)
            corrected = float(batch_iou(logits, batch.masks).mean())
        self.average.update(self.network, self.step)
        self.step += 1
        return StepResult(loss, (by_kind[0], by_kind[1], by_kind[2]), corrected)

    def _update(self, images: Tensor, guidance: Tensor, masks: Tensor) -> tuple[Tensor, float]:
        maps = normalize_guidance(guidance).contiguous(memory_format=torch.channels_last)
        with autocast(self.precision, self.device), self.rounding:
            logits = self.network(images, maps)
        loss = mask_loss(logits, masks)
        self.require_finite("loss", loss)
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr * group["factor"]
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), _CLIP)
        self.require_finite("gradient", norm)
        self.optimizer.step()
        return logits, float(loss.detach())

    def losses(self, result: StepResult) -> dict[str, float]:
        """The loss of a step, and the IoUs of its answers."""
        names = ("loss", "box_iou", "click_iou", "mask_iou", "corrected_iou")
        return dict(zip(names, (result.loss, *result.ious, result.corrected), strict=True))

    def state(self) -> dict[str, Any]:
        """All that a checkpoint holds."""
        return {**super().state(), "task": TASK, "optimizer": self.optimizer.state_dict()}

    def restore(self, state: dict[str, Any], path: Path) -> None:
        """Take over a checkpoint's state; raises `CheckpointError` for one of another network."""
        if state.get("task") != TASK:
            raise CheckpointError(f"{path}: need a checkpoint of a guide, got one of another network.")
        super().restore(state, path)
        self.optimizer.load_state_dict(state["optimizer"])


def _groups(network: GuideNet, config: GuideConfig) -> list[dict[str, Any]]:
    """Parameters by learning rate and by whether they decay."""
    groups: dict[tuple[bool, bool], list[Tensor]] = {}
    for name, value in network.named_parameters():
        groups.setdefault((name.startswith(("stem.", "blocks.")), value.ndim > 1), []).append(value)
    return [
        {
            "params": values,
            "factor": config.backbone_lr if backbone else 1.0,
            "weight_decay": config.weight_decay if decays else 0.0,
        }
        for (backbone, decays), values in groups.items()
    ]

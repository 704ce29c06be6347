"""Everything a training run needs to know, as one frozen value that is stored beside its results."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maskweave.training.augment import Augmentation
from maskweave.training.errors import TrainingDataError
from maskweave.training.losses import LossWeights


@dataclass(frozen=True)
class TrainConfig:
    """A training run.

    Attributes:
        annotations: COCO instances file to train on, or a data.yaml of the YOLO segmentation layout.
        images: Folder of its images; of a data.yaml, the folder that its entries start from.
        output: Run folder; made if missing.
        val_annotations: COCO instances file, or data.yaml with a val entry, to choose by; None skips validation.
        val_images: Folder of the validation images; None means `images`.
        classes: Names to train; None takes every category of the file.
        exclude_sources: Values of the images' ``source`` key to leave out.
        source_weights: Factor of the drawing probability for a ``source``.
        size: Long side of the input the network ends up trained for.
        start_size: Long side during the first part of the run (fewer pixels, more images a second).
        size_switch: Share of the run after which `size` takes over from `start_size`.
        minutes: Length by the clock; resumable, but the number of steps depends on the machine.
        epochs: Length in passes over the data; a resumed run equals one that was never stopped. One of the two is
            needed.
        batch_size: Images a step.
        lr: Peak learning rate.
        vector_lr: Factor on `lr` for what AdamW updates when `optimiser` is "muon".
        weight_decay: For weights of two or more dimensions.
        optimiser: "muon" or "adamw".
        warmup_steps: Steps of linear warm-up.
        decay: Share of the run, at its end, in which the learning rate falls to zero.
        ema: Greatest decay of the moving average of the weights.
        precision: "fp32", "bf16", or "auto" for the faster of the two on this machine.
        compile: Fuse the network's operations with torch.compile; needs a C++ compiler. Each shape of the views costs
            about a minute once, a step is then a fifth shorter.
        device: "cpu", "cuda", or "auto".
        workers: Loader processes.
        threads: CPU threads of torch; 0 leaves its default.
        cache_gb: Room for decoded images in the run folder; a larger data set is decoded anew in every pass.
        seed: Of weights, data order and augmentation.
        checkpoint_minutes: Time between checkpoints.
        validate_minutes: Time between validations (and early exports).
        validate_size: Long side of validation images; 0 means `size`.
        max_objects: That the exported model reports in one image at most; more than 100 for pictures full of small
            things, such as cells.
        start_from: "built-in", an exported .onnx file, or a .pt checkpoint to take weights from; None starts anew.
        augmentation: How strongly training views differ from their images.
        loss: Factors of the parts of the loss.
    """

    annotations: Path
    images: Path
    output: Path
    val_annotations: Path | None = None
    val_images: Path | None = None
    classes: tuple[str, ...] | None = None
    exclude_sources: tuple[str, ...] = ()
    source_weights: Mapping[str, float] = field(default_factory=dict)
    size: int = 320
    start_size: int = 224
    size_switch: float = 0.6
    minutes: float | None = None
    epochs: float | None = None
    batch_size: int = 24
    lr: float = 3e-3
    vector_lr: float = 0.5
    weight_decay: float = 0.05
    optimiser: str = "muon"
    warmup_steps: int = 200
    decay: float = 0.3
    ema: float = 0.999
    precision: str = "auto"
    compile: bool = False
    device: str = "auto"
    workers: int = 1
    threads: int = 0
    cache_gb: float = 16.0
    seed: int = 0
    checkpoint_minutes: float = 3.0
    validate_minutes: float = 15.0
    validate_size: int = 0
    max_objects: int = 100
    start_from: str | None = None
    augmentation: Augmentation = field(default_factory=Augmentation)
    loss: LossWeights = field(default_factory=LossWeights)

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.epochs is None):
            raise TrainingDataError("the length of the run: need exactly one of minutes and epochs.")
        for name in ("size", "start_size"):
            value = getattr(self, name)
            if value < 64 or value % 32:
                raise TrainingDataError(f"{name}: need a multiple of 32 of at least 64, got {value}.")
        if self.optimiser not in ("muon", "adamw"):
            raise TrainingDataError(f'optimiser: need "muon" or "adamw", got "{self.optimiser}".')

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        plain: dict[str, Any] = _plain(dataclasses.asdict(self))
        return plain

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainConfig:
        """The inverse of `to_dict`; unknown keys are named in the error."""
        known = {f.name for f in dataclasses.fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise TrainingDataError(
                f"unknown settings: {', '.join(unknown)}. Known are {', '.join(sorted(known))}."
            )
        ready = dict(values)
        for name in ("annotations", "images", "output", "val_annotations", "val_images"):
            if ready.get(name) is not None:
                ready[name] = Path(ready[name])
        for name in ("classes", "exclude_sources"):
            if ready.get(name) is not None:
                ready[name] = tuple(ready[name])
        if isinstance(ready.get("augmentation"), Mapping):
            augmentation = dict(ready["augmentation"])
            augmentation["scale"] = tuple(augmentation.get("scale", Augmentation().scale))
            ready["augmentation"] = Augmentation(**augmentation)
        if isinstance(ready.get("loss"), Mapping):
            ready["loss"] = LossWeights(**ready["loss"])
        return cls(**ready)


def read_recipe(path: Path, **paths: Any) -> TrainConfig:
    """A TOML recipe's settings, with the paths (and anything else given by keyword) of this machine put in."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise TrainingDataError(f"{path}: not a readable recipe ({error}).") from error
    return TrainConfig.from_dict({**values, **{k: v for k, v in paths.items() if v is not None}})


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value

"""Everything a training run needs to know, as one frozen value that is stored beside its results."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maskweave.training.augment import Augmentation
from maskweave.training.errors import TrainingDataError
from maskweave.training.losses import LossWeights
from maskweave.training.network import PARTS
from maskweave.training.settings import check_known, check_paced


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
        detector_lr: Factor on `lr` for all but the mask branch.
        vector_lr: Factor on `lr` for what AdamW updates when `optimizer` is "muon".
        weight_decay: For weights of two or more dimensions.
        optimizer: "muon" or "adamw".
        warmup_steps: Steps of linear warm-up.
        decay: Share of the run, at its end, in which the learning rate falls to zero.
        ema: Greatest decay of the moving average of the weights.
        precision: "fp32", "bf16", or "auto" for the faster of the two on this machine.
        quantization_aware: Round while learning as the INT8 file will (`fake_quantization`); a step takes nearly
            twice as long.
        compile: Fuse the network's operations with torch.compile; needs a C++ compiler. Each shape of the views costs
            about a minute once, a step is then a fifth shorter.
        device: "cpu", "cuda", or "auto".
        workers: Loader processes.
        threads: CPU threads of torch; 0 leaves its default.
        cache_gb: Room for decoded images in the run folder; a larger data set is decoded again in every pass.
        seed: Random seed of weights, data order and augmentation.
        checkpoint_minutes: Time between checkpoints.
        validate_minutes: Time between validations (and early exports).
        validate_size: Long side of validation images; 0 means `size`.
        max_objects: That the exported model reports in one image at most; more than 100 for images full of small
            things, such as cells.
        start_from: "built-in", an exported .onnx file, a .pt checkpoint, or NanoDet-Plus-m-1.5x as published; None or
            "none" starts again.
        soft_objects: JSON lines of what teachers saw in the images (see `soft_objects`); None for none.
        teacher: A model that looks at the images first: what it sees of classes that are not labeled exhaustively
            becomes objects, believed as far as it is sure.
        more_annotations: Another COCO file whose images, in `more_images`, are trained on too.
        more_images: Folder of those images; None means `images`.
        frozen: Parts of the network to leave as they start: of "backbone", "pyramid", "heads", "masks".
        relu_by: Share of the run in which the leaky ReLUs of NanoDet-Plus become ReLUs; 0 leaves them.
        distill: Teach with the dense scores of the network that the run starts from what annotations leave open.
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
    size: int = 416
    start_size: int = 416
    size_switch: float = 0.6
    minutes: float | None = None
    epochs: float | None = None
    batch_size: int = 16
    lr: float = 2e-3
    detector_lr: float = 1.0
    vector_lr: float = 0.5
    weight_decay: float = 0.05
    optimizer: str = "muon"
    warmup_steps: int = 200
    decay: float = 0.3
    ema: float = 0.999
    precision: str = "auto"
    quantization_aware: bool = False
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
    soft_objects: Path | None = None
    teacher: str | None = None
    more_annotations: Path | None = None
    more_images: Path | None = None
    frozen: tuple[str, ...] = ()
    relu_by: float = 0.0
    distill: bool = False
    augmentation: Augmentation = field(default_factory=Augmentation)
    loss: LossWeights = field(default_factory=LossWeights)

    def __post_init__(self) -> None:
        check_paced(self)
        unknown = [part for part in self.frozen if part not in PARTS]
        if unknown or len(set(self.frozen)) == len(PARTS):
            raise TrainingDataError(
                f"frozen: need some, not all, of {', '.join(PARTS)}, got {', '.join(unknown or self.frozen)}."
            )
        if not 0 <= self.relu_by < 1:
            raise TrainingDataError(
                f"relu_by: need a share of at least 0 and less than 1, got {self.relu_by}."
            )
        if self.compile and self.quantization_aware:
            raise TrainingDataError("compile and quantization_aware: need at most one of them.")
        if self.optimizer not in ("muon", "adamw"):
            raise TrainingDataError(f'optimizer: need "muon" or "adamw", got "{self.optimizer}".')

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        plain: dict[str, Any] = _plain(dataclasses.asdict(self))
        return plain

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainConfig:
        """The inverse of `to_dict`; unknown keys are named in the error."""
        check_known(cls, values)
        ready = dict(values)
        for name in (
            "annotations",
            "images",
            "output",
            "val_annotations",
            "val_images",
            "soft_objects",
            "more_annotations",
            "more_images",
        ):
            if ready.get(name) is not None:
                ready[name] = Path(ready[name])
        for name in ("classes", "exclude_sources", "frozen"):
            if ready.get(name) is not None:
                ready[name] = tuple(ready[name])
        if isinstance(ready.get("augmentation"), Mapping):
            augmentation = dict(ready["augmentation"])
            augmentation["scale"] = tuple(augmentation.get("scale", Augmentation().scale))
            ready["augmentation"] = Augmentation(**augmentation)
        if isinstance(ready.get("loss"), Mapping):
            ready["loss"] = LossWeights(**ready["loss"])
        return cls(**ready)


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value

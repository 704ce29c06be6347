"""Everything a training run of the compact network needs to know, stored beside its results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from maskweave.training.augment import Augmentation
from maskweave.training.errors import TrainingDataError
from maskweave.training.losses import LossWeights
from maskweave.training.network import PARTS
from maskweave.training.settings import RunSettings


@dataclass(frozen=True)
class TrainConfig(RunSettings):
    """A training run of the compact network. `RunSettings` has what it shares with other runs.

    It may also start from NanoDet-Plus-m-1.5x as published.

    Attributes:
        classes: Names to train; None takes every category of the annotations.
        detector_lr: Factor on `lr` for all but the mask branch.
        vector_lr: Factor on `lr` for what AdamW updates when `optimizer` is "muon".
        optimizer: "muon" or "adamw".
        compile: Fuse the network's operations with torch.compile; needs a C++ compiler. Each shape of the views costs
            about a minute once, a step is then a fifth shorter.
        validate_size: Long side of validation images; 0 means `size`.
        max_objects: That the exported model reports in one image at most; more than 100 for images full of small
            things, such as cells.
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

    classes: tuple[str, ...] | None = None
    detector_lr: float = 1.0
    vector_lr: float = 0.5
    optimizer: str = "muon"
    compile: bool = False
    validate_size: int = 0
    max_objects: int = 100
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
        super().__post_init__()
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

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`; unknown keys are named in the error."""
        ready = dict(values)
        if isinstance(ready.get("augmentation"), Mapping):
            augmentation = dict(ready["augmentation"])
            augmentation["scale"] = tuple(augmentation.get("scale", Augmentation().scale))
            ready["augmentation"] = Augmentation(**augmentation)
        if isinstance(ready.get("loss"), Mapping):
            ready["loss"] = LossWeights(**ready["loss"])
        return super().from_dict(ready)

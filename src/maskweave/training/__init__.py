"""Training of the networks in the package; needs the extra ``maskweave[train]`` (torch)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from maskweave.optional import optional

if TYPE_CHECKING:
    from maskweave.training.config import TrainConfig
    from maskweave.training.guide.config import GuideConfig
    from maskweave.training.stepping import Progress
    from maskweave.training.tasks import make_config, read_recipe, resume, train

__all__ = ["GuideConfig", "Progress", "TrainConfig", "make_config", "read_recipe", "resume", "train"]

_HOMES = {
    "GuideConfig": "guide.config",
    "Progress": "stepping",
    "TrainConfig": "config",
    "make_config": "tasks",
    "read_recipe": "tasks",
    "resume": "tasks",
    "train": "tasks",
}


def __getattr__(name: str) -> Any:
    """Import torch only when something of training is used, with a hint where it is missing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with optional("training", extra="train"):
        module = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    return getattr(module, name)

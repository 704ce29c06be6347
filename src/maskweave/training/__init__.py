"""Training of the compact network; needs the extra ``maskweave[train]`` (torch)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from maskweave.errors import MissingDependency

if TYPE_CHECKING:
    from maskweave.training.config import TrainConfig, read_recipe
    from maskweave.training.run import Progress, resume, train

__all__ = ["Progress", "TrainConfig", "read_recipe", "resume", "train"]

_HOMES = {
    "Progress": "run",
    "TrainConfig": "config",
    "read_recipe": "config",
    "resume": "run",
    "train": "run",
}


def __getattr__(name: str) -> Any:
    """Import torch only when something of training is used, with a hint where it is missing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    except ImportError as error:
        if error.name != "torch":
            raise
        raise MissingDependency(
            "training needs torch, which is not installed. Use `pip install maskweave[train]`."
        ) from error
    return getattr(module, name)

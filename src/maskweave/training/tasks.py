"""The networks that can be trained, and how to tell which of them a configuration or a run folder is for."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from maskweave.training import run
from maskweave.training.config import TrainConfig
from maskweave.training.errors import TrainingDataError
from maskweave.training.guide.config import TASK as GUIDE
from maskweave.training.guide.config import GuideConfig
from maskweave.training.guide.run import resume_guide, train_guide
from maskweave.training.run_folder import CONFIG
from maskweave.training.stepping import OnProgress

Config: TypeAlias = TrainConfig | GuideConfig
COMPACT = "compact"
_CONFIGS: Mapping[str, type[TrainConfig] | type[GuideConfig]] = {COMPACT: TrainConfig, GUIDE: GuideConfig}
TASKS = tuple(_CONFIGS)


def make_config(task: str, settings: Mapping[str, Any]) -> Config:
    """A task's configuration from settings by name.

    Raises:
        TrainingDataError: There is no such task, or it has no such setting.
    """
    if task not in _CONFIGS:
        raise TrainingDataError(f"task: need {' or '.join(TASKS)}, got {task!r}.")
    return _CONFIGS[task].from_dict(settings)


def read_recipe(path: Path, *, task: str | None = None, **settings: Any) -> Config:
    """A TOML recipe's configuration, with the paths (and anything else given by keyword) of this machine put in.

    The recipe says of which task it is by ``task``; without, it is of the compact network.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise TrainingDataError(f"{path}: not a readable recipe ({error}).") from error
    meant = values.pop("task", task or COMPACT)
    if task not in (None, meant):
        raise TrainingDataError(f"{path}: need a recipe of the task {task}, got one of {meant}.")
    return make_config(
        meant, {**values, **{name: value for name, value in settings.items() if value is not None}}
    )


def train(config: Config, on_progress: OnProgress | None = None) -> Path:
    """Train from the start and return the exported model's path; raises as `run.train`."""
    if isinstance(config, GuideConfig):
        return train_guide(config, on_progress)
    return run.train(config, on_progress)


def resume(folder: Path, on_progress: OnProgress | None = None, **changes: Any) -> Path:
    """Continue a run where its last checkpoint stands; `changes` replace settings (say, ``minutes``).

    Raises:
        CheckpointError: The folder holds no run, or its checkpoint is damaged or of another network.
    """
    if _task_of(folder) == GUIDE:
        return resume_guide(folder, on_progress, **changes)
    return run.resume(folder, on_progress, **changes)


def _task_of(folder: Path) -> str:
    try:
        settings = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return COMPACT  # which says what is missing
    return str(settings.get("task", COMPACT)) if isinstance(settings, dict) else COMPACT

"""The networks that can be trained, and how to tell which of them a configuration or a run folder is for."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from maskweave.training.config import TrainConfig
from maskweave.training.errors import TrainingDataError
from maskweave.training.guide.config import TASK as GUIDE
from maskweave.training.guide.config import GuideConfig
from maskweave.training.guide.session import GuideSession
from maskweave.training.run_folder import (
    CONFIG,
    LAST,
    disk_errors,
    read_settings,
    refuse_existing_run,
    write_json,
)
from maskweave.training.session import CompactSession
from maskweave.training.stepping import OnProgress, TrainingSession

Config: TypeAlias = TrainConfig | GuideConfig
COMPACT = "compact"


class Task(NamedTuple):
    """What configures the training of a network, and what does it."""

    config: type[TrainConfig] | type[GuideConfig]
    session: type[TrainingSession]


TASKS: Mapping[str, Task] = {
    COMPACT: Task(TrainConfig, CompactSession),
    GUIDE: Task(GuideConfig, GuideSession),
}


def make_config(task: str, settings: Mapping[str, Any]) -> Config:
    """A task's configuration from settings by name.

    Raises:
        TrainingDataError: There is no such task, or it has no such setting.
    """
    if task not in TASKS:
        raise TrainingDataError(f"task: need {' or '.join(TASKS)}, got {task!r}.")
    return TASKS[task].config.from_dict(settings)


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
    """Train from the start and return the exported model's path.

    Raises:
        TrainingDataError: The data cannot be trained on, or the output folder holds another run.
        LossNotFinite: The loss became NaN or infinite; the last good checkpoint is kept.
        CheckpointError: A checkpoint cannot be written, or `start_from` is of another network.
        TrainingError: Anything else cannot be read or written: the disk is full, say.
    """
    session_of = next(task.session for task in TASKS.values() if isinstance(config, task.config))
    refuse_existing_run(config.output)
    with disk_errors(config.output):
        session = session_of(session_of.make_trainer(config, on_progress), on_progress)
        write_json(config.output / CONFIG, config.to_dict())
        if config.start_from not in (None, "none"):
            session.load_start(config.start_from)
        return session.run()


def resume(folder: Path, on_progress: OnProgress | None = None, **changes: Any) -> Path:
    """Continue a run where its last checkpoint stands; `changes` replace settings (say, ``minutes``).

    Raises:
        CheckpointError: The folder holds no run, or its checkpoint is damaged or of another network.
    """
    task = _task_of(folder)
    with disk_errors(folder):
        config = task.config.from_dict(read_settings(folder))
        trainer = task.session.make_trainer(replace(config, **changes), on_progress)
        trainer.load(folder / LAST)
        return task.session(trainer, on_progress).run()


def _task_of(folder: Path) -> Task:
    try:
        settings = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        settings = None  # the compact network's session says what is missing
    name = settings.get("task") if isinstance(settings, dict) else None
    return TASKS[GUIDE] if name == GUIDE else TASKS[COMPACT]

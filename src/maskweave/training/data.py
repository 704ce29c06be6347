"""Gather all that a run trains on: annotations, more annotations, and what teachers see in the images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from maskweave.training.annotations import TrainingSet, read_training_set
from maskweave.training.config import TrainConfig
from maskweave.training.errors import TrainingDataError
from maskweave.training.held_out import hold_out
from maskweave.training.soft_objects import add_soft_objects, write_soft_objects

TAUGHT = "teacher.jsonl"


def read_training_data(config: TrainConfig, report: Callable[[str], None] = lambda _: None) -> TrainingSet:
    """Read what a configuration names; a teacher looks at the images once for a run folder.

    Raises:
        TrainingDataError: A file cannot be trained on.
    """
    data = read_training_set(
        config.annotations,
        config.images,
        class_names=config.classes,
        exclude_sources=config.exclude_sources,
    )
    if config.more_annotations is not None:
        more = read_training_set(
            config.more_annotations, config.more_images or config.images, class_names=data.class_names
        )
        data = replace(data, images=data.images + more.images, notes=data.notes + more.notes)
        if config.soft_objects is not None or config.teacher is not None:
            _require_own_ids(config, data)
    data = hold_out(config, data, report)
    numbered = {name: row for row, name in enumerate(data.class_names)}
    class_ids = {name: data.class_ids.get(name, row) for name, row in numbered.items()}
    index = {class_ids[name]: row for name, row in numbered.items()}
    if config.soft_objects is not None:
        data = add_soft_objects(data, config.soft_objects, index)
    if config.teacher is not None:
        path = config.output / TAUGHT
        if not path.is_file():
            config.output.mkdir(parents=True, exist_ok=True)
            write_soft_objects(data, config.teacher, path, class_ids, report)
        data = add_soft_objects(data, path, index)
    return data


def _require_own_ids(config: TrainConfig, data: TrainingSet) -> None:
    """Refuse two files of the same image ids, since what teachers see is kept by id."""
    same = len(data.images) - len({image.image_id for image in data.images})
    if same:
        raise TrainingDataError(
            f"{config.more_annotations}: need image ids that {config.annotations} does not use, got {same} of the "
            "same; number its images on."
        )

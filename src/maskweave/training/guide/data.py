"""What a guide trains on: objects of annotations, none of an image that it is validated on."""

from __future__ import annotations

from collections.abc import Callable

from maskweave.training.annotations import TrainingSet, read_training_set
from maskweave.training.guide.config import GuideConfig
from maskweave.training.held_out import hold_out


def read_guide_data(config: GuideConfig, report: Callable[[str], None] = lambda _: None) -> TrainingSet:
    """Read what a configuration names.

    Raises:
        TrainingDataError: A file cannot be trained on.
    """
    data = read_training_set(config.annotations, config.images, exclude_sources=config.exclude_sources)
    return hold_out(config, data, report)

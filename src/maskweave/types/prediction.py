"""The tasks that a model may be asked for, and the types of its answers."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from maskweave.types.instances import Instances
from maskweave.types.semantic import SemanticMap

Task: TypeAlias = Literal["instances", "semantic", "foreground"]
"""Every object apart; one class per pixel; object or not."""
TASKS: tuple[Task, ...] = get_args(Task)
Prediction: TypeAlias = Instances | SemanticMap

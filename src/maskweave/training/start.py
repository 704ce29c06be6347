"""Starting a run from weights that exist: the model in the package, or a checkpoint."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

from torch import Tensor

from maskweave.training.checkpoint import load_checkpoint, require_same, save_checkpoint
from maskweave.training.errors import CheckpointError
from maskweave.training.loop import Trainer

BUILT_IN = "built-in"
_PACKAGED = "compact-s.pt"
_CLASS_LAYERS = ("class_out.weight", "class_out.bias", "semantic_out.weight", "semantic_out.bias")


def load_start(trainer: Trainer, start: str) -> None:
    """Put the weights of a checkpoint (or of "built-in") into a fresh trainer.

    Classes are matched by name: those both know start from what was learned, new ones from scratch.

    Raises:
        CheckpointError: There is no such file, or its network has another shape.
    """
    path = _built_in() if start == BUILT_IN else Path(start)
    if path.suffix == ".onnx":
        raise CheckpointError(
            f"{path}: need a .pt checkpoint that training wrote (last.pt), got an ONNX file."
        )
    state = load_checkpoint(path)
    mine = json.loads(json.dumps(trainer.network.architecture.to_dict()))
    stored = json.loads(state["architecture"])
    require_same("architecture", stored=_body(stored), wanted=_body(mine), path=path)
    for network, source in ((trainer.network, "network"), (trainer.average.network, "average")):
        weights = state.get(source, state["average"])
        fitted = _match_classes(weights, network.state_dict(), state["class_names"], trainer.data.class_names)
        network.load_state_dict(fitted)


def _body(architecture: dict[str, object]) -> dict[str, object]:
    """The architecture without its number of classes."""
    return {key: value for key, value in architecture.items() if key != "classes"}


def _match_classes(
    weights: dict[str, Tensor], fresh: dict[str, Tensor], theirs: list[str], ours: tuple[str, ...]
) -> dict[str, Tensor]:
    fitted = {
        name: value.to(fresh[name].dtype) for name, value in weights.items() if name not in _CLASS_LAYERS
    }
    for name in _CLASS_LAYERS:
        rows = fresh[name].clone()
        for row, class_name in enumerate(ours):
            if class_name in theirs:
                rows[row] = weights[name][theirs.index(class_name)].to(rows.dtype)
        fitted[name] = rows
    return fitted


def _built_in() -> Path:
    path = Path(str(resources.files("maskweave.catalogue") / "weights" / _PACKAGED))
    if not path.is_file():
        raise CheckpointError(
            f'"{BUILT_IN}": the trainable weights ({_PACKAGED}) are not in this package. '
            "Give the last.pt of a run instead."
        )
    return path


def save_small(source: Path, target: Path) -> None:
    """Write a checkpoint's averaged weights in half precision: enough to start from, a sixth of the size.

    Raises:
        CheckpointError: The source is unreadable or the target cannot be written.
    """
    state = load_checkpoint(source)
    average = {name: v.half() if v.is_floating_point() else v for name, v in state["average"].items()}
    keep = {key: state[key] for key in ("architecture", "class_names", "step", "seconds", "config")}
    save_checkpoint(target, {**keep, "average": average})

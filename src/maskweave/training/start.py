"""Starting a run from weights that exist: the model in the package, an exported file, or a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from torch import Tensor

from maskweave.training.averaging import mean_weights
from maskweave.training.checkpoint import load_checkpoint, require_same, save_checkpoint
from maskweave.training.errors import CheckpointError
from maskweave.training.loop import Trainer
from maskweave.training.network import normalise
from maskweave.training.unfold import load_file_weights, read_file_weights

BUILT_IN = "built-in"
_PACKAGED = "compact-s.onnx"
_CLASS_LAYERS = ("class_out.weight", "class_out.bias", "semantic_out.weight", "semantic_out.bias")


def load_start(trainer: Trainer, start: str) -> None:
    """Put existing weights into a fresh trainer.

    Classes are matched by name: those both know start from what was learned, new ones from scratch.

    Args:
        trainer: Whose network and average to fill.
        start: "built-in", an .onnx file that MaskWeave exported, or a .pt checkpoint.

    Raises:
        CheckpointError: There is no such file, or its network has another shape.
    """
    path = _built_in() if start == BUILT_IN else Path(start)
    if not path.is_file():
        raise CheckpointError(
            f"{path}: no such file. Give built-in, an exported .onnx file or a .pt checkpoint."
        )
    if path.suffix == ".onnx":
        _load_onnx(trainer, path)
    else:
        _load_checkpoint(trainer, path)


def _load_onnx(trainer: Trainer, path: Path) -> None:
    weights, class_names = read_file_weights(path)
    batch = next(trainer.batches(trainer.config.start_size, workers=0))
    images = normalise(batch.images.to(trainer.device))
    for network in (trainer.network, trainer.average.network):
        load_file_weights(network, weights, images, path)
        fresh = network.state_dict()
        known = {name: rows for name, rows in weights.items() if name in _CLASS_LAYERS}
        network.load_state_dict(
            {**fresh, **_match_classes(known, fresh, class_names, trainer.data.class_names)}
        )


def _load_checkpoint(trainer: Trainer, path: Path) -> None:
    state = load_checkpoint(path)
    mine = json.loads(json.dumps(trainer.network.architecture.to_dict()))
    require_same(
        "architecture", stored=_body(json.loads(state["architecture"])), wanted=_body(mine), path=path
    )
    for network in (trainer.network, trainer.average.network):
        fresh = network.state_dict()
        weights = state["average"]
        fitted = {
            name: value.to(fresh[name].dtype) for name, value in weights.items() if name not in _CLASS_LAYERS
        }
        classes = _match_classes(weights, fresh, state["class_names"], trainer.data.class_names)
        network.load_state_dict({**fitted, **classes})


def _body(architecture: dict[str, object]) -> dict[str, object]:
    """The architecture without its number of classes."""
    return {key: value for key, value in architecture.items() if key != "classes"}


def _match_classes(
    weights: dict[str, Tensor], fresh: dict[str, Tensor], theirs: list[str], ours: tuple[str, ...]
) -> dict[str, Tensor]:
    """The class layers of `fresh` with the rows of all classes that `weights` know put in."""
    fitted = {}
    for name in _CLASS_LAYERS:
        rows = fresh[name].clone()
        for row, class_name in enumerate(ours):
            if name in weights and class_name in theirs:
                rows[row] = weights[name][theirs.index(class_name)].to(rows)
        fitted[name] = rows
    return fitted


def _built_in() -> Path:
    return Path(str(resources.files("maskweave.catalogue") / "weights" / _PACKAGED))


def save_small(sources: Sequence[tuple[Path, float]], target: Path) -> None:
    """Write the mean of checkpoints' averaged weights in half precision: enough to start from, a sixth of the size.

    ``sources`` are checkpoints with their shares; `averaging.mean_weights` says what a mean is.

    Raises:
        CheckpointError: A source is unreadable or has layers of other sizes, or the target cannot be written.
    """
    states = [load_checkpoint(path) for path, _ in sources]
    for (path, _), state in zip(sources, states, strict=True):
        _require_like(states[0], state, path)
    mean = mean_weights([state["average"] for state in states], [share for _, share in sources])
    average = {name: v.half() if v.is_floating_point() else v for name, v in mean.items()}
    keep = {key: states[0][key] for key in ("architecture", "class_names", "step", "seconds")}
    save_checkpoint(target, {**keep, "average": average})


def _require_like(first: Mapping[str, Any], other: Mapping[str, Any], path: Path) -> None:
    """Refuse a checkpoint that has no mean with another."""
    require_same("list of classes", stored=other["class_names"], wanted=first["class_names"], path=path)
    for name in sorted(first["average"].keys() & other["average"].keys()):
        shape, wanted = (tuple(each["average"][name].shape) for each in (other, first))
        require_same(f"layer {name}", stored=shape, wanted=wanted, path=path)

"""Start a run from weights that exist: the model in the package, an exported file, or a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from maskweave.training.averaging import mean_weights
from maskweave.training.checkpoint import load_checkpoint, require_same, save_checkpoint
from maskweave.training.errors import CheckpointError
from maskweave.training.loop import Trainer
from maskweave.training.nanodet import CLASS_NAMES, is_nanodet, load_nanodet, read_nanodet
from maskweave.training.network import CompactNet
from maskweave.training.weights import read_weights, starting_file


def load_start(trainer: Trainer, start: str) -> None:
    """Put existing weights into a fresh trainer.

    Classes are matched by name: those both know start from what was learned, new ones from scratch.

    Args:
        trainer: Whose network and average to fill.
        start: "built-in", an exported .onnx file, a .pt checkpoint, or NanoDet-Plus-m-1.5x as published.

    Raises:
        CheckpointError: There is no such file, or its network has another shape.
    """
    path = starting_file(start, "compact-s")
    if not path.is_file():
        raise CheckpointError(
            f"{path}: no such file. Give built-in, an exported .onnx file, a .pt checkpoint or NanoDet-Plus."
        )
    names = trainer.data.class_names
    if path.suffix != ".pt" and is_nanodet(path):
        stored_names: Sequence[str] = CLASS_NAMES
        load_nanodet(trainer.network, read_nanodet(path), [_row(name, stored_names) for name in names])
    else:
        weights, stored_names, slope = _read(path)
        _fill(trainer.network, weights, stored_names, names, path)
        trainer.network.set_slope(slope)
    trainer.average.network.load_state_dict(trainer.network.state_dict())
    trainer.average.network.set_slope(trainer.network.slope)
    trainer.first_slope = trainer.network.slope
    if trainer.config.distill:
        trainer.teach_with(trainer.network, [name in stored_names for name in names])


def _read(path: Path) -> tuple[dict[str, Tensor], list[str], float]:
    """Weights by name, class names and slope of a checkpoint or of an exported file."""
    if path.suffix == ".onnx":
        return read_weights(path)
    state = load_checkpoint(path)
    return state["average"], state["class_names"], float(state.get("slope", 0.0))


def _fill(
    network: CompactNet,
    weights: Mapping[str, Tensor],
    stored_names: Sequence[str],
    own_names: Sequence[str],
    path: Path,
) -> None:
    fresh = network.state_dict()
    fitted = {}
    for name, value in fresh.items():
        if name not in weights:
            raise CheckpointError(f"{path}: need a compact model of this version, it has no layer {name}.")
        stored = weights[name].to(value)
        if ".classes." in name:
            stored = _class_rows(value, stored, stored_names, own_names)
        require_same(f"layer {name}", stored=tuple(stored.shape), wanted=tuple(value.shape), path=path)
        fitted[name] = stored
    network.load_state_dict(fitted)


def _class_rows(
    fresh: Tensor, stored: Tensor, stored_names: Sequence[str], own_names: Sequence[str]
) -> Tensor:
    """The rows of `fresh`, those of classes that `stored` knows put in."""
    rows = fresh.clone()
    for index, name in enumerate(own_names):
        row = _row(name, stored_names)
        if row is not None:
            rows[index] = stored[row]
    return rows


def _row(name: str, names: Sequence[str]) -> int | None:
    return list(names).index(name) if name in names else None


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
    keep = {key: states[0][key] for key in ("architecture", "class_names", "step", "seconds", "slope")}
    save_checkpoint(target, {**keep, "average": average})


def _require_like(first: Mapping[str, Any], other: Mapping[str, Any], path: Path) -> None:
    """Refuse a checkpoint that has no mean with another."""
    require_same("list of classes", stored=other["class_names"], wanted=first["class_names"], path=path)
    for name in sorted(first["average"].keys() & other["average"].keys()):
        shape, wanted = (tuple(each["average"][name].shape) for each in (other, first))
        require_same(f"layer {name}", stored=shape, wanted=wanted, path=path)

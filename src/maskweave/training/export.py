"""Export the network as one ONNX file with its own preprocessing, class names and thresholds.

Contract (`maskweave.models.compact` reads it): input ``image`` uint8 (N, H, W, 3) RGB, H and W multiples of 32;
outputs ``scores`` (N, C, P) in 0..1, ``distances`` (N, 32, P), ``kernels`` (N, K, P), ``prototypes``
(N, M, H/4, W/4), ``features`` (N, F, H/8, W/8). What is done for few points only (boxes, suppression, masks) stays
outside.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from maskweave.optional import optional
from maskweave.training.modules import bias_of
from maskweave.training.network import CompactNet
from maskweave.training.run_folder import whole_file

OUTPUTS = ("scores", "distances", "kernels", "prototypes", "features")


@dataclass(frozen=True)
class ExportInfo:
    """What an exported file says about itself.

    Attributes:
        class_names: In the order of the scores.
        size: Default long side of the input, a multiple of 32.
        nms_iou: Greatest IoU that two objects of one class keep.
        score_threshold: Least score worth showing.
        license: Of the weights.
        version: Of the weights.
        experimental: Classes too weak to rely on.
        max_objects: Reported in one image at most.
    """

    class_names: tuple[str, ...]
    size: int = 384
    nms_iou: float = 0.6
    score_threshold: float = 0.35
    license: str = "unstated"
    version: str = "0"
    experimental: tuple[str, ...] = ()
    max_objects: int = 100

    def metadata(self) -> dict[str, str]:
        """As ONNX metadata."""
        return {
            "maskweave.family": "compact",
            "maskweave.class_names": json.dumps(list(self.class_names)),
            "maskweave.size": str(self.size),
            "maskweave.nms_iou": str(self.nms_iou),
            "maskweave.score_threshold": str(self.score_threshold),
            "maskweave.license": self.license,
            "maskweave.version": self.version,
            "maskweave.experimental": json.dumps(list(self.experimental)),
            "maskweave.max_objects": str(self.max_objects),
        }


def export_onnx(
    network: CompactNet, path: Path, info: ExportInfo, *, keep: Sequence[int] | None = None
) -> None:
    """Write the network as ONNX with half-precision weights that are cast to float on loading.

    Args:
        network: Trained network; left as it is.
        path: Where to; appears only when whole.
        info: Metadata; `class_names` are those of the kept classes.
        keep: Class indices to keep, None for all.

    Raises:
        MissingDependency: onnx is not installed.
    """
    with optional("export to ONNX", extra="train"):
        from maskweave.training.graph import build_model
    ready = copy.deepcopy(network).float().cpu().eval()
    if keep is not None:
        _keep_classes(ready, keep)
    model = build_model(ready)
    save_graph(model, path, {**info.metadata(), "maskweave.slope": str(ready.slope)})


def save_graph(model: Any, path: Path, metadata: Mapping[str, str]) -> None:
    """Write an ONNX model with metadata; the file appears only when it is whole."""
    import onnx

    onnx.helper.set_model_props(model, dict(metadata))
    with whole_file(path) as partial:
        onnx.save_model(model, str(partial))


def _keep_classes(network: CompactNet, keep: Sequence[int]) -> None:
    """Cut a network's class outputs down to some of its classes, in place."""
    rows = list(keep)
    network.architecture = replace(network.architecture, classes=len(rows))
    for head in network.heads:
        old = head.classes
        new = nn.Conv2d(old.in_channels, len(rows), 1)
        with torch.no_grad():
            new.weight.copy_(old.weight[rows])
            bias_of(new).copy_(bias_of(old)[rows])
        head.classes = new

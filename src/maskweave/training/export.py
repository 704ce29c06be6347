"""The network as one ONNX file that carries its own preprocessing, class names and thresholds.

Contract (`maskweave.models.compact` reads it): input ``image`` uint8 (N, H, W, 3) RGB, H and W multiples of 32;
outputs ``boxes`` (N, P, 4) xyxy in input pixels, ``scores`` (N, P, C) in 0..1, ``coefficients`` (N, P, K),
``prototypes`` (N, K, H/4, W/4), ``features`` (N, F, H/8, W/8). Suppression stays outside: its constants are
metadata.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from maskweave.errors import MissingDependency
from maskweave.training.network import CompactNet

OUTPUTS = ("boxes", "scores", "coefficients", "prototypes", "features")


@dataclass(frozen=True)
class ExportInfo:
    """What an exported file says about itself.

    Attributes:
        class_names: In the order of the scores.
        size: Default long side of the input, a multiple of 32.
        nms_iou: Greatest IoU that two objects of one class keep.
        score_threshold: Least score worth showing.
        licence: Of the weights.
        version: Of the weights.
        experimental: Classes too weak to rely on.
        max_objects: Reported in one image at most.
    """

    class_names: tuple[str, ...]
    size: int = 384
    nms_iou: float = 0.6
    score_threshold: float = 0.35
    licence: str = "unstated"
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
            "maskweave.licence": self.licence,
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
    try:
        import onnx

        from maskweave.training.graph import build_model
    except ImportError as error:
        if error.name != "onnx":
            raise
        raise MissingDependency(
            "exporting needs onnx, which is not installed. Use `pip install maskweave[train]`."
        ) from error
    ready = copy.deepcopy(network).float().cpu().eval()
    if keep is not None:
        _keep_classes(ready, keep)
    model = build_model(ready)
    onnx.helper.set_model_props(model, info.metadata())
    partial = path.with_name(path.name + ".partial")
    onnx.save_model(model, str(partial))
    partial.replace(path)


def _keep_classes(network: CompactNet, keep: Sequence[int]) -> None:
    """Cut a network's class output down to some of its classes, in place."""
    rows, old = list(keep), network.class_out
    new = nn.Conv2d(old.in_channels, len(rows), 1)
    with torch.no_grad():
        new.weight.copy_(old.weight[rows])
        if new.bias is not None and old.bias is not None:
            new.bias.copy_(old.bias[rows])
    network.class_out = new

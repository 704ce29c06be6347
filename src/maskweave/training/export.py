"""Export the network as one ONNX file with its own preprocessing, class names and thresholds.

Contract (`maskweave.models.compact` reads it): input ``image`` uint8 (N, H, W, 3) RGB, H and W multiples of 32;
outputs ``scores`` (N, C, P) in 0..1, ``distances`` (N, 32, P), ``kernels`` (N, K, P), ``prototypes``
(N, M, H/4, W/4), ``features`` (N, F, H/8, W/8). What is done for few points only (boxes, suppression, masks) stays
outside.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskweave.optional import optional
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


def export_onnx(network: CompactNet, path: Path, info: ExportInfo) -> None:
    """Write the network as ONNX with half-precision weights that are cast to float on loading.

    Args:
        network: Trained network; left as it is.
        path: Where to; appears only when whole.
        info: Metadata.

    Raises:
        MissingDependency: onnx is not installed.
    """
    with optional("export to ONNX", extra="train"):
        from maskweave.training.graph import build_model
    ready = copy.deepcopy(network).float().cpu().eval()
    model = build_model(ready)
    save_graph(model, path, {**info.metadata(), "maskweave.slope": str(ready.slope)})


def save_graph(model: Any, path: Path, metadata: Mapping[str, str]) -> None:
    """Write an ONNX model with metadata; the file appears only when it is whole."""
    import onnx

    onnx.helper.set_model_props(model, dict(metadata))
    with whole_file(path) as partial:
        onnx.save_model(model, str(partial))

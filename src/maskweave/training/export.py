"""The network as one ONNX file that carries its own preprocessing, class names and thresholds.

Contract (`maskweave.models.compact` reads it): input ``image`` uint8 (N, H, W, 3) RGB, H and W multiples of 32;
outputs ``boxes`` (N, P, 4) xyxy in input pixels, ``scores`` (N, P, C) in 0..1, ``coefficients`` (N, P, K),
``prototypes`` (N, K, H/4, W/4), ``features`` (N, F, H/8, W/8). Suppression stays outside: its constants are
metadata.
"""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from maskweave.errors import MissingDependency
from maskweave.training.errors import TrainingError
from maskweave.training.network import STRIDES, CompactNet, ConvNorm, SharedTower, normalise

OUTPUTS = ("boxes", "scores", "coefficients", "prototypes", "features")
_SMALLEST_HALF = 256
_OPSET = 18


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
    """

    class_names: tuple[str, ...]
    size: int = 384
    nms_iou: float = 0.6
    score_threshold: float = 0.35
    licence: str = "unstated"
    version: str = "0"
    experimental: tuple[str, ...] = ()

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
        MissingDependency: onnx or onnxscript is not installed.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingDependency(
            f"exporting needs {error.name}, which is not installed. Use `pip install maskweave[train]`."
        ) from error
    module = _ExportModule(network, keep).eval()
    example = torch.zeros(2, 224, 288, 3, dtype=torch.uint8)
    dims = {0: torch.export.Dim("n"), 1: _multiple("rows"), 2: _multiple("columns")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module,
            (example,),
            input_names=["image"],
            output_names=list(OUTPUTS),
            dynamic_shapes={"image": dims},
            opset_version=_OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    model = program.model_proto  # type: ignore[union-attr]
    _store_half(model)
    onnx.helper.set_model_props(model, info.metadata())
    onnx.checker.check_model(model)
    partial = path.with_name(path.name + ".partial")
    onnx.save_model(model, str(partial))
    partial.replace(path)


def _multiple(name: str):  # type: ignore[no-untyped-def]
    return 32 * torch.export.Dim(name, min=2, max=256)


class _ExportModule(nn.Module):
    """Network with preprocessing inside, normalisation folded into convolutions, outputs in contract order."""

    def __init__(self, network: CompactNet, keep: Sequence[int] | None) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).float().cpu().eval()
        _fold(self.network)
        if keep is not None:
            out, rows = self.network.class_out, torch.as_tensor(list(keep))
            out.weight = nn.Parameter(out.weight[rows].detach().clone())
            out.bias = nn.Parameter(out.bias[rows].detach().clone())  # type: ignore[index]

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        out = self.network(normalise(image))
        return out.boxes, out.class_logits.sigmoid(), out.coefficients, out.prototypes, out.features


class _FoldedTower(nn.Module):
    """A `SharedTower` whose batch statistics are a scale and a shift for each level; weights stay shared."""

    def __init__(self, tower: SharedTower) -> None:
        super().__init__()
        self.convs = tower.convs
        for depth, norms in enumerate(tower.norms):
            for level in range(len(STRIDES)):
                scale, shift = _scale_and_shift(norms[level])  # type: ignore[index]
                self.register_buffer(f"scale{depth}_{level}", scale[:, None, None])
                self.register_buffer(f"shift{depth}_{level}", shift[:, None, None])

    def forward(self, x: Tensor, level: int) -> Tensor:
        for depth, conv in enumerate(self.convs):
            scale, shift = getattr(self, f"scale{depth}_{level}"), getattr(self, f"shift{depth}_{level}")
            x = functional.relu(conv(x) * scale + shift)
        return x


def _scale_and_shift(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise TrainingError("export: need batch normalisation with running statistics, got one without.")
    scale = norm.weight.detach() * torch.rsqrt(variance + norm.eps)
    return scale, norm.bias.detach() - mean * scale


def _fold(network: CompactNet) -> None:
    """Fold every batch normalisation of an evaluation-mode network away, in place."""
    for module in network.modules():
        if isinstance(module, ConvNorm):
            scale, shift = _scale_and_shift(module.norm)
            conv = module.conv
            conv.weight = nn.Parameter(conv.weight.detach() * scale[:, None, None, None])
            conv.bias = nn.Parameter(shift)
            module.norm = nn.Identity()  # type: ignore[assignment]
    for name in ("trunk", "class_tower", "shape_tower"):
        setattr(network, name, _FoldedTower(getattr(network, name)))


def _store_half(model) -> None:  # type: ignore[no-untyped-def]
    """Store large float weights as half precision with a Cast behind each; engines fold it when they load."""
    import onnx
    from onnx import numpy_helper

    graph = model.graph
    casts = []
    for index, tensor in enumerate(graph.initializer):
        if tensor.data_type != onnx.TensorProto.FLOAT or np.prod(tensor.dims) < _SMALLEST_HALF:
            continue
        half = numpy_helper.to_array(tensor).astype(np.float16)
        name = tensor.name
        graph.initializer[index].CopyFrom(numpy_helper.from_array(half, name + "_half"))
        casts.append(onnx.helper.make_node("Cast", [name + "_half"], [name], to=onnx.TensorProto.FLOAT))
    for node in reversed(casts):
        graph.node.insert(0, node)

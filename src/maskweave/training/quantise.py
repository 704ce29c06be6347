"""An exported network in whole numbers: static INT8 quantisation by ONNX Runtime, calibrated on images.

Activations are unsigned and weights signed 8-bit numbers with a scale for each output channel, written as pairs of
QuantizeLinear and DequantizeLinear that engines fuse into integer convolutions. The outputs keep their precision:
the last convolution of each head and everything after it (sigmoid, exponential, box arithmetic) stays in single
precision, since an error there is an error in the result. All else, metadata included, stays as it was.
Source: https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from maskweave.errors import MissingDependency
from maskweave.models.loading import EngineOptions, load_model
from maskweave.training.annotations import TrainingSet
from maskweave.training.cache import read_rgb
from maskweave.training.errors import TrainingDataError, TrainingError
from maskweave.types.arrays import Image

KINDS = ("Conv", "Add", "Relu", "MaxPool", "Concat", "Resize")
"""Kinds of nodes that compute in whole numbers; what a head adds behind its convolution is left out."""
EXACT_LAYERS = ("class_out", "box_out", "coefficient_out", "location_out", "prototypes.out")
"""Convolutions whose weights carry these names stay in single precision, with all that follows them."""


def quantise(
    model_file: Path,
    images: Iterable[Image],
    output: Path,
    *,
    size: int | None = None,
    exact_layers: Sequence[str] = EXACT_LAYERS,
    averaged: bool = False,
) -> None:
    """Write an INT8 version of a file that `export_onnx` wrote.

    Args:
        model_file: The exported file.
        images: Calibration images, (H, W, 3) uint8 RGB: training images, never those that are measured on.
        output: Where to; appears only when whole.
        size: Long side the images are calibrated at; None takes the file's own.
        exact_layers: First letters of the names of weights whose convolutions keep single precision.
        averaged: Scale activations by the mean of the images' extremes instead of by the extremes of all.

    Raises:
        TrainingDataError: There is no calibration image.
        TrainingError: The file has none of the `exact_layers`.
        MissingDependency: onnx is not installed.
    """
    try:
        import onnx
        from onnxruntime.quantization import quant_utils
    except ImportError as error:
        raise MissingDependency(
            "quantising needs onnx, which is not installed. Use `pip install maskweave[train]`."
        ) from error
    metadata = {each.key: each.value for each in onnx.load(str(model_file)).metadata_props}
    with tempfile.TemporaryDirectory() as folder:
        plain, whole = Path(folder) / "plain.onnx", Path(folder) / "int8.onnx"
        _fold(model_file, plain)
        network = onnx.load(str(plain))
        exact = _exact_nodes(network, exact_layers)
        quant_utils.add_pre_process_metadata(network)  # or it warns that nobody folded the graph
        onnx.save(network, str(plain))
        _quantise(plain, whole, _inputs(model_file, images, size), exact=exact, averaged=averaged)
        finished = onnx.load(str(whole))
    del finished.metadata_props[:]
    onnx.helper.set_model_props(finished, metadata)
    partial = output.with_name(output.name + ".partial")
    onnx.save_model(finished, str(partial))
    partial.replace(output)


def calibration_images(data: TrainingSet, count: int, seed: int = 0) -> Iterator[Image]:
    """Read `count` images of a training set, drawn without repeats; all of them where it has fewer."""
    drawn = np.random.default_rng(seed).permutation(len(data.images))[:count]
    return (read_rgb(data.images[int(index)].path) for index in drawn)


def _fold(source: Path, target: Path) -> None:
    """Let ONNX Runtime fold the casts of half-precision weights and the scales of the towers into the weights."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(target)
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])


def _exact_nodes(network: Any, layers: Sequence[str]) -> list[str]:
    """Names of the nodes to leave in single precision; nodes without a name get one."""
    for number, node in enumerate(network.graph.node):
        node.name = node.name or f"{node.op_type.lower()}{number}"
    inexact: set[str] = set()
    names = []
    for node in network.graph.node:  # in an order in which every node comes after its inputs
        head = node.op_type == "Conv" and node.input[1].startswith(tuple(layers))
        if head or inexact.intersection(node.input):
            names.append(node.name)
            inexact.update(node.output)
    if not names:
        raise TrainingError(
            f"quantise: need a network with the layers {', '.join(layers)}, found none of them."
        )
    return names


def _inputs(model_file: Path, images: Iterable[Image], size: int | None) -> list[dict[str, Any]]:
    model = load_model(model_file, size=size, options=EngineOptions(threads=1))
    inputs = [dict(model.prepare(image).inputs) for image in images]
    model.close()
    if not inputs:
        raise TrainingDataError("quantise: need at least one calibration image, got none.")
    return inputs


def _quantise(
    source: Path, target: Path, inputs: list[dict[str, Any]], *, exact: list[str], averaged: bool
) -> None:
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._rest = iter(inputs)

        def get_next(self) -> dict[str, Any] | None:
            return next(self._rest, None)

    quantization.quantize_static(
        str(source),
        str(target),
        Reader(),
        quant_format=quantization.QuantFormat.QDQ,
        op_types_to_quantize=list(KINDS),
        nodes_to_exclude=exact,
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
        calibrate_method=quantization.CalibrationMethod.MinMax,
        extra_options={"CalibMovingAverage": averaged},
    )

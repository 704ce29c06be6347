"""Quantize an exported network to INT8 with ONNX Runtime, calibrated on images.

Activations are unsigned and weights signed 8-bit numbers with a scale for each output channel, written as pairs of
QuantizeLinear and DequantizeLinear that engines fuse into integer convolutions. The outputs keep their precision:
the last convolution of each head and everything after it (sigmoid, exponential, box arithmetic) stays in single
precision, since an error there is an error in the result. Before that, channels are evened out (`equalize`). All
else, metadata included, stays as it was.
Source: https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskweave.models.loading import RuntimeOptions, load_model
from maskweave.optional import optional
from maskweave.training.annotations import TrainingSet
from maskweave.training.cache import read_rgb
from maskweave.training.equalize import equalize, links
from maskweave.training.errors import TrainingDataError, TrainingError
from maskweave.types.arrays import Image

Floats = NDArray[np.float32]
KINDS = ("Conv", "Add", "Relu", "Clip", "MaxPool", "AveragePool", "Concat", "Split", "Resize")
"""Kinds of nodes that compute in whole numbers; what a head adds behind its convolution is left out."""
EXACT_LAYERS = (
    *(f"heads.{level}.{part}" for level in range(4) for part in ("classes", "distances")),
    *("masks.kernels", "masks.out"),
)
"""Convolutions whose weights carry these names stay in single precision, with all that follows them."""
_ROOM = 48
"""Inputs of 416x416 whose activations are calibrated on: 9 GB of memory."""


def quantize(
    model_file: Path,
    images: Iterable[Image],
    output: Path,
    *,
    exact_layers: Sequence[str] = EXACT_LAYERS,
) -> None:
    """Write an INT8 version of a file that `export_onnx` wrote.

    Args:
        model_file: The exported file.
        images: Calibration images, (H, W, 3) uint8 RGB: training images, never those that are measured on. Used are
            the first 48 of the shape that most of them have as input.
        output: Where to; appears only when whole.
        exact_layers: First letters of the names of weights whose convolutions keep single precision.

    Raises:
        TrainingDataError: There is no calibration image.
        TrainingError: The file has none of the `exact_layers`.
        MissingDependency: onnx is not installed.
    """
    inputs = of_one_shape(_inputs(model_file, images))
    quantize_network(model_file, inputs, output, exact_layers=exact_layers)


def quantize_network(
    model_file: Path,
    inputs: Sequence[Mapping[str, Any]],
    output: Path,
    *,
    exact_layers: Sequence[str],
) -> None:
    """Write an INT8 version of any exported network, calibrated on its own inputs by name; raises as `quantize`.

    The range of a tensor leaves out its rarest values (one in 100,000), so that the others are told apart more
    finely. All of the inputs' activations are in memory meanwhile, and the inputs must be of one shape.
    """
    with optional("quantization", extra="train"):
        import onnx
        from onnxruntime.quantization import quant_utils
    if not inputs:
        raise TrainingDataError("quantize: need at least one calibration image, got none.")
    metadata = {each.key: each.value for each in onnx.load(str(model_file)).metadata_props}
    with tempfile.TemporaryDirectory() as folder:
        plain, whole = Path(folder) / "plain.onnx", Path(folder) / "int8.onnx"
        _fold(model_file, plain)
        network = onnx.load(str(plain))
        exact = _exact_nodes(network, exact_layers)
        equalize(network, _maxima(network, [each.tensor for each in links(network.graph)], inputs))
        quant_utils.add_pre_process_metadata(network)  # or it warns that nobody folded the graph
        onnx.save(network, str(plain))
        _quantize(plain, whole, inputs, exact)
        finished = onnx.load(str(whole))
        for entry in [each.name for each in finished.graph.input]:
            _read_bytes(finished.graph, entry)
    del finished.metadata_props[:]
    onnx.helper.set_model_props(finished, metadata)
    partial = output.with_name(output.name + ".partial")
    onnx.save_model(finished, str(partial))
    partial.replace(output)


def of_one_shape(inputs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The inputs of the commonest shapes, as many as calibration has room for: their activations fill gigabytes."""
    shapes = [tuple(array.shape for array in each.values()) for each in inputs]
    commonest = max(shapes, key=shapes.count, default=())
    return [each for each, shape in zip(inputs, shapes, strict=True) if shape == commonest][:_ROOM]


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
            f"quantize: need a network with the layers {', '.join(layers)}, found none of them."
        )
    return names


def _read_bytes(graph: Any, entry: str) -> None:
    """Let what reads an input of bytes read them as its 8-bit numbers, in place.

    Bytes enter as (value - mean) * scale, which is what bytes with that zero point and scale mean: nothing is
    computed, and nothing is rounded.
    """
    from onnx import helper, numpy_helper

    def after(tensor: str, kind: str) -> Any:
        return next((n for n in graph.node if n.op_type == kind and n.input[0] == tensor), None)

    values = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    source = entry
    if (turned := after(entry, "Transpose")) is not None:
        source = turned.output[0]
    chain = [after(source, "Cast")]
    mean, scale = 0.0, 1.0
    for kind in ("Sub", "Mul"):
        if (node := after(chain[-1].output[0], kind)) is not None:
            chain.append(node)
            number = float(values[node.input[1]])
            mean, scale = (number, scale) if kind == "Sub" else (mean, number)
    for kind in ("QuantizeLinear", "DequantizeLinear"):
        chain.append(after(chain[-1].output[0], kind))
    constants = {f"{entry}.scale": np.float32(scale), f"{entry}.mean": np.uint8(mean)}
    graph.initializer.extend(numpy_helper.from_array(np.array(v), name) for name, v in constants.items())
    read = helper.make_node(
        "DequantizeLinear", [source, *constants], list(chain[-1].output), name=f"read_{entry}"
    )
    at = list(graph.node).index(chain[-1])
    for node in chain:
        graph.node.remove(node)
    graph.node.insert(at - len(chain) + 1, read)
    used = {name for node in graph.node for name in node.input}
    for unused in [each for each in graph.initializer if each.name not in used]:
        graph.initializer.remove(unused)


def _inputs(model_file: Path, images: Iterable[Image]) -> list[dict[str, Any]]:
    model = load_model(model_file, options=RuntimeOptions(threads=1))
    inputs = [dict(model.prepare(image).inputs) for image in images]
    model.close()
    return inputs


def _maxima(network: Any, tensors: Sequence[str], inputs: Sequence[Mapping[str, Any]]) -> dict[str, Floats]:
    """The largest magnitude of every channel of some tensors, in the mean over the inputs: (C,) each."""
    import onnx
    import onnxruntime

    shown = onnx.ModelProto()
    shown.CopyFrom(network)
    shown.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in tensors)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        shown.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    total: dict[str, Floats] = {}
    for each in inputs:
        for name, values in zip(tensors, session.run(list(tensors), dict(each)), strict=True):
            total[name] = total.get(name, np.float32(0)) + np.abs(values).max((0, 2, 3)) / len(inputs)
    return total


def _quantize(source: Path, target: Path, inputs: Sequence[Mapping[str, Any]], exact: list[str]) -> None:
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._rest = iter(inputs)

        def get_next(self) -> dict[str, Any] | None:
            each = next(self._rest, None)
            return None if each is None else dict(each)

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
        calibrate_method=quantization.CalibrationMethod.Percentile,
    )

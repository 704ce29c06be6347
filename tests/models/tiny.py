"""A compact model small enough to read: it finds the bright part of an image as one "cat"."""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.models.compact_outputs import BINS, STRIDES, prototype_kernel

CLASS_NAMES = ("cat", "dog")


def save_tiny_model(path: Path, *, size: int = 64, canvas: tuple[int, int] | None = None) -> Path:
    """Write an ONNX file that keeps the contract of the compact family."""
    onnx.save(tiny_model(size, canvas=canvas), path)
    return path


def tiny_model(size: int = 64, *, canvas: tuple[int, int] | None = None) -> onnx.ModelProto:
    """The only prototype is brightness, the features are color; the first point of stride 64 says the whole input.

    Its box can reach 448 pixels. ``canvas``: a fixed (height, width) of the input, which is free without it.
    """
    height, width = canvas or ("H", "W")
    kernel = prototype_kernel(0, 1)
    constants = [
        numpy_helper.from_array(np.array(value, dtype), name)
        for name, value, dtype in [
            ("half", 127.5, np.float32),
            ("channel", [1], np.int64),
            ("kernel", kernel[None, :, None], np.float32),
            ("score", [[[0.9]]], np.float32),
        ]
    ]
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["channels_first"], perm=[0, 3, 1, 2]),
        helper.make_node("ReduceMean", ["channels_first", "channel"], ["gray"], keepdims=1),
        helper.make_node("AveragePool", ["gray"], ["small"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Sub", ["small", "half"], ["prototypes"]),
        helper.make_node(
            "AveragePool", ["channels_first"], ["features"], kernel_shape=[8, 8], strides=[8, 8]
        ),
    ]
    for part in (_distances(), _points()):
        nodes += part[0]
        constants += part[1]
    outputs = [
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 2, "points"]),
        helper.make_tensor_value_info("distances", TensorProto.FLOAT, [1, 4 * BINS, "points"]),
        helper.make_tensor_value_info("kernels", TensorProto.FLOAT, [1, len(kernel), "points"]),
        helper.make_tensor_value_info("prototypes", TensorProto.FLOAT, [1, 1, "h", "w"]),
        helper.make_tensor_value_info("features", TensorProto.FLOAT, [1, 3, "rows", "columns"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, [1, height, width, 3])
    graph = helper.make_graph(nodes, "tiny", [image], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    metadata = {
        "maskweave.family": "compact",
        "maskweave.class_names": json.dumps(CLASS_NAMES),
        "maskweave.size": str(size),
        "maskweave.license": "Apache-2.0",
    }
    helper.set_model_props(model, metadata)
    return model


def _distances():
    """Nodes and constants of one point's logits: nothing to the left and above, all of the input right and below."""
    constants = {
        "width_height": np.array([2, 1], np.int64),
        "stride": np.float32(STRIDES[-1]),
        "nothing": np.zeros(2, np.float32),
        "column": np.array([4, 1], np.int64),
        "bins": np.arange(BINS, dtype=np.float32),
        "one": np.float32(1),
        "least": np.float32(1e-30),
        "logits_shape": np.array([1, 4 * BINS, 1], np.int64),
    }
    nodes = [
        helper.make_node("Shape", ["image"], ["shape"]),
        helper.make_node("Gather", ["shape", "width_height"], ["sides"]),
        helper.make_node("Cast", ["sides"], ["sides_float"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["sides_float", "stride"], ["strides"]),
        helper.make_node("Concat", ["nothing", "strides"], ["means"], axis=0),
        helper.make_node("Reshape", ["means", "column"], ["mean_column"]),
        helper.make_node("Sub", ["bins", "mean_column"], ["from_mean"]),
        helper.make_node("Abs", ["from_mean"], ["far"]),
        helper.make_node("Sub", ["one", "far"], ["near"]),
        helper.make_node("Relu", ["near"], ["weight"]),
        helper.make_node("Add", ["weight", "least"], ["positive"]),
        helper.make_node("Log", ["positive"], ["logits"]),
        helper.make_node("Reshape", ["logits", "logits_shape"], ["distance"]),
    ]
    return nodes, _arrays(constants)


def _points():
    """Nodes and constants that put one point's score, distances and kernel where it stands, zeros elsewhere."""
    constants = {
        "strides_all": np.array(STRIDES, np.int64),
        "less_one": np.array(STRIDES, np.int64) - 1,
        "axis": np.array([0], np.int64),
        "one_whole": np.array([1], np.int64),
        "last": np.array([3], np.int64),
        "four": np.array([4], np.int64),
        "no_pad": np.zeros(2, np.int64),
        "no_class": np.array([0, 1], np.int64),
        "height_index": np.array([1], np.int64),
        "width_index": np.array([2], np.int64),
    }
    nodes = []
    for side in ("height", "width"):
        nodes += [
            helper.make_node("Gather", ["shape", f"{side}_index"], [side]),
            helper.make_node("Add", [side, "less_one"], [f"{side}_up"]),
            helper.make_node("Div", [f"{side}_up", "strides_all"], [f"{side}_points"]),
        ]
    nodes += [
        helper.make_node("Mul", ["height_points", "width_points"], ["counts"]),
        helper.make_node("Slice", ["counts", "axis", "last"], ["counts_before"]),
        helper.make_node("ReduceSum", ["counts_before"], ["before"], keepdims=1),
        helper.make_node("Slice", ["counts", "last", "four"], ["counts_last"]),
        helper.make_node("Sub", ["counts_last", "one_whole"], ["after"]),
        helper.make_node("Concat", ["no_pad", "before", "no_pad", "after"], ["pads"], axis=0),
        helper.make_node("Concat", ["no_pad", "before", "no_class", "after"], ["score_pads"], axis=0),
        helper.make_node("Pad", ["score", "score_pads"], ["scores"]),
        helper.make_node("Pad", ["distance", "pads"], ["distances"]),
        helper.make_node("Pad", ["kernel", "pads"], ["kernels"]),
    ]
    return nodes, _arrays(constants)


def _arrays(constants):
    return [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]

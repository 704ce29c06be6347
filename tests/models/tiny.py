"""A compact model small enough to read: it finds the bright part of a picture as one "cat"."""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CLASS_NAMES = ("cat", "dog")


def save_tiny_model(path: Path, *, size: int = 64, canvas: tuple[int, int] | None = None) -> Path:
    """Write an ONNX file that keeps the contract of the compact family."""
    onnx.save(tiny_model(size, canvas=canvas), path)
    return path


def tiny_model(size: int = 64, *, canvas: tuple[int, int] | None = None) -> onnx.ModelProto:
    """The only prototype is brightness, the features are colour; the only point's box is the whole input.

    ``canvas``: a fixed (height, width) of the input, which is free without it.
    """
    height, width = canvas or ("H", "W")
    constants = [
        numpy_helper.from_array(np.array(value, dtype), name)
        for name, value, dtype in [
            ("half", 127.5, np.float32),
            ("channel", [1], np.int64),
            ("width_height", [2, 1], np.int64),
            ("origin", [0.0, 0.0], np.float32),
            ("box_shape", [1, 1, 4], np.int64),
            ("scores", [[[0.9, 0.0]]], np.float32),
            ("coefficients", [[[1.0]]], np.float32),
        ]
    ]
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["channels_first"], perm=[0, 3, 1, 2]),
        helper.make_node("ReduceMean", ["channels_first", "channel"], ["grey"], keepdims=1),
        helper.make_node("AveragePool", ["grey"], ["small"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Sub", ["small", "half"], ["prototypes"]),
        helper.make_node(
            "AveragePool", ["channels_first"], ["features"], kernel_shape=[8, 8], strides=[8, 8]
        ),
        helper.make_node("Shape", ["image"], ["shape"]),
        helper.make_node("Gather", ["shape", "width_height"], ["sides"]),
        helper.make_node("Cast", ["sides"], ["sides_float"], to=TensorProto.FLOAT),
        helper.make_node("Concat", ["origin", "sides_float"], ["box"], axis=0),
        helper.make_node("Reshape", ["box", "box_shape"], ["boxes"]),
    ]
    outputs = [
        helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [1, 1, 4]),
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 1, 2]),
        helper.make_tensor_value_info("coefficients", TensorProto.FLOAT, [1, 1, 1]),
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
        "maskweave.licence": "Apache-2.0",
    }
    helper.set_model_props(model, metadata)
    return model

"""A model whose network never ends."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.models.tiny import tiny_model


def endless_model() -> onnx.ModelProto:
    """The tiny model, whose scores come out of a Loop of 2^62 rounds for bright images and of one for dark ones.

    How many depends on the image, so that no engine can work it out when it loads the model.
    """
    model = tiny_model()
    graph = model.graph
    constants = {
        "most": np.array(2**62, np.int64),
        "one_round": np.array(1, np.int64),
        "yes": np.array(True),
        "limit": np.array(200, np.float32),
        "zero": np.array(0, np.float32),
    }
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    (plain,) = (each for each in graph.node if list(each.output) == ["scores"])
    plain.output[0] = "plain_scores"
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Mul", ["before", "before"], ["after"]),
        ],
        "round",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.FLOAT, []),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, []),
        ],
    )
    graph.node.extend(
        [
            helper.make_node("ReduceMax", ["gray"], ["brightest"], keepdims=0),
            helper.make_node("Greater", ["brightest", "limit"], ["bright"]),
            helper.make_node("Where", ["bright", "most", "one_round"], ["rounds"]),
            helper.make_node("Loop", ["rounds", "yes", "zero"], ["grown"], body=body),
            helper.make_node("Add", ["plain_scores", "grown"], ["scores"]),
        ]
    )
    return model

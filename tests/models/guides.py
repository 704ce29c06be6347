"""A network with the guide's layout that knows the answer by brightness."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from tests.models.graphs import onnx_bytes


def guide(side=64):
    """A guide's file: told anything, it finds what is bright and not under a click beside it; else nothing."""
    make = helper.make_node
    nodes = [
        make("Cast", ["image"], ["bytes"], to=TensorProto.FLOAT),
        make("ReduceMean", ["bytes"], ["gray"], axes=[3], keepdims=1),
        make("Sub", ["gray", "half"], ["bright"]),
        make("Mul", ["bright", "steep"], ["logit"]),
        make("Cast", ["guidance"], ["maps"], to=TensorProto.FLOAT),
        make("Split", ["maps", "sizes"], ["for", "against"], axis=3),
        make("ReduceMax", ["for"], ["told"], axes=[1, 2, 3], keepdims=1),
        make("Sub", ["told", "one"], ["untold"]),  # -1 where nothing is told
        make("Min", ["untold", "zero"], ["nothing"]),
        make("Mul", ["nothing", "much"], ["never"]),
        make("Mul", ["against", "minus"], ["beside"]),
        make("Add", ["logit", "never"], ["first"]),
        make("Add", ["first", "beside"], ["answer"]),
        make("Transpose", ["answer"], ["masks"], perm=[0, 3, 1, 2]),
    ]
    values = {
        "half": 127.5, "steep": 8 / 127.5, "one": 1.0, "zero": 0.0, "much": 100.0, "minus": -1.0,
    }  # fmt: skip
    constants = [numpy_helper.from_array(np.float32(value), name) for name, value in values.items()]
    constants.append(numpy_helper.from_array(np.array([3, 1], np.int64), "sizes"))
    info = helper.make_tensor_value_info
    return onnx_bytes(
        nodes,
        [
            info("image", TensorProto.UINT8, ["n", side, side, 3]),
            info("guidance", TensorProto.UINT8, ["n", side, side, 4]),
        ],
        [info("masks", TensorProto.FLOAT, ["n", 1, side, side])],
        constants,
    )

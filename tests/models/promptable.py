"""A network with EfficientSAM's layout that knows the answer by brightness."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from tests.models.graphs import onnx_bytes


def sam(side=128):
    """A file of OpenCV's layout: candidates are what is bright, what is dark, and everything.

    Their IoU predictions: the brightness at the first point, what it lacks to 1, and a tenth.
    """
    make = helper.make_node
    nodes = [
        make("ReduceMean", ["batched_images"], ["gray"], axes=[1], keepdims=1),
        make("Sub", ["gray", "half"], ["bright"]),
        make("Neg", ["bright"], ["dark"]),
        make("Abs", ["bright"], ["all"]),
        make("Concat", ["bright", "dark", "all"], ["three"], axis=1),
        make("Unsqueeze", ["three", "first"], ["output_masks"]),
        make("Cast", ["batched_point_coords"], ["whole"], to=TensorProto.INT64),
        make("Slice", ["whole", "zero", "one", "two_axis"], ["point"]),  # (1, 1, 1, 2): x, y of the first
        make("Gather", ["point", "yx"], ["turned"], axis=3),
        make("Reshape", ["turned", "pair"], ["place"]),
        make("Reshape", ["gray", "flat"], ["plane"]),
        make("GatherND", ["plane", "place"], ["light"]),
        make("Sub", ["unit", "light"], ["lack"]),
        make("Concat", ["light", "lack", "tenth"], ["ious"], axis=0),
        make("Reshape", ["ious", "ious_shape"], ["ious_out"]),
        # the labels must be there, and -1 where there is no point: their sum may not pass 1 + 2 + 3
        make("ReduceMax", ["batched_point_labels"], ["label"], keepdims=0),
        make("Mul", ["label", "nothing"], ["label_zero"]),
        make("Add", ["ious_out", "label_zero"], ["iou_predictions"]),
    ]
    values = {
        "half": (0.5, np.float32), "first": ([1], np.int64), "zero": ([0], np.int64), "one": ([1], np.int64),
        "two_axis": ([2], np.int64), "yx": ([1, 0], np.int64), "pair": ([1, 2], np.int64),
        "flat": ([side, side], np.int64), "unit": (1, np.float32), "tenth": ([0.1], np.float32),
        "ious_shape": ([1, 1, 3], np.int64), "nothing": (0, np.float32),
    }  # fmt: skip
    info = helper.make_tensor_value_info
    return onnx_bytes(
        nodes,
        [
            info("batched_images", TensorProto.FLOAT, [1, 3, side, side]),
            info("batched_point_coords", TensorProto.FLOAT, [1, 1, 6, 2]),
            info("batched_point_labels", TensorProto.FLOAT, [1, 1, 6, 1]),
        ],
        [
            info("output_masks", TensorProto.FLOAT, [1, 1, 3, side, side]),
            info("iou_predictions", TensorProto.FLOAT, [1, 1, 3]),
        ],
        [numpy_helper.from_array(np.array(value, kind), name) for name, (value, kind) in values.items()],
    )

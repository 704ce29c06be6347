"""Networks that the tests build themselves, with the layouts of published ones and weights chosen here.

TensorFlow graphs are written with the proto classes that tensorboard carries, so that TensorFlow itself is
not needed; ONNX graphs with onnx.helper.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from google.protobuf import text_format
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tensorboard.compat.proto.attr_value_pb2 import AttrValue
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.node_def_pb2 import NodeDef
from tensorboard.compat.proto.tensor_pb2 import TensorProto as TfTensor
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto

Array = NDArray[np.generic]

DT_FLOAT, DT_INT32, DT_UINT8 = 1, 3, 4
CLASSES = 90


def constant(name: str, value: Array) -> NodeDef:
    """A Const node."""
    value = np.asarray(value)
    kind = DT_INT32 if value.dtype.kind == "i" else DT_FLOAT
    value = value.astype(np.int32 if kind == DT_INT32 else np.float32)
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=edge) for edge in value.shape])
    node = NodeDef(name=name, op="Const")
    node.attr["dtype"].type = kind
    tensor = TfTensor(dtype=kind, tensor_shape=shape)
    if value.ndim:
        tensor.tensor_content = value.tobytes()
    else:  # as TensorFlow writes scalars; OpenCV reads int_val unchecked, and crashes without it
        (tensor.int_val if kind == DT_INT32 else tensor.float_val).append(value.item())
    node.attr["value"].CopyFrom(AttrValue(tensor=tensor))
    return node


def node(name: str, op: str, *inputs: str, **attributes: bool | int | float | str) -> NodeDef:
    """A node of a TensorFlow graph."""
    made = NodeDef(name=name, op=op, input=inputs)
    for key, value in attributes.items():
        attribute = made.attr[key]
        if key == "dtype":
            attribute.type = int(value)
        elif isinstance(value, bool):
            attribute.b = value
        elif isinstance(value, str):
            attribute.s = value.encode()
        elif isinstance(value, int):
            attribute.i = value
        else:
            attribute.f = value
    return made


def write_tf(nodes: list[NodeDef], constants: dict[str, Array], folder: Path) -> tuple[Path, Path]:
    """Write (frozen graph, text graph) of a network; the text graph has no constants, as OpenCV's have none."""
    frozen = GraphDef(node=[constant(name, value) for name, value in constants.items()])
    model, text = folder / "frozen.pb", folder / "graph.pbtxt"
    model.write_bytes(frozen.SerializeToString())
    text.write_text(text_format.MessageToString(GraphDef(node=nodes)), encoding="utf-8")
    return model, text


def tiny_mask_rcnn(folder: Path, *, rows: Array, masks: Array) -> tuple[Path, Path]:
    """A TensorFlow graph with Mask R-CNN's two outputs that always finds ``rows``, the redder the surer.

    ``rows``: (N, 7) as in detection_out_final, best score first; scores count for a pure red image and fall
    with the mean of red. ``masks``: (N, 90, M, M) logits.
    """
    found = len(rows)
    scores = np.zeros((3, found, CLASSES), np.float32)
    scores[0, np.arange(found), rows[:, 1].astype(int)] = rows[:, 2] / 255
    constants: dict[str, Array] = {
        "axes": np.array([1, 2], np.int32),
        "anchors/shape": np.array([1, 1, 4 * found], np.int32),
        "masks/shape": np.array(masks.shape, np.int32),
    }
    nodes = [
        node("image_tensor", "Placeholder", dtype=DT_UINT8),
        node("mean", "Mean", "image_tensor", "axes", keep_dims=True),
        node("flat", "Flatten", "mean"),
        *_linear(constants, "offsets", np.zeros((3, 4 * found)), np.zeros(4 * found)),
        *_linear(constants, "classes", scores.reshape(3, -1), np.zeros(found * CLASSES)),
        *_linear(constants, "boxes", np.zeros((3, 4 * found)), rows[:, 3:].ravel()),
        *_linear(constants, "grids", np.zeros((3, masks.size)), masks.ravel()),
        node("anchors", "Reshape", "boxes", "anchors/shape"),
        node(
            "detection_out_final", "DetectionOutput", "offsets", "classes", "anchors",
            num_classes=CLASSES, background_label_id=CLASSES + 1, code_type="CENTER_SIZE", keep_top_k=found,
            nms_threshold=0.9, confidence_threshold=0.01, share_location=True, variance_encoded_in_target=True,
            clip=False,
        ),
        node("logits", "Reshape", "grids", "masks/shape"),
        node("detection_masks", "Sigmoid", "logits"),
    ]  # fmt: skip
    return write_tf(nodes, constants, folder)


def _linear(constants: dict[str, Array], name: str, weights: Array, biases: Array) -> list[NodeDef]:
    """Nodes for flat @ weights + biases, and their constants."""
    constants[f"{name}/weights"] = weights.astype(np.float32)
    constants[f"{name}/biases"] = biases.astype(np.float32)
    return [
        node(f"{name}/product", "MatMul", "flat", f"{name}/weights", transpose_a=False, transpose_b=False),
        node(name, "BiasAdd", f"{name}/product", f"{name}/biases"),
    ]


def crashing_graph(folder: Path) -> tuple[Path, Path]:
    """A graph that kills OpenCV's importer: it reads the axis of a concatenation where none was written."""
    axis = constant("axis", np.int32(3))
    del axis.attr["value"].tensor.int_val[:]
    nodes = [
        node("image_tensor", "Placeholder", dtype=DT_UINT8),
        node("both", "ConcatV2", "image_tensor", "image_tensor", "axis"),
    ]
    model, text = write_tf(nodes, {}, folder)
    model.write_bytes(GraphDef(node=[axis]).SerializeToString())
    return model, text


ZOO_NAMES = ("6568", "6570", "6572", "6887")


def zoo_mask_rcnn(
    *,
    names: tuple[str, str, str, str] = ZOO_NAMES,
    scores: tuple[float, float] = (0.9, 0.6),
    labels: tuple[int, int] = (2, 18),
    grids: Array | None = None,
    canvas: tuple[int, int] | None = None,
) -> bytes:
    """An ONNX file of the zoo's Mask R-CNN layout that finds the blue and the red rectangle of a black image.

    ``names``: of boxes, labels, scores, masks. Values: first the blue rectangle, then the red one. ``grids``:
    (2, 1, 28, 28) mask probabilities, all 0.9 unless told otherwise. ``canvas``: a fixed (height, width) of the
    input, which is free without it.
    """
    boxes, label, score, masks = names
    if grids is None:
        grids = np.full((2, 1, 28, 28), 0.9, np.float32)
    nodes = [*_rectangle("blue", 0), *_rectangle("red", 2)]
    nodes += [
        helper.make_node("Concat", ["blue_box", "red_box"], [boxes], axis=0),
        *(_constant_output(name, value) for name, value in (
            (label, np.array(labels, np.int64)),
            (score, np.array(scores, np.float32)),
            (masks, grids.astype(np.float32)),
        )),
    ]  # fmt: skip
    outputs = [
        helper.make_tensor_value_info(boxes, TensorProto.FLOAT, ["n", 4]),
        helper.make_tensor_value_info(label, TensorProto.INT64, ["n"]),
        helper.make_tensor_value_info(score, TensorProto.FLOAT, ["n"]),
        helper.make_tensor_value_info(masks, TensorProto.FLOAT, ["n", 1, 28, 28]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [3, *(canvas or ("height", "width"))])
    steps = [numpy_helper.from_array(np.array(index, np.int64), f"channel_{index}") for index in (0, 2)]
    bright = numpy_helper.from_array(np.float32(50), "bright")
    return onnx_bytes(nodes, [image], outputs, [*steps, bright])


def _rectangle(color: str, channel: int) -> list[onnx.NodeProto]:
    """Nodes for the box, end included, around the pixels that are bright in one channel."""
    make = helper.make_node
    return [
        make("Gather", ["image", f"channel_{channel}"], [f"{color}_plane"], axis=0),
        make("Greater", [f"{color}_plane", "bright"], [f"{color}_bright"]),
        make("Cast", [f"{color}_bright"], [f"{color}_mask"], to=TensorProto.FLOAT),
        make("ReduceMax", [f"{color}_mask"], [f"{color}_columns"], axes=[0], keepdims=0),
        make("ReduceMax", [f"{color}_mask"], [f"{color}_rows"], axes=[1], keepdims=0),
        make("ArgMax", [f"{color}_columns"], [f"{color}_x1"], axis=0),
        make("ArgMax", [f"{color}_rows"], [f"{color}_y1"], axis=0),
        make("ArgMax", [f"{color}_columns"], [f"{color}_x2"], axis=0, select_last_index=1),
        make("ArgMax", [f"{color}_rows"], [f"{color}_y2"], axis=0, select_last_index=1),
        make("Concat", [f"{color}_{edge}" for edge in ("x1", "y1", "x2", "y2")], [f"{color}_ends"], axis=0),
        make("Cast", [f"{color}_ends"], [f"{color}_flat"], to=TensorProto.FLOAT),
        make("Unsqueeze", [f"{color}_flat", "channel_0"], [f"{color}_box"]),
    ]


def _constant_output(name: str, value: Array) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value))


def onnx_bytes(
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    initializers: list[onnx.TensorProto] | tuple[()] = (),
    metadata: dict[str, str] | None = None,
) -> bytes:
    """A checked ONNX file of opset 13, which every supported ONNX Runtime reads."""
    graph = helper.make_graph(nodes, "test", inputs, outputs, list(initializers))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    for key, value in (metadata or {}).items():
        model.metadata_props.add(key=key, value=value)
    return model.SerializeToString()

"""ONNX networks with the published layouts of instance families, that find an image's blue and red rectangle.

Every one really looks: its boxes are the outermost bright pixels of a channel, its masks that channel's brightness.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from tests.models.graphs import onnx_bytes

make = helper.make_node
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


class Graph:
    """Nodes and constants as they are added."""

    def __init__(self):
        self.nodes = []
        self.constants = {}

    def constant(self, value, dtype=np.float32):
        """The name of a constant."""
        name = f"constant_{len(self.constants)}"
        self.constants[name] = numpy_helper.from_array(np.array(value, dtype), name)
        return name

    def add(self, kind, *inputs, name=None, **attributes):
        """The name of a new node's output; inputs that are no names become constants."""
        name = name or f"{kind.lower()}_{len(self.nodes)}"
        inputs = [each if isinstance(each, str) else self.constant(each) for each in inputs]
        self.nodes.append(make(kind, inputs, [name], **attributes))
        return name

    def shaped(self, value, *shape, name=None):
        """``value`` in another shape."""
        return self.add("Reshape", value, self.constant(shape, np.int64), name=name)

    def bytes(self, inputs, outputs, metadata=None):
        """The file; ``inputs`` and ``outputs``: {name: (type, shape)}."""
        told = [
            [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in each.items()]
            for each in (inputs, outputs)
        ]
        return onnx_bytes(self.nodes, *told, list(self.constants.values()), metadata)


@dataclass(frozen=True)
class Found:
    """Names of tensors: a rectangle's ``box`` (1, 4) xyxy in input pixels, and its ``light`` (1, 1, H, W) in 0..1."""

    box: str
    light: str


def find(graph, image, channel, dark, bright):
    """The bright rectangle in one channel of the (1, 3, H, W) tensor ``image``, whose values are dark to bright."""
    plane = graph.add("Gather", image, graph.constant([channel], np.int64), axis=1)
    light = graph.add("Div", graph.add("Sub", plane, float(dark)), float(bright - dark))
    seen = graph.add("Cast", graph.add("Greater", light, 0.5), to=FLOAT)
    ends = []
    for last, axes in ((0, [0, 1, 2]), (0, [0, 1, 3]), (1, [0, 1, 2]), (1, [0, 1, 3])):
        line = graph.add("ReduceMax", seen, axes=axes, keepdims=0)
        place = graph.add("ArgMax", line, axis=0, keepdims=1, select_last_index=last)
        ends.append(graph.add("Add", graph.add("Cast", place, to=FLOAT), float(last)))
    return Found(graph.shaped(graph.add("Concat", *ends, axis=0), 1, 4), light)


def centered(graph, box, factor=1.0):
    """(1, 4) center x, center y, width, height of a box, times ``factor``."""
    matrix = np.array([[0.5, 0, -1, 0], [0, 0.5, 0, -1], [0.5, 0, 1, 0], [0, 0.5, 0, 1]]) * factor
    return graph.add("MatMul", box, matrix)


def quarter(graph, light):
    """(1, 1, H/4, W/4) brightness."""
    return graph.add("AveragePool", light, kernel_shape=[4, 4], strides=[4, 4])


def less(graph, value, much):
    """``value`` less ``much``."""
    return graph.add("Sub", value, float(much))


IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
DOG, CAT, COW, UNUSED = 18, 17, 21, 12  # COCO's ids


def rfdetr(side=312, queries=100, *, third="masks", columns=91, metadata=None):
    """RF-DETR-Seg: query 3 is a blue dog that may be a cow, query 7 a red cat, query 9 what no class is."""
    graph = Graph()
    mean, std = IMAGENET
    blue, red = (
        find(graph, "input", channel, -mean[channel] / std[channel], (1 - mean[channel]) / std[channel])
        for channel in (2, 0)
    )
    logits = np.full((1, queries, columns), -6.0)
    for query, label, logit in ((3, DOG, 2.0), (3, COW, 0.2), (7, CAT, 1.0), (9, UNUSED, 5.0)):
        logits[0, query, label % columns] = logit
    rows, maps = [], []
    empty = graph.add("Mul", quarter(graph, blue.light), 0.0)
    for query in range(queries):
        found = {3: blue, 7: red}.get(query)
        rows.append(centered(graph, found.box, 1 / side) if found else graph.constant(np.zeros((1, 4))))
        maps.append(quarter(graph, found.light) if found else empty)
    graph.shaped(graph.add("Concat", *rows, axis=0), 1, queries, 4, name="dets")
    graph.add("Identity", logits, name="labels")
    graph.add("Mul", less(graph, graph.add("Concat", *maps, axis=1), 0.5), 8.0, name=third)
    return graph.bytes(
        {"input": (FLOAT, [1, 3, side, side])},
        {
            "dets": (FLOAT, [1, queries, 4]),
            "labels": (FLOAT, [1, queries, columns]),
            third: (FLOAT, [1, queries, side // 4, side // 4]),
        },
        metadata,
    )


def rtmdet(side=640):
    """RTMDet-Ins: a blue dog, a red cat, and a row that fills up; COCO's 80 in order, so 16 and 15."""
    graph = Graph()
    means, stds = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)
    blue, red = (
        find(graph, "input", channel, -means[channel] / stds[channel], (255 - means[channel]) / stds[channel])
        for channel in (0, 2)  # blue comes first
    )
    rows = [
        graph.add("Concat", blue.box, np.array([[0.9]]), axis=1),
        graph.add("Concat", red.box, np.array([[0.6]]), axis=1),
        graph.constant(np.zeros((1, 5))),
    ]
    graph.shaped(graph.add("Concat", *rows, axis=0), 1, 3, 5, name="dets")
    graph.add("Identity", graph.constant([[16, 15, -1]], np.int64), name="labels")
    graph.add("Concat", blue.light, red.light, graph.add("Mul", red.light, 0.0), axis=1, name="masks")
    return graph.bytes(
        {"input": (FLOAT, ["batch", 3, side or "height", side or "width"])},
        {
            "dets": (FLOAT, ["batch", "num_dets", 5]),
            "labels": (INT64, ["batch", "num_dets"]),
            "masks": (FLOAT, ["batch", "num_dets", "height", "width"]),
        },
    )


def dfine(side=640):
    """D-FINE-seg: a blue dog that is a cat as well, and a red cat, boxes held to the last pixel."""
    graph = Graph()
    blue, red = (find(graph, "input", channel, 0, 1) for channel in (2, 0))
    boxes = graph.add("Concat", blue.box, blue.box, red.box, axis=0)
    held = graph.add("Clip", boxes, graph.constant(0), graph.constant(side - 1))
    graph.shaped(held, 1, 3, 4, name="boxes")
    graph.add("Identity", graph.constant([[16, 15, 15]], np.int64), name="labels")
    graph.add("Identity", np.array([[0.9, 0.7, 0.6]]), name="scores")
    blue_map = quarter(graph, blue.light)
    graph.add("Concat", blue_map, blue_map, quarter(graph, red.light), axis=1, name="masks")
    return graph.bytes(
        {"input": (FLOAT, [1, 3, side, side])},
        {
            "labels": (INT64, [1, 3]),
            "boxes": (FLOAT, [1, 3, 4]),
            "scores": (FLOAT, [1, 3]),
            "masks": (FLOAT, [1, 3, side // 4, side // 4]),
        },
    )


YOLO_NAMES = {0: "cup", 1: "dog", 2: 'it\'s a "cat"'}


def _prototypes(graph, blue, red):
    """32, of which number 5 is blue, number 9 is red and the others are nothing."""
    nothing = graph.add("Mul", quarter(graph, blue.light), 0.0)
    planes = {5: quarter(graph, blue.light), 9: quarter(graph, red.light)}
    maps = [planes.get(index, nothing) for index in range(32)]
    graph.add("Sub", graph.add("Concat", *maps, axis=1), 0.5, name="output1")


def _coefficients(index):
    values = np.zeros(32)
    values[index] = 3
    return values


def yolo(side=640, *, names=str(YOLO_NAMES)):
    """YOLO v8 and v11: a blue dog, a red cat and its double; ``names`` as in the metadata, None for none."""
    graph = Graph()
    blue, red = (find(graph, "images", channel, 0, 1) for channel in (2, 0))
    _prototypes(graph, blue, red)
    points = sum((side // stride) ** 2 for stride in (8, 16, 32))
    columns = []
    for found, scores, prototype in (
        (blue, (0, 0.9, 0.1), 5),
        (red, (0, 0.1, 0.6), 9),
        (red, (0, 0, 0.5), 9),
    ):
        rest = np.array([*scores, *_coefficients(prototype)])[None]
        columns.append(graph.add("Concat", centered(graph, found.box), rest, axis=1))
    empty = graph.constant(np.zeros((points - 3, 39)))
    rows = graph.shaped(graph.add("Concat", empty, *columns, axis=0), 1, points, 39)
    graph.add("Transpose", rows, perm=[0, 2, 1], name="output0")
    told = {"task": "segment", "stride": "32", "imgsz": f"[{side}, {side}]"}
    return graph.bytes(
        {"images": (FLOAT, [1, 3, side, side])},
        {"output0": (FLOAT, [1, 39, points]), "output1": (FLOAT, [1, 32, side // 4, side // 4])},
        told if names is None else told | {"names": names},
    )


def yolo_v26(side=640):
    """YOLO v26: 300 rows, of which the first are a blue dog and a red cat."""
    graph = Graph()
    blue, red = (find(graph, "images", channel, 0, 1) for channel in (2, 0))
    _prototypes(graph, blue, red)
    rows = [
        graph.add("Concat", found.box, np.array([score, label, *_coefficients(prototype)])[None], axis=1)
        for found, score, label, prototype in ((blue, 0.9, 1, 5), (red, 0.6, 2, 9))
    ]
    graph.shaped(
        graph.add("Concat", *rows, graph.constant(np.zeros((298, 38))), axis=0), 1, 300, 38, name="output0"
    )
    return graph.bytes(
        {"images": (FLOAT, [1, 3, side, side])},
        {"output0": (FLOAT, [1, 300, 38]), "output1": (FLOAT, [1, 32, side // 4, side // 4])},
        {"task": "segment", "names": str(YOLO_NAMES), "end2end": "True"},
    )


def torchvision(*, batched=False):
    """Mask R-CNN of torchvision: a blue dog and a red cat, masks pasted, outputs numbered by the exporter."""
    graph = Graph()
    image = "image" if batched else graph.add("Unsqueeze", "image", graph.constant([0], np.int64))
    blue, red = (find(graph, image, channel, 0, 1) for channel in (2, 0))
    graph.add("Concat", blue.box, red.box, axis=0, name="3412")
    graph.add("Identity", graph.constant([DOG, CAT], np.int64), name="3408")
    graph.add("Identity", np.array([0.9, 0.6]), name="3410")
    graph.add("Concat", blue.light, red.light, axis=0, name="3557")
    sides = [3, "height", "width"]
    return graph.bytes(
        {"image": (FLOAT, [1, *sides] if batched else sides)},
        {
            "3412": (FLOAT, ["n", 4]),
            "3408": (INT64, ["n"]),
            "3410": (FLOAT, ["n"]),
            "3557": (FLOAT, ["n", 1, "height", "width"]),
        },
    )

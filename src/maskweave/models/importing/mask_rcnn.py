"""Import the frozen graph of Mask R-CNN inception v2 into one ONNX model.

Only weights come from the file. The structure is the published one, as OpenCV's text graph of it has it:
https://github.com/opencv/opencv_extra/blob/4.x/testdata/dnn/mask_rcnn_inception_v2_coco_2018_01_28.pbtxt.

Input ``image_tensor`` (1, 3, H, W) float32 RGB 0..255. Outputs ``detection_out_final`` (1, 1, N, 7), rows (0, class,
score, x1, y1, x2, y2) with coordinates in 0..1, best first, at most 100, and a row of score 0 at the end where there
are fewer; ``detection_masks`` (N, 15, 15) probabilities, only those of each row's own class.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from onnx import ModelProto, TensorProto, helper

from maskweave.models.importing.detections import (
    ANCHORS,
    add_anchors,
    add_best,
    add_crops,
    add_decoded,
    add_suppression,
)
from maskweave.models.importing.frozen_graph import FrozenGraph, read_frozen_graph
from maskweave.models.importing.graph_writer import Features, GraphWriter
from maskweave.models.importing.inception_v2 import add_first_stage, add_second_stage
from maskweave.models.importing.mask_head import add_masks

_INPUT, _DETECTIONS, _MASKS = "image_tensor", "detection_out_final", "detection_masks"
_FIRST, _SECOND = "FirstStageBoxPredictor", "SecondStageBoxPredictor"  # scopes of weights
_CANDIDATES, _PROPOSALS, _PROPOSAL_IOU = 6000, 100, 0.7
_OBJECTS, _OBJECT_IOU, _OBJECT_SCORE = 100, 0.6, 0.3


def build_model(path: Path, *, version: int) -> bytes:
    """Read a frozen graph and return the ONNX file, marked as made by importer ``version``.

    Raises `NotAModel` or `UnknownLayout`.
    """
    frozen = read_frozen_graph(path)
    writer = GraphWriter()
    classes = frozen.constant(f"{_SECOND}/ClassPredictor/biases", (None,)).size - 1  # one is the background
    features = add_first_stage(writer, frozen, _add_scaling(writer, frozen))
    proposals = _add_proposals(writer, frozen, features)
    boxes, scores, labels = _add_objects(writer, frozen, features, proposals, classes)
    _add_rows(writer, boxes, scores, labels)
    seen = add_second_stage(writer, frozen, add_crops(writer, features, boxes), place="Masks")
    add_masks(writer, frozen, seen, labels, classes=classes, name=_MASKS)
    data: bytes = _model(writer, path, classes, version).SerializeToString()
    return data


def _model(writer: GraphWriter, path: Path, classes: int, version: int) -> ModelProto:
    image = helper.make_tensor_value_info(_INPUT, TensorProto.FLOAT, [1, 3, "height", "width"])
    rows = helper.make_tensor_value_info(_DETECTIONS, TensorProto.FLOAT, [1, 1, "objects", 7])
    masks = helper.make_tensor_value_info(_MASKS, TensorProto.FLOAT, ["objects", 15, 15])
    with path.open("rb") as file:
        source = hashlib.file_digest(file, "sha256").hexdigest()
    metadata = {
        "maskweave.family": "mask_rcnn_tf",
        "maskweave.classes": str(classes),
        "maskweave.importer": str(version),
        "maskweave.source_sha256": source,
        "maskweave.precise": ",".join(writer.precise),
    }
    return writer.model("mask-rcnn-inception-v2", [image], [rows, masks], metadata)


def _add_scaling(writer: GraphWriter, frozen: FrozenGraph) -> str:
    """0..255 to -1..1; apart from the first layer, whose padding is zeros of the scaled image."""
    factor = writer.floats(frozen.constant("Preprocessor/mul/x", ()))
    less = writer.floats(frozen.constant("Preprocessor/sub/y", ()))
    return writer.op("Sub", writer.op("Mul", _INPUT, factor), less)


def _add_proposals(writer: GraphWriter, frozen: FrozenGraph, features: Features) -> str:
    """Add the first stage's boxes: (P, 4), at most 100."""
    kernel = frozen.constant("Conv/weights", (3, 3, features.width, None)).transpose(3, 2, 0, 1)
    biases = frozen.constant("Conv/biases", (len(kernel),))
    made = writer.op("Conv", features.name, writer.floats(kernel), writer.floats(biases), pads=[1] * 4)
    hidden = Features(writer.op("Clip", made, writer.floats(0), writer.floats(6)), len(kernel))
    scores = writer.op("Softmax", _add_anchor_values(writer, frozen, hidden, "ClassPredictor", 2), axis=-1)
    best, numbers = add_best(writer, writer.op("Gather", scores, writer.integers(1), axis=1), _CANDIDATES)
    deltas = _add_anchor_values(writer, frozen, hidden, "BoxEncodingPredictor", 4)

    columns = writer.op("Gather", writer.op("Shape", features.name), writer.integers(3))
    size = writer.op("Cast", writer.op("Shape", _INPUT), to=TensorProto.FLOAT)
    height, width = (writer.op("Gather", size, writer.integers(axis)) for axis in (2, 3))
    anchors = add_anchors(writer, numbers, columns, (height, width))
    boxes = add_decoded(writer, writer.op("Gather", deltas, numbers), anchors)
    first = writer.integers([0])
    _, kept = add_suppression(
        writer,
        writer.op("Unsqueeze", boxes, first),
        writer.op("Unsqueeze", best, first),
        iou=_PROPOSAL_IOU,
        score=0.0,
        max_count=_PROPOSALS,
    )
    return writer.op("Gather", boxes, kept, name="proposals")


def _add_anchor_values(
    writer: GraphWriter, frozen: FrozenGraph, hidden: Features, layer: str, width: int
) -> str:
    """Add a 1x1 convolution that gives every anchor ``width`` values: (anchors, width)."""
    scope, count = f"{_FIRST}/{layer}", ANCHORS * width
    kernel = frozen.constant(f"{scope}/weights", (1, 1, hidden.width, count)).transpose(3, 2, 0, 1)
    biases = writer.floats(frozen.constant(f"{scope}/biases", (count,)))
    planes = writer.op("Conv", hidden.name, writer.floats(kernel), biases)
    return writer.op(
        "Reshape", writer.op("Transpose", planes, perm=[0, 2, 3, 1]), writer.integers([-1, width])
    )


def _add_objects(
    writer: GraphWriter, frozen: FrozenGraph, features: Features, proposals: str, classes: int
) -> tuple[str, str, str]:
    """Add the second stage: boxes (N, 4), scores (N,) and classes (N,) of at most 100 objects, best first."""
    seen = add_second_stage(writer, frozen, add_crops(writer, features, proposals), place="Boxes")
    pooled = Features(writer.op("ReduceMean", seen.name, axes=[2, 3], keepdims=0), seen.width)
    probs = writer.op("Softmax", _add_dense(writer, frozen, pooled, "ClassPredictor", classes + 1), axis=-1)
    by_class = writer.op("Transpose", probs, perm=[1, 0])  # a row a class, the background's first
    ends = (writer.integers([1]), writer.integers([classes + 1]))
    scores = writer.op("Slice", by_class, *ends)
    coded = _add_dense(writer, frozen, pooled, "BoxEncodingPredictor", 4 * classes)
    deltas = writer.op("Reshape", coded, writer.integers([-1, classes, 4]))
    boxes = add_decoded(writer, writer.op("Transpose", deltas, perm=[1, 0, 2]), proposals)

    groups, places = add_suppression(
        writer, boxes, scores, iou=_OBJECT_IOU, score=_OBJECT_SCORE, max_count=_PROPOSALS
    )
    count = writer.op("Gather", writer.op("Shape", scores), writer.integers(1))
    kept = writer.op("Add", writer.op("Mul", groups, count), places)
    # A row of score 0 at the end: engines differ in what they make of no object at all.
    kept_scores = writer.op("Gather", writer.op("Reshape", scores, writer.integers([-1])), kept)
    padded = writer.op("Concat", kept_scores, writer.floats([0]), axis=0)
    best, order = add_best(writer, padded, _OBJECTS)
    chosen = writer.op("Gather", writer.op("Concat", kept, writer.integers([0]), axis=0), order)
    flat = writer.op("Reshape", boxes, writer.integers([-1, 4]))
    return writer.op("Gather", flat, chosen), best, writer.op("Div", chosen, count)


def _add_dense(writer: GraphWriter, frozen: FrozenGraph, pooled: Features, layer: str, width: int) -> str:
    scope = f"{_SECOND}/{layer}"
    weights = writer.floats(frozen.constant(f"{scope}/weights", (pooled.width, width)))
    return writer.op(
        "Gemm", pooled.name, weights, writer.floats(frozen.constant(f"{scope}/biases", (width,)))
    )


def _add_rows(writer: GraphWriter, boxes: str, scores: str, labels: str) -> None:
    """Add the output of rows."""
    across = writer.integers([1])
    score = writer.op("Unsqueeze", scores, across)
    label = writer.op("Cast", writer.op("Unsqueeze", labels, across), to=TensorProto.FLOAT)
    image = writer.op("Mul", score, writer.floats(0))
    rows = writer.op("Concat", image, label, score, boxes, axis=1)
    writer.op("Unsqueeze", rows, writer.integers([0, 1]), name=_DETECTIONS)

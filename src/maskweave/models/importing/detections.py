"""Boxes in an ONNX graph: anchors, the box coder, suppression, crops.

Boxes are (…, 4) x1 y1 x2 y2 in 0..1 of the image. What OpenCV's layers PriorBox, DetectionOutput and CropAndResize
compute is followed, since its run of the same weights is the yardstick. Sources:
https://github.com/opencv/opencv/tree/4.x/modules/dnn/src/layers,
https://github.com/tensorflow/models/tree/master/research/object_detection (grid_anchor_generator.py,
faster_rcnn_box_coder.py, post_processing.py).
"""

from __future__ import annotations

import math

from onnx import TensorProto

from maskweave.models.importing.graph_writer import Features, GraphWriter

STRIDE = 16
"""Pixels of the image from one anchor position to the next; the first lies at the image's corner."""

_RATIOS, _SCALES = (0.5, 1.0, 2.0), (0.25, 0.5, 1.0, 2.0)  # width over height; of 256 pixels
_BASE = 256.0
_WIDTHS = [_BASE * scale * math.sqrt(ratio) for ratio in _RATIOS for scale in _SCALES]
_HEIGHTS = [_BASE * scale / math.sqrt(ratio) for ratio in _RATIOS for scale in _SCALES]
ANCHORS = len(_WIDTHS)
"""Anchors at a position, and so the boxes that the first stage gives there."""

_VARIANCES = [0.1, 0.1, 0.2, 0.2]  # of the box coder: what 1 means in y, x, height, width
_CROP = 14


def add_anchors(writer: GraphWriter, numbers: str, columns: str, size: tuple[str, str]) -> str:
    """Add the anchors of these ``numbers`` (N,), counted row by row, position by position; cut at the edges.

    ``columns``: positions a row, int64. ``size``: height and width of the image, float.
    """
    kind = writer.op("Mod", numbers, writer.integers(ANCHORS))
    position = writer.op("Div", numbers, writer.integers(ANCHORS))
    edges: list[str] = []
    for length, place, total in (
        (_WIDTHS, writer.op("Mod", position, columns), size[1]),
        (_HEIGHTS, writer.op("Div", position, columns), size[0]),
    ):
        center = writer.op("Mul", writer.op("Cast", place, to=TensorProto.FLOAT), writer.floats(STRIDE))
        half = writer.op("Gather", writer.floats([each / 2 for each in length]), kind)
        edges += [writer.op("Div", writer.op(side, center, half), total) for side in ("Sub", "Add")]
    x1, x2, y1, y2 = edges
    return _within(writer, _stacked(writer, x1, y1, x2, y2))


def add_decoded(writer: GraphWriter, deltas: str, priors: str) -> str:
    """Add the boxes that ``deltas`` (…, 4), in TensorFlow's order y x height width, make of ``priors``.

    ``priors``: (…, 4) boxes that broadcast with them. The boxes are cut at the image's edges.
    """
    scaled = writer.op("Mul", deltas, writer.floats(_VARIANCES))
    dy, dx, dh, dw = _columns(writer, scaled)
    left, top, right, bottom = _columns(writer, priors)
    half = writer.floats(0.5)
    edges = []
    for low, high, shift, growth in ((left, right, dx, dw), (top, bottom, dy, dh)):
        length = writer.op("Sub", high, low)
        middle = writer.op("Add", low, writer.op("Mul", length, half))
        center = writer.op("Add", writer.op("Mul", shift, length), middle)
        reach = writer.op("Mul", writer.op("Mul", writer.op("Exp", growth), length), half)
        edges.append((writer.op("Sub", center, reach), writer.op("Add", center, reach)))
    (x1, x2), (y1, y2) = edges
    return _within(writer, writer.op("Concat", x1, y1, x2, y2, axis=-1))


def add_suppression(
    writer: GraphWriter, boxes: str, scores: str, *, iou: float, score: float, max_count: int
) -> tuple[str, str]:
    """Add non-maximum suppression in every group by itself: which group, and which box of it, were kept.

    ``boxes``: (groups, N, 4), ``scores``: (groups, N). Kept are scores above ``score``, ``max_count`` a group.
    """
    kept = writer.op(
        "NonMaxSuppression",
        boxes,
        writer.op("Unsqueeze", scores, writer.integers([1])),
        writer.integers(max_count),
        writer.floats(iou),
        writer.floats(score),
    )
    return (
        writer.op("Gather", kept, writer.integers(0), axis=1),
        writer.op("Gather", kept, writer.integers(2), axis=1),
    )


def add_best(writer: GraphWriter, scores: str, max_count: int) -> tuple[str, str]:
    """Add the ``max_count`` best of ``scores`` (N,), or all where there are fewer, best first: values and places."""
    count = writer.op("Min", writer.op("Shape", scores), writer.integers([max_count]))
    best, places = writer.ops("TopK", scores, count, outputs=(f"{scores}/best", f"{scores}/places"))
    return best, places


def add_crops(writer: GraphWriter, features: Features, boxes: str) -> Features:
    """Add crops (N, C, 7, 7) of ``features`` (1, C, h, w) at ``boxes`` (N, 4).

    TensorFlow's crop_and_resize samples bilinearly at 14 places a side, the first and the last on the box's edges, in
    an image whose pixels are points from 0 to h - 1; then the greatest of 2x2 is taken. Here a sample is made of
    four rows of tables: the features, and how they grow to the right, downwards, and both. (RoiAlign can be made to
    give the same, but OpenVINO's takes half of the network's time in bf16.)
    """
    rightwards = _add_growth(writer, features.name, axis=3)
    downwards = _add_growth(writer, features.name, axis=2)
    both = _add_growth(writer, rightwards, axis=2)
    size = writer.op("Shape", features.name)
    height, width = (writer.op("Gather", size, writer.integers(axis)) for axis in (2, 3))
    column, across = _add_samples(writer, boxes, 0, width)
    row, down = _add_samples(writer, boxes, 1, height)
    starts = writer.op("Mul", writer.op("Unsqueeze", row, writer.integers([2])), width)
    places = writer.op("Add", starts, writer.op("Unsqueeze", column, writer.integers([1])))
    writer.precise += [across, down, places]

    def values(planes: str) -> str:
        table = writer.op("Transpose", planes, perm=[0, 2, 3, 1])
        table = writer.op("Reshape", table, writer.integers([-1, features.width]))
        return writer.op("Gather", table, places)  # (N, 14, 14, C)

    across = writer.op("Unsqueeze", across, writer.integers([1, 3]))
    down = writer.op("Unsqueeze", down, writer.integers([2, 3]))
    upper = _further(writer, values(features.name), values(rightwards), across)
    samples = _further(writer, upper, _further(writer, values(downwards), values(both), across), down)
    half = _CROP // 2
    pairs = writer.op("Reshape", samples, writer.integers([-1, half, 2, half, 2, features.width]))
    highest = writer.op("ReduceMax", pairs, axes=[2, 4], keepdims=0)
    return Features(writer.op("Transpose", highest, perm=[0, 3, 1, 2]), features.width)


def _add_growth(writer: GraphWriter, planes: str, *, axis: int) -> str:
    """Add what (1, C, h, w) planes grow by from each point to the next along an axis; nothing after the last."""
    one = writer.integers([1])
    far = writer.integers([1 << 30])
    along = writer.integers([axis])
    rest = writer.op("Slice", planes, one, far, along)
    end = writer.op("Slice", planes, writer.integers([-1]), far, along)
    return writer.op("Sub", writer.op("Concat", rest, end, axis=axis), planes)


def _add_samples(writer: GraphWriter, boxes: str, axis: int, count: str) -> tuple[str, str]:
    """Add where 14 samples along an axis of ``count`` points lie: (N, 14) the point before, int64, and how far on."""
    low = writer.op("Gather", boxes, writer.integers([axis]), axis=1)
    high = writer.op("Gather", boxes, writer.integers([axis + 2]), axis=1)
    steps = writer.floats([[number / (_CROP - 1) for number in range(_CROP)]])
    last = writer.op("Cast", writer.op("Sub", count, writer.integers(1)), to=TensorProto.FLOAT)
    at = writer.op("Mul", _further(writer, low, writer.op("Sub", high, low), steps), last)
    point = writer.op("Floor", at)
    return writer.op("Cast", point, to=TensorProto.INT64), writer.op("Sub", at, point)


def _further(writer: GraphWriter, start: str, growth: str, part: str) -> str:
    """Add start + part * growth."""
    return writer.op("Add", start, writer.op("Mul", growth, part))


def _columns(writer: GraphWriter, boxes: str) -> tuple[str, ...]:
    names = tuple(f"{boxes}/column_{number}" for number in range(4))
    return writer.ops("Split", boxes, outputs=names, axis=-1)


def _stacked(writer: GraphWriter, *columns: str) -> str:
    last = writer.integers([1])
    return writer.op("Concat", *(writer.op("Unsqueeze", column, last) for column in columns), axis=1)


def _within(writer: GraphWriter, boxes: str) -> str:
    return writer.op("Clip", boxes, writer.floats(0), writer.floats(1))

"""Boxes in an ONNX graph: anchors, the box coder, suppression, crops.

Boxes are (…, 4) x1 y1 x2 y2 in 0..1 of the picture. What OpenCV's layers PriorBox, DetectionOutput and CropAndResize
compute is followed, since its run of the same weights is the yardstick. Sources:
https://github.com/opencv/opencv/tree/4.x/modules/dnn/src/layers,
https://github.com/tensorflow/models/tree/master/research/object_detection (grid_anchor_generator.py,
faster_rcnn_box_coder.py, post_processing.py).
"""

from __future__ import annotations

import math

from maskweave.models.importing.graph_writer import Features, GraphWriter

STRIDE = 16
"""Pixels of the picture from one anchor position to the next; the first lies at the picture's corner."""

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

    ``columns``: positions a row, int64. ``size``: height and width of the picture, float.
    """
    kind = writer.op("Mod", numbers, writer.integers(ANCHORS))
    position = writer.op("Div", numbers, writer.integers(ANCHORS))
    edges: list[str] = []
    for length, place, total in (
        (_WIDTHS, writer.op("Mod", position, columns), size[1]),
        (_HEIGHTS, writer.op("Div", position, columns), size[0]),
    ):
        centre = writer.op("Mul", writer.op("Cast", place, to=1), writer.floats(STRIDE))
        half = writer.op("Gather", writer.floats([each / 2 for each in length]), kind)
        edges += [writer.op("Div", writer.op(side, centre, half), total) for side in ("Sub", "Add")]
    x1, x2, y1, y2 = edges
    return _within(writer, _stacked(writer, x1, y1, x2, y2))


def add_decoded(writer: GraphWriter, deltas: str, priors: str) -> str:
    """Add the boxes that ``deltas`` (…, 4), in TensorFlow's order y x height width, make of ``priors``.

    ``priors``: (…, 4) boxes that broadcast with them. The boxes are cut at the picture's edges.
    """
    scaled = writer.op("Mul", deltas, writer.floats(_VARIANCES))
    dy, dx, dh, dw = _columns(writer, scaled)
    left, top, right, bottom = _columns(writer, priors)
    half = writer.floats(0.5)
    edges = []
    for low, high, shift, growth in ((left, right, dx, dw), (top, bottom, dy, dh)):
        length = writer.op("Sub", high, low)
        middle = writer.op("Add", low, writer.op("Mul", length, half))
        centre = writer.op("Add", writer.op("Mul", shift, length), middle)
        reach = writer.op("Mul", writer.op("Mul", writer.op("Exp", growth), length), half)
        edges.append((writer.op("Sub", centre, reach), writer.op("Add", centre, reach)))
    (x1, x2), (y1, y2) = edges
    return _within(writer, writer.op("Concat", x1, y1, x2, y2, axis=-1))


def add_suppression(
    writer: GraphWriter, boxes: str, scores: str, *, iou: float, score: float, most: int
) -> tuple[str, str]:
    """Add non-maximum suppression in every group by itself: which group, and which box of it, were kept.

    ``boxes``: (groups, N, 4), ``scores``: (groups, N). Kept are scores above ``score``, ``most`` a group.
    """
    kept = writer.op(
        "NonMaxSuppression",
        boxes,
        writer.op("Unsqueeze", scores, writer.integers([1])),
        writer.integers(most),
        writer.floats(iou),
        writer.floats(score),
    )
    return (
        writer.op("Gather", kept, writer.integers(0), axis=1),
        writer.op("Gather", kept, writer.integers(2), axis=1),
    )


def add_best(writer: GraphWriter, scores: str, most: int) -> tuple[str, str]:
    """Add the ``most`` best of ``scores`` (N,), or all where there are fewer, best first: values and places."""
    count = writer.op("Min", writer.op("Shape", scores), writer.integers([most]))
    best, places = writer.ops("TopK", scores, count, outputs=(f"{scores}/best", f"{scores}/places"))
    return best, places


def add_crops(writer: GraphWriter, features: Features, boxes: str) -> Features:
    """Add crops (N, C, 7, 7) of ``features`` (1, C, h, w) at ``boxes`` (N, 4).

    TensorFlow's crop_and_resize samples at 14 places a side, the first and the last on the box's edges, in a picture
    whose pixels are points from 0 to h - 1; then the greatest of 2x2 is taken. RoiAlign samples once in the middle
    of each of its bins, so its regions are wider by half the distance of two samples, and by the half pixel that it
    takes off.
    """
    shape = writer.op("Slice", writer.op("Shape", features.name), writer.integers([2]), writer.integers([4]))
    last = writer.op("Sub", writer.op("Cast", shape, to=1), writer.floats(1))  # rows, columns
    ends = writer.op("Gather", last, writer.integers([1, 0, 1, 0]))
    sampled = writer.op("Mul", boxes, ends)
    # x1 - (x2 - x1)/26 and so on, as one product with a constant matrix
    wider = [[0.0] * 4 for _ in range(4)]
    for corner in range(4):
        wider[corner][corner] = 1 + 0.5 / (_CROP - 1)
        wider[(corner + 2) % 4][corner] = -0.5 / (_CROP - 1)
    regions = writer.op("Add", writer.op("MatMul", sampled, writer.floats(wider)), writer.floats(0.5))
    count = writer.op("Slice", writer.op("Shape", boxes), writer.integers([0]), writer.integers([1]))
    picture = writer.op("Expand", writer.integers([0]), count)
    crops = writer.op(
        "RoiAlign",
        features.name,
        regions,
        picture,
        coordinate_transformation_mode="half_pixel",
        mode="avg",
        output_height=_CROP,
        output_width=_CROP,
        sampling_ratio=1,
        spatial_scale=1.0,
    )
    return Features(writer.op("MaxPool", crops, kernel_shape=[2, 2], strides=[2, 2]), features.width)


def _columns(writer: GraphWriter, boxes: str) -> tuple[str, ...]:
    names = tuple(f"{boxes}/column_{number}" for number in range(4))
    return writer.ops("Split", boxes, outputs=names, axis=-1)


def _stacked(writer: GraphWriter, *columns: str) -> str:
    last = writer.integers([1])
    return writer.op("Concat", *(writer.op("Unsqueeze", column, last) for column in columns), axis=1)


def _within(writer: GraphWriter, boxes: str) -> str:
    return writer.op("Clip", boxes, writer.floats(0), writer.floats(1))

"""Each part of the imported network beside a plain restatement of what OpenCV's layer computes."""

import math

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from maskweave.models.importing import detections, mask_head
from maskweave.models.importing.frozen_graph import read_frozen_graph
from maskweave.models.importing.graph_writer import Features, GraphWriter
from tests.models.classic import BOXES, write_frozen


def run(writer, outputs, **inputs):
    """Values of tensors of a graph."""
    kinds = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64}
    given = [
        helper.make_tensor_value_info(name, kinds[value.dtype.name], value.shape)
        for name, value in inputs.items()
    ]
    asked = [helper.make_empty_tensor_value_info(name) for name in outputs]
    model = writer.model("part", given, asked, {})
    return onnxruntime.InferenceSession(model.SerializeToString()).run(list(outputs), inputs)


def random_boxes(count, random):
    corners = np.sort(random.uniform(-0.1, 1.1, (count, 2, 2)), axis=1).reshape(count, 4)
    return np.clip(corners, 0, 1).astype(np.float32)


def crop_by_loops(features, box):
    """OpenCV's crop_and_resize_layer.cpp: 14x14 samples, the outer ones on the box's edges."""
    channels, height, width = features.shape
    crop = np.zeros((channels, 14, 14), np.float32)
    for row in range(14):
        y = box[1] * (height - 1) + row * (box[3] - box[1]) * (height - 1) / 13
        for column in range(14):
            x = box[0] * (width - 1) + column * (box[2] - box[0]) * (width - 1) / 13
            y0, x0 = min(int(y), height - 1), min(int(x), width - 1)
            y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
            upper = features[:, y0, x0] * (1 - (x - x0)) + features[:, y0, x1] * (x - x0)
            lower = features[:, y1, x0] * (1 - (x - x0)) + features[:, y1, x1] * (x - x0)
            crop[:, row, column] = upper * (1 - (y - y0)) + lower * (y - y0)
    return crop


@pytest.mark.parametrize("size", [(7, 11), (1, 5), (1, 1), (30, 2)])
def test_crops(size):
    random = np.random.default_rng(0)
    features = random.normal(0, 1, (1, 3, *size)).astype(np.float32)
    edges = [[0, 0, 1, 1], [0, 0, 0, 0], [1, 1, 1, 1], [0.3, 0.2, 0.3, 0.9]]
    boxes = np.concatenate([np.array(edges, np.float32), random_boxes(6, random)])
    writer = GraphWriter()
    (found,) = run(writer, [detections.add_crops(writer, Features("f", 3), "b").name], f=features, b=boxes)
    expected = [crop_by_loops(features[0], box).reshape(3, 7, 2, 7, 2).max((2, 4)) for box in boxes]
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_anchors():
    """Widths and heights as the text graph lists them, at every 16th pixel, cut at the edges."""
    tall = 90.5096664429
    widths = [tall / 2, tall, 2 * tall, 4 * tall, 64, 128, 256, 512, tall, 2 * tall, 4 * tall, 8 * tall]
    heights = [tall, 2 * tall, 4 * tall, 8 * tall, 64, 128, 256, 512, tall / 2, tall, 2 * tall, 4 * tall]
    rows, columns, height, width = 3, 5, 40, 75
    expected = [
        [
            np.clip((16 * column - widths[kind] / 2) / width, 0, 1),
            np.clip((16 * row - heights[kind] / 2) / height, 0, 1),
            np.clip((16 * column + widths[kind] / 2) / width, 0, 1),
            np.clip((16 * row + heights[kind] / 2) / height, 0, 1),
        ]
        for row in range(rows)
        for column in range(columns)
        for kind in range(12)
    ]
    writer = GraphWriter()
    size = (writer.floats(height), writer.floats(width))
    name = detections.add_anchors(writer, "numbers", writer.integers(columns), size)
    (found,) = run(writer, [name], numbers=np.arange(rows * columns * 12))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_box_coder():
    """faster_rcnn_box_coder.py: shifts in lengths of the prior, growth as a logarithm; y before x."""
    random = np.random.default_rng(1)
    deltas = random.normal(0, 3, (2, 5, 4)).astype(np.float32)
    priors = random_boxes(5, random)
    writer = GraphWriter()
    (found,) = run(writer, [detections.add_decoded(writer, "d", "p")], d=deltas, p=priors)
    for group, index in np.ndindex(2, 5):
        dy, dx, dh, dw = (float(each) for each in deltas[group, index])
        x1, y1, x2, y2 = (float(each) for each in priors[index])
        x, y = (x1 + x2) / 2 + dx / 10 * (x2 - x1), (y1 + y2) / 2 + dy / 10 * (y2 - y1)
        w, h = math.exp(dw / 5) * (x2 - x1), math.exp(dh / 5) * (y2 - y1)
        expected = np.clip([x - w / 2, y - h / 2, x + w / 2, y + h / 2], 0, 1)
        np.testing.assert_allclose(found[group, index], expected, atol=1e-5)


def suppressed(boxes, scores, iou, score, most):
    """Greedy suppression, restated: places of the boxes kept, best first."""
    kept = []
    for place in np.argsort(-scores, kind="stable"):
        if scores[place] <= score or len(kept) == most:
            break
        if all(overlap(boxes[place], boxes[other]) <= iou for other in kept):
            kept.append(int(place))
    return kept


def overlap(one, other):
    common = np.prod(np.clip(np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2]), 0, None))
    return common / (np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]) - common)


def test_suppression_keeps_groups_apart():
    random = np.random.default_rng(2)
    boxes = random_boxes(120, random).reshape(3, 40, 4)
    scores = random.uniform(0, 1, (3, 40)).astype(np.float32)
    writer = GraphWriter()
    names = detections.add_suppression(writer, "b", "s", iou=0.3, score=0.25, max_count=8)
    groups, places = run(writer, names, b=boxes, s=scores)
    for group in range(3):
        expected = suppressed(boxes[group], scores[group], 0.3, 0.25, 8)
        assert sorted(places[groups == group]) == sorted(expected)
    assert 0 < len(groups) <= 24


def test_best():
    scores = np.array([0.2, 0.9, 0.5], np.float32)
    for most, expected in ((2, [1, 2]), (3, [1, 2, 0]), (9, [1, 2, 0])):
        writer = GraphWriter()
        values, places = run(writer, detections.add_best(writer, "s", most), s=scores)
        assert places.tolist() == expected
        np.testing.assert_array_equal(values, scores[expected])


def test_mask_head_equals_the_published_order_of_steps(tmp_path):
    """Enlarge to 15x15, convolve, ReLU, a mask for every class; then take each object's own."""
    random = np.random.default_rng(3)
    channels, depth, classes, count = 5, 6, 4, 3
    weights = {
        f"{BOXES}/Conv/weights": random.normal(0, 1, (3, 3, channels, depth)).astype(np.float32),
        f"{BOXES}/Conv/biases": random.normal(0, 1, depth).astype(np.float32),
        f"{BOXES}/Conv_1/weights": random.normal(0, 1, (1, 1, depth, classes)).astype(np.float32),
        f"{BOXES}/Conv_1/biases": random.normal(0, 1, classes).astype(np.float32),
    }
    features = random.normal(0, 1, (count, channels, 4, 4)).astype(np.float32)
    labels = np.array([3, 0, 3])
    frozen = read_frozen_graph(write_frozen(weights, tmp_path / "head.pb"))
    writer = GraphWriter()
    seen = Features("features", channels)
    mask_head.add_masks(writer, frozen, seen, "labels", classes=classes, name="masks")
    (found,) = run(writer, ["masks"], features=features, labels=labels)
    expected = [
        masks_by_steps(each, *weights.values())[label] for each, label in zip(features, labels, strict=True)
    ]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def masks_by_steps(features, kernel, biases, last, last_biases):
    """(classes, 15, 15) probabilities."""
    large = np.zeros((len(features), 15, 15))
    for row, column in np.ndindex(15, 15):
        y, x = row * 3 / 14, column * 3 / 14
        y0, x0 = min(int(y), 2), min(int(x), 2)
        cell = features[:, y0 : y0 + 2, x0 : x0 + 2]
        large[:, row, column] = np.einsum("cyx,y,x->c", cell, [y0 + 1 - y, y - y0], [x0 + 1 - x, x - x0])
    padded = np.pad(large, ((0, 0), (1, 1), (1, 1)))
    hidden = np.zeros((kernel.shape[3], 15, 15))
    for row, column in np.ndindex(15, 15):
        window = padded[:, row : row + 3, column : column + 3]
        hidden[:, row, column] = np.einsum("cyx,yxcd->d", window, kernel) + biases
    logits = np.einsum("dyx,dk->kyx", np.maximum(hidden, 0), last[0, 0]) + last_biases[:, None, None]
    return 1 / (1 + np.exp(-logits))

"""What a compact network answers when it sees given objects: its output contract, restated apart from the decoder."""

from __future__ import annotations

import numpy as np

STRIDES = (8, 16, 32, 64)
BINS, HIDDEN = 8, 8


def point_table(size):
    """(P, 3) x, y and stride of every point of an input of (height, width)."""
    rows = [
        (column * stride, row * stride, stride)
        for stride in STRIDES
        for row in range(-(-size[0] // stride))
        for column in range(-(-size[1] // stride))
    ]
    return np.array(rows, dtype=float)


def distance_logits(strides):
    """(4 * BINS,) logits whose four distributions have these means, each split between the two nearest bins."""
    nearness = 1 - np.abs(np.arange(BINS) - np.asarray(strides, float)[:, None])
    return np.log(np.maximum(nearness, 0) + 1e-30).ravel().astype(np.float32)


def linear_kernel(weights, bias=0.0):
    """(K,) numbers of a mask network whose logit is weights . (prototypes, x, y) + bias.

    Two hidden units carry the value and its opposite, since a ReLU passes only what is positive.
    """
    weights = np.asarray(weights, np.float32)
    first, second, last = np.zeros((HIDDEN, len(weights))), np.eye(HIDDEN), np.zeros(HIDDEN)
    first[0], first[1] = weights, -weights
    last[:2] = 1, -1
    biases = [bias, -bias, *np.zeros(HIDDEN - 2)]
    parts = (first.ravel(), biases, second.ravel(), np.zeros(HIDDEN), last, [0.0])
    return np.concatenate(parts).astype(np.float32)


def prototype_kernel(index, count):
    """(K,) numbers of a mask network whose logit is one of `count` prototypes, wherever the box is."""
    return linear_kernel(np.eye(count + 2)[index])


def compact_outputs(boxes, scores, prototypes, kernels=None, *, size):
    """Outputs of a network that sees each box at a point of its own, and nothing elsewhere.

    ``boxes``: (N, 4) xyxy in input pixels, each around some point. ``scores``: (N, C). ``prototypes``: (M, h, w).
    ``kernels``: (N, K); object `i` takes prototype `i` without them. ``size``: (height, width) of the input.
    """
    boxes, scores = np.asarray(boxes, float).reshape(-1, 4), np.asarray(scores, np.float32)
    prototypes = np.asarray(prototypes, np.float32)
    if kernels is None:
        kernels = [prototype_kernel(index, len(prototypes)) for index in range(len(boxes))]
    table = point_table(size)
    length = len(linear_kernel(np.zeros(len(prototypes) + 2)))
    outputs = {
        "scores": np.zeros((1, scores.shape[1], len(table)), np.float32),
        "distances": np.zeros((1, 4 * BINS, len(table)), np.float32),
        "kernels": np.zeros((1, length, len(table)), np.float32),
        "prototypes": prototypes[None],
    }
    for point, box, score, kernel in zip(points_of(boxes, size), boxes, scores, kernels, strict=True):
        outputs["scores"][0, :, point] = score
        outputs["distances"][0, :, point] = distance_logits(_strides_to(box, table[point]))
        outputs["kernels"][0, :, point] = kernel
    return outputs


def points_of(boxes, size):
    """For each box a point that can say it, none twice: one inside it from which no side is over 7 strides away."""
    table, taken = point_table(size), []
    for box in np.asarray(boxes, float).reshape(-1, 4):
        strides = np.array([_strides_to(box, point) for point in table])
        able = np.flatnonzero(((strides >= 0) & (strides <= BINS - 1)).all(axis=1))
        free = [point for point in able.tolist() if point not in taken]
        assert free, f"no point of an input of {size} can say the box {box}"
        taken.append(free[0])
    return taken


def _strides_to(box, point):
    x, y, stride = point
    x1, y1, x2, y2 = box
    return np.array([x - x1, y - y1, x2 - x, y2 - y]) / stride

"""The segmentation layouts of YOLO v8, v11 and v26: boxes with mask coefficients, and prototypes once.

Input ``images`` (1, 3, H, W): RGB / 255, the image scaled bilinearly to fit, in the middle of gray 114. Output
``output1`` (1, K, h, w): K prototypes, usually 32 of a quarter of the input's size. Output ``output0`` is one of two:

- (1, 4 + C + K, N), v8 and v11: for each of N points center x, center y, width, height in input pixels, C scores in
  0..1 and K coefficients. Only the best class of a point counts; doubles of a class are suppressed above 0.7.
- (1, M, 6 + K), v26, and earlier ones exported with suppression: for each of M detections x1, y1, x2, y2 in input
  pixels, score, class and K coefficients, rows of low score after the last one. Nothing is suppressed.

A mask is where the sum of its coefficients times the prototypes, interpolated, is above 0, inside its box. Class
names are in the metadata ``names``, a dictionary in Python's notation. The layout of v5, (1, N, 5 + C + K), is
refused.

Only the layout is read here; the weights that the makers publish are under the AGPL.
Sources: https://docs.ultralytics.com/modes/export/, https://docs.ultralytics.com/tasks/segment/; prototype masks:
YOLACT, https://arxiv.org/abs/1904.02689.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence

import numpy as np

from maskweave.errors import EngineError, UnknownLayout
from maskweave.models._canvas import CanvasDetections, canvas_instances
from maskweave.models._labels import LabelSpace, names_of
from maskweave.models._network_input import (
    MAX_SIDE,
    MIN_SIDE,
    NetworkInput,
    OneInputModel,
    network_input,
    takes_one_image,
)
from maskweave.models._outputs import first_image, seen
from maskweave.ops.boxes import check_nms_iou, corners_of, non_maximum_suppression, usable_boxes
from maskweave.ops.coco_names import COCO_NAMES
from maskweave.ops.letterbox import Letterbox
from maskweave.ops.preprocessing import Preprocessing
from maskweave.runtimes.base import Runtime, RuntimeInfo, Tensors
from maskweave.types.arrays import Array, FloatArray
from maskweave.types.instances import Instances

PREPROCESSING = Preprocessing(resize="letterbox")
_RANKS = {"output0": 3, "output1": 4}
_USUAL_SIZE = 640
_CANDIDATES = 1000  # points that enter suppression, best first
_OBJECTS = 300  # reported at most
_MAX_METADATA = 200_000  # characters; a literal is read by a recursive parser


def recognize(info: RuntimeInfo) -> str | None:
    """Say why the network is of this family, or None when it is not."""
    if not takes_one_image(info, batched=True) or info.metadata.get("task", "segment") != "segment":
        return None
    shapes = {tensor.name: tensor.shape for tensor in info.outputs}
    if any(len(shapes.get(name, ())) != rank for name, rank in _RANKS.items()):
        return None
    (_, rows, columns), prototypes = shapes["output0"], shapes["output1"][1]
    if columns is not None and prototypes is not None and columns == 6 + prototypes:
        return "it gives output0 (1, M, 6 + K) and prototypes output1 (1, K, h, w), as YOLO v26 does"
    if rows is not None and columns is not None and rows > columns and "names" not in info.metadata:
        return None  # points in rows: v5
    return "it gives output0 (1, 4 + C + K, N) and prototypes output1 (1, K, h, w), as YOLO v8 and v11 do"


def build(
    runtime: Runtime,
    *,
    name: str,
    class_names: Sequence[str] | None = None,
    size: int | None = None,
    nms_iou: float = 0.7,
    preprocessing: Preprocessing = PREPROCESSING,
) -> YOLOSeg:
    """Make a model from a loaded network.

    ``class_names``: of classes 0, 1, …, "" for one never reported; None takes what the metadata say, then COCO's 80
    where there are 80, or, with a warning, where the layout does not tell how many. ``size``: the long side of an
    input that is not fixed; None takes ``imgsz`` of the metadata, else 640. ``nms_iou``: larger overlaps within a
    class are suppressed.

    Raises `UnknownLayout` for another input or number of classes, `InvalidValue` for a size or an overlap that cannot
    be.
    """
    info = runtime.describe()
    names = names_of(
        name,
        given=class_names,
        in_file=_names_in_metadata(name, info.metadata),
        documented=COCO_NAMES,
        count=_classes_of(info),
    )
    fed = network_input(name, info, preprocessing, size=size, usual=_trained_size(info.metadata))
    return YOLOSeg(runtime, name=name, labels=LabelSpace.of(names), fed=fed, nms_iou=check_nms_iou(nms_iou))


class YOLOSeg(OneInputModel):
    """A loaded YOLO segmentation network; see the module for its contract."""

    def __init__(
        self, runtime: Runtime, *, name: str, labels: LabelSpace, fed: NetworkInput, nms_iou: float
    ) -> None:
        super().__init__(runtime, name=name, class_names=labels.class_names, fed=fed, default_score=0.25)
        self.labels = labels
        self.nms_iou = nms_iou

    def decode(self, outputs: Tensors, letterbox: Letterbox, *, score: float) -> Instances:
        """Keep detections of at least ``score``, suppress doubles where the layout has any, and cut out the masks."""
        rows, prototypes = first_image(self.name, outputs, _RANKS)
        channels = len(prototypes)
        if prototypes.size and rows.shape[1] == 6 + channels:
            boxes, scores, labels, coefficients = _ended(rows, score)
        elif prototypes.size and rows.shape[0] == 4 + len(self.labels.classes) + channels:
            boxes, scores, labels, coefficients = self._suppressed(rows, channels, score)
        else:
            raise EngineError(
                f"{self.name}: need output0 (1, {4 + len(self.labels.classes) + channels}, N) or "
                f"(1, M, {6 + channels}) for {len(self.labels.classes)} classes, got {seen(outputs)}"
            )
        with np.errstate(invalid="ignore", over="ignore"):  # a mask of NaN has no pixel
            masks = np.tensordot(coefficients, prototypes.astype(np.float32), axes=1)
        detections = CanvasDetections(boxes, scores, self.labels.look_up(labels, model=self.name), masks)
        return canvas_instances(detections, letterbox, self.class_names, threshold=0.0, cut=True)

    def _suppressed(
        self, points: FloatArray, channels: int, score: float
    ) -> tuple[FloatArray, FloatArray, Array, FloatArray]:
        """Boxes, scores, labels and coefficients of the (4 + C + K, N) layout, best first."""
        class_scores = points[4:-channels]
        labels = class_scores.argmax(axis=0)
        best = class_scores[labels, np.arange(len(labels))]
        boxes = corners_of(points[:4].T)
        kept = np.flatnonzero(usable_boxes(boxes, best) & (best >= score))
        kept = kept[np.argsort(-best[kept], kind="stable")][:_CANDIDATES]
        kept = kept[non_maximum_suppression(boxes[kept], best[kept], labels[kept], iou=self.nms_iou)]
        kept = kept[:_OBJECTS]
        return boxes[kept], best[kept], labels[kept], points[-channels:, kept].T.astype(np.float32)


def _ended(rows: FloatArray, score: float) -> tuple[FloatArray, FloatArray, Array, FloatArray]:
    """Boxes, scores, labels and coefficients of the (M, 6 + K) layout."""
    kept = (rows[:, 4] >= score) & (rows[:, 4] > 0) & np.isfinite(rows[:, 5])  # rows of zeros fill up
    rows = rows[kept].astype(np.float32)
    labels = np.clip(rows[:, 5], -1, 1e9).astype(np.int64)
    return rows[:, :4], rows[:, 4], labels, rows[:, 6:]


def _classes_of(info: RuntimeInfo) -> int | None:
    """The number of classes that the tensors show; None where they do not."""
    shapes = {tensor.name: tensor.shape for tensor in info.outputs}
    points, prototypes = shapes.get("output0", ()), shapes.get("output1", ())
    if len(points) != 3 or len(prototypes) != 4 or points[1] is None or prototypes[1] is None:
        return None
    return None if points[2] == 6 + prototypes[1] else points[1] - 4 - prototypes[1]


def _trained_size(metadata: Mapping[str, str]) -> int:
    """The long side in the metadata ``imgsz``, "[480, 640]", or what is usual."""
    sides = [int(side) for side in re.findall(r"\d+", metadata.get("imgsz", ""))]
    return max(sides) if sides and MIN_SIDE <= max(sides) <= MAX_SIDE else _USUAL_SIZE


def _names_in_metadata(name: str, metadata: Mapping[str, str]) -> tuple[str, ...] | None:
    """The names in the metadata, a literal {0: 'person', …} or a list; nothing in it is run."""
    text = metadata.get("names")
    if text is None:
        return None
    try:
        found = ast.literal_eval(text) if len(text) <= _MAX_METADATA else None
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        found = None
    table = dict(enumerate(found)) if isinstance(found, list | tuple) else found
    if (
        not isinstance(table, dict)
        or not table
        or sorted(map(str, table)) != sorted(map(str, range(len(table))))
        or not all(isinstance(label, int) and isinstance(each, str) for label, each in table.items())
    ):
        raise UnknownLayout(
            f"{name}: need names in its metadata to be {{0: 'first', 1: 'second', …}}, got {text[:60]!r}; "
            "give class_names"
        )
    return tuple(table[label] for label in range(len(table)))

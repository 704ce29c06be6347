"""How each family of instance models lays images out and answers, restated apart from the code that is tested."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from maskweave.models import (
    compact,
    dfine_seg,
    mask_rcnn_onnx,
    mask_rcnn_tf,
    rfdetr_seg,
    rtmdet_ins,
    torchvision_mask_rcnn,
    yolo_seg,
)
from maskweave.models.mask_rcnn_tf import Resize
from maskweave.runtimes.base import TensorSpec
from tests.models.compact_outputs import compact_outputs
from tests.runtimes.fake import FakeRuntime

NAMES = ("cat", "dog")
CLASS, SCORE = 1, 0.9  # what every network answers: a dog


@dataclass(frozen=True)
class Convention:
    """One layout.

    - ``build``: (height, width) of the input -> a model whose network is never run.
    - ``answer``: box x1 y1 x2 y2 in input pixels, (height, width) of the input -> the network's outputs for a dog
      that fills the box.
    - ``resize``: "squash", "center", "corner" or "none".
    - ``objects``: along which axis of which outputs the objects are numbered; none where there are always as many.
    - ``cell``: input pixels for each cell of its masks.
    """

    build: Callable
    answer: Callable
    resize: str
    objects: dict[str, int]
    cell: int = 4


def placed(source, canvas, resize):
    """(top, left, height, width) in the input that the image covers."""
    if resize == "none":
        return 0, 0, *source
    if resize == "squash":
        return 0, 0, *canvas
    scale = min(canvas[0] / source[0], canvas[1] / source[1])
    height, width = (max(1, round(side * scale)) for side in source)
    if resize == "corner":
        return 0, 0, height, width
    return (canvas[0] - height) // 2, (canvas[1] - width) // 2, height, width


def ramp(box, canvas, cell):
    """(h, w) of how many cells the center of each cell lies inside the box: linear near its edges, at most 2."""
    x1, y1, x2, y2 = box
    y, x = ((np.arange(side // cell) + 0.5) * cell for side in canvas)
    inside = np.minimum(np.minimum(x - x1, x2 - x)[None], np.minimum(y - y1, y2 - y)[:, None])
    return np.clip(inside / cell, -2, 2).astype(np.float32)


def cut(box, canvas):
    """A box and the (h, w) field of a mask that make the object together, of cells of 4 pixels.

    The box reaches further right than the object, and the mask further left, up and down. An object of few cells
    across is cut by the box alone.
    """
    x1, _, x2, _ = box
    if x2 - x1 < 32:
        return np.asarray(box), ramp((-9999, -9999, 9999, 9999), canvas, 4)
    return np.add(box, (0, 0, 12, 0)), ramp((x1 - 99, -9999, x2, 9999), canvas, 4)


def image(shape, name, dtype="float32"):
    return (TensorSpec(name, shape, dtype),)


def outputs(**shapes):
    dtype = {"labels": "int64"}
    return tuple(TensorSpec(name, shape, dtype.get(name, "float32")) for name, shape in shapes.items())


def centered(box):
    x1, y1, x2, y2 = box
    return np.array([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1])


def _compact_free(canvas, inputs=()):
    metadata = {
        "maskweave.family": "compact",
        "maskweave.class_names": json.dumps(NAMES),
        "maskweave.size": str(max(canvas)),
    }
    runtime = FakeRuntime(
        dict.fromkeys(("scores", "distances", "kernels", "prototypes"), np.zeros(1)),
        inputs=inputs,
        metadata=metadata,
    )
    return compact.build(runtime, name="compact")


def _compact_fixed(canvas):
    return _compact_free(canvas, image((1, *canvas, 3), "image", "uint8"))


def _compact_answer(box, canvas):
    box, field = cut(box, canvas)
    return compact_outputs([box], [[0.1, SCORE]], field[None], size=canvas)


def _in_box(box, sides):
    """A box twice as wide as the object and the grid of ``sides`` cells whose left half it fills."""
    x1, y1, x2, y2 = box
    columns = np.clip(0.5 + 0.2 * (sides / 2 - np.arange(sides) - 0.5), 0, 1)
    return np.array([x1, y1, 2 * x2 - x1, y2]), np.tile(columns, (sides, 1)).astype(np.float32)


def _zoo(canvas):
    return mask_rcnn_onnx.build(
        FakeRuntime({}, inputs=image((3, *canvas), "image")), name="zoo", class_names=NAMES
    )


def _zoo_answer(box, canvas):
    box, grid = _in_box(box, 28)
    return {
        "6568": (box - (0, 0, 1, 1))[None].astype(np.float32),
        "6570": np.array([CLASS + 1], np.int64),
        "6572": np.array([SCORE], np.float32),
        "6887": grid[None, None],
    }


def _classic(canvas):
    runtime = FakeRuntime(dict.fromkeys(("detection_out_final", "detection_masks"), np.zeros(1)))
    resize = Resize(keep_aspect=False, short=canvas[0], max_side=canvas[0])
    return mask_rcnn_tf.build(runtime, name="classic", class_names=NAMES, resize=resize)


def _classic_answer(box, canvas):
    box, grid = _in_box(box, 15)
    share = box / np.array([canvas[1], canvas[0]] * 2)
    row = np.array([0, CLASS, SCORE, *share], np.float32)
    masks = np.zeros((1, 2, 15, 15), np.float32)
    masks[0, CLASS] = grid
    return {"detection_out_final": row[None, None, None], "detection_masks": masks}


def _rfdetr(canvas):
    grid = (canvas[0] // 4, canvas[1] // 4)
    shapes = {"dets": (1, 3, 4), "labels": (1, 3, 2), "masks": (1, 3, *grid)}
    shapes = tuple(TensorSpec(name, shape, "float32") for name, shape in shapes.items())
    runtime = FakeRuntime({}, inputs=image((1, 3, *canvas), "input"), outputs=shapes)
    return rfdetr_seg.build(runtime, name="rfdetr", class_names=NAMES)


def _rfdetr_answer(box, canvas):
    dets = np.zeros((1, 3, 4), np.float32)
    logits = np.full((1, 3, 2), -9, np.float32)
    masks = np.full((1, 3, canvas[0] // 4, canvas[1] // 4), -9, np.float32)
    dets[0, 1] = centered(box) / [canvas[1], canvas[0], canvas[1], canvas[0]]
    logits[0, 1, CLASS] = np.log(SCORE / (1 - SCORE))
    masks[0, 1] = ramp(box, canvas, 4)
    return {"dets": dets, "labels": logits, "masks": masks}


def _rtmdet(canvas):
    shapes = outputs(dets=(1, None, 5), labels=(1, None), masks=(1, None, *canvas))
    runtime = FakeRuntime({}, inputs=image((1, 3, *canvas), "input"), outputs=shapes)
    return rtmdet_ins.build(runtime, name="rtmdet", class_names=NAMES)


def _rtmdet_free(canvas):
    shapes = outputs(dets=(1, None, 5), labels=(1, None), masks=(1, None, None, None))
    runtime = FakeRuntime({}, inputs=image((None, 3, None, None), "input"), outputs=shapes)
    return rtmdet_ins.build(runtime, name="rtmdet", class_names=NAMES, size=max(canvas))


def _rtmdet_answer(box, canvas):
    return {
        "dets": np.array([[[*box, SCORE], [0, 0, 0, 0, 0]]], np.float32),
        "labels": np.array([[CLASS, -1]]),
        "masks": np.stack([0.5 + 0.25 * ramp(box, canvas, 1), np.zeros(canvas, np.float32)])[None],
    }


def _dfine(canvas):
    shapes = outputs(
        labels=(1, 2), boxes=(1, 2, 4), scores=(1, 2), masks=(1, 2, canvas[0] // 4, canvas[1] // 4)
    )
    runtime = FakeRuntime({}, inputs=image((1, 3, *canvas), "input"), outputs=shapes)
    return dfine_seg.build(runtime, name="dfine", class_names=NAMES)


def _dfine_answer(box, canvas):
    """Boxes are rounded outwards and held to the last pixel by the export itself."""
    held = np.clip([*np.floor(box[:2]), *np.ceil(box[2:])], 0, np.array([canvas[1], canvas[0]] * 2) - 1)
    mask = 0.5 + 0.25 * ramp(box, canvas, 4)
    return {
        "labels": np.array([[CLASS, 0]]),
        "boxes": np.stack([held, held])[None].astype(np.float32),
        "scores": np.array([[SCORE, 0.6]], np.float32),  # the same query's second class
        "masks": np.stack([mask, mask])[None],
    }


def _yolo(canvas, rows=(1, 4 + 2 + 3, 84)):
    shapes = outputs(output0=rows, output1=(1, 3, canvas[0] // 4, canvas[1] // 4))
    runtime = FakeRuntime(
        {},
        inputs=image((1, 3, *canvas), "images"),
        outputs=shapes,
        metadata={"names": "{0: 'cat', 1: 'dog'}"},
    )
    return yolo_seg.build(runtime, name="yolo")


def _yolo_free(canvas):
    shapes = outputs(output0=(1, 4 + 2 + 3, None), output1=(1, 3, None, None))
    runtime = FakeRuntime({}, inputs=image((None, 3, None, None), "images"), outputs=shapes)
    return yolo_seg.build(runtime, name="yolo", class_names=NAMES, size=max(canvas))


def _prototypes(field):
    """Three, of which the second less the third is the object."""
    return np.stack([np.ones_like(field), 2 * field, field])[None], np.array([0, 1, -1])


def _yolo_answer(box, canvas):
    box, field = cut(box, canvas)
    prototypes, coefficients = _prototypes(field)
    points = np.zeros((1, 4 + 2 + 3, 84), np.float32)
    points[0, :, 7] = [*centered(box), 0.2, SCORE, *coefficients]
    points[0, :, 8] = [*centered(box) * (1, 1, 1.1, 1), 0.2, SCORE - 0.1, *coefficients]  # its double
    return {"output0": points, "output1": prototypes}


def _yolo_ended(canvas):
    return _yolo(canvas, rows=(1, 300, 6 + 3))


def _yolo_ended_answer(box, canvas):
    box, field = cut(box, canvas)
    prototypes, coefficients = _prototypes(field)
    rows = np.zeros((1, 300, 6 + 3), np.float32)
    rows[0, 0] = [*box, SCORE, CLASS, *coefficients]
    return {"output0": rows, "output1": prototypes}


def _torchvision(canvas):
    runtime = FakeRuntime({}, inputs=image((3, None, None), "image"))
    return torchvision_mask_rcnn.build(runtime, name="torchvision", class_names=NAMES)


def _torchvision_fixed(canvas):
    runtime = FakeRuntime({}, inputs=image((1, 3, *canvas), "image"))
    return torchvision_mask_rcnn.build(runtime, name="torchvision", class_names=NAMES)


def _torchvision_answer(box, canvas):
    return {
        "a": np.asarray(box, np.float32)[None],
        "b": np.array([CLASS + 1], np.int64),
        "c": np.array([SCORE], np.float32),
        "d": (0.5 + 0.25 * ramp(box, canvas, 1))[None, None],
    }


CONVENTIONS = {
    "compact": Convention(_compact_free, _compact_answer, "squash", {}),
    "compact fixed": Convention(_compact_fixed, _compact_answer, "corner", {}),
    "mask_rcnn_onnx": Convention(_zoo, _zoo_answer, "corner", {"6568": 0, "6570": 0, "6572": 0, "6887": 0}),
    "mask_rcnn_tf": Convention(
        _classic, _classic_answer, "squash", {"detection_out_final": 2, "detection_masks": 0}
    ),
    "rfdetr_seg": Convention(_rfdetr, _rfdetr_answer, "squash", {"dets": 1, "labels": 1, "masks": 1}),
    "rtmdet_ins": Convention(_rtmdet, _rtmdet_answer, "corner", {"dets": 1, "labels": 1, "masks": 1}, cell=1),
    "rtmdet_ins free": Convention(
        _rtmdet_free, _rtmdet_answer, "corner", {"dets": 1, "labels": 1, "masks": 1}, cell=1
    ),
    "dfine_seg": Convention(
        _dfine, _dfine_answer, "squash", {"labels": 1, "boxes": 1, "scores": 1, "masks": 1}
    ),
    "yolo_seg": Convention(_yolo, _yolo_answer, "center", {"output0": 2}),
    "yolo_seg free": Convention(_yolo_free, _yolo_answer, "center", {"output0": 2}),
    "yolo_seg v26": Convention(_yolo_ended, _yolo_ended_answer, "center", {"output0": 1}),
    "torchvision_mask_rcnn": Convention(
        _torchvision, _torchvision_answer, "none", {"a": 0, "b": 0, "c": 0, "d": 0}, cell=1
    ),
    "torchvision_mask_rcnn fixed": Convention(
        _torchvision_fixed, _torchvision_answer, "corner", {"a": 0, "b": 0, "c": 0, "d": 0}, cell=1
    ),
}
"""A row for each family, or for each of its layouts: "family layout"."""

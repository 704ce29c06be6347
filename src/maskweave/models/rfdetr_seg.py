"""RF-DETR-Seg: a transformer whose queries each give a box, a logit for every class, and a mask of the whole image.

Input ``input`` (1, 3, S, S): RGB / 255 less ImageNet's means by its deviations, the image squashed bilinearly
between pixel centers, not averaged. Outputs: ``dets`` (1, Q, 4), center x, center y, width, height in 0..1 of the
input; ``labels`` (1, Q, C) logits, each class by itself under a sigmoid, of which the best Q of all Q x C pairs
count; and one output of four axes, called ``masks`` or, in older exports, by a number: (1, Q, S/4, S/4) logits of the
whole image, an object where the interpolated value is above 0. Masks are not cut to their boxes.

Networks trained on COCO have 91 outputs, one for each category id from 0, with gaps. Networks trained on n classes of
one's own have n + 1, of which the last was never trained. Newer exports name their classes in the metadata
``rfdetr_inference``. Source: https://github.com/roboflow/rf-detr, ``export`` and ``models/postprocess.py``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np

from maskweave.errors import EngineError, UnknownLayout
from maskweave.models._canvas import CanvasDetections, canvas_instances
from maskweave.models._labels import LabelSpace, names_of
from maskweave.models._network_input import NetworkInput, OneInputModel, network_input, takes_one_image
from maskweave.models._outputs import first_image, seen
from maskweave.ops.boxes import corners_of
from maskweave.ops.coco_names import COCO_NAMES, SPARSE_NAMES
from maskweave.ops.letterbox import Letterbox
from maskweave.ops.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Preprocessing
from maskweave.runtimes.base import Runtime, RuntimeInfo, Tensors
from maskweave.types.arrays import Array, FloatArray
from maskweave.types.instances import Instances

PREPROCESSING = Preprocessing(mean=IMAGENET_MEAN, std=IMAGENET_STD)
_BOXES, _LOGITS = "dets", "labels"
_METADATA = "rfdetr_inference"
_MAX_CLASSES = 100_000


def recognize(info: RuntimeInfo) -> str | None:
    """Say why the network is of this family, or None when it is not."""
    shapes = {tensor.name: tensor.shape for tensor in info.outputs}
    boxes, logits = shapes.get(_BOXES, ()), shapes.get(_LOGITS, ())
    maps = [shape for shape in shapes.values() if len(shape) == 4]
    if not takes_one_image(info, batched=True) or len(maps) != 1:
        return None
    if len(boxes) != 3 or boxes[2] not in (4, None) or len(logits) != 3:
        return None
    return f"it gives {_BOXES} (1, Q, 4), {_LOGITS} (1, Q, C) and a map for every query, as RF-DETR-Seg does"


def build(
    runtime: Runtime,
    *,
    name: str,
    class_names: Sequence[str] | None = None,
    size: int | None = None,
    preprocessing: Preprocessing = PREPROCESSING,
) -> RFDETRSeg:
    """Make a model from a loaded network.

    ``class_names``: one for each class output, "" for one never reported; or COCO's 80 for a network with 91 outputs;
    or those of all but the last. None takes what the metadata say, then COCO's for 91 outputs. ``size``: of an input
    that is not fixed.

    Raises `UnknownLayout` when input or number of classes are others, `InvalidValue` for a size that does not fit.
    """
    info = runtime.describe()
    logits = [tensor.shape for tensor in info.outputs if tensor.name == _LOGITS and len(tensor.shape) == 3]
    count = logits[0][2] if logits else None
    names = names_of(
        name,
        given=_spread(class_names, count),
        in_file=_names_in_metadata(name, info.metadata),
        documented=SPARSE_NAMES,
        count=count,
    )
    fed = network_input(name, info, preprocessing, size=size, usual=None)
    return RFDETRSeg(runtime, name=name, labels=LabelSpace.of(names), fed=fed)


class RFDETRSeg(OneInputModel):
    """A loaded RF-DETR-Seg; see the module for its contract."""

    def __init__(self, runtime: Runtime, *, name: str, labels: LabelSpace, fed: NetworkInput) -> None:
        super().__init__(runtime, name=name, class_names=labels.class_names, fed=fed)
        self.labels = labels

    def decode(self, outputs: Tensors, letterbox: Letterbox, *, score: float) -> Instances:
        """Keep the best pairs of query and class of at least ``score``, and interpolate their masks."""
        boxes, logits, masks = self._tensors(outputs)
        queries, labels, scores = _best_pairs(logits, len(boxes), score)
        height, width = letterbox.input_size
        detections = CanvasDetections(
            boxes=corners_of(boxes[queries]) * np.array([width, height] * 2),
            scores=scores,
            class_ids=self.labels.look_up(labels, model=self.name),
            masks=masks[queries],
        )
        return canvas_instances(detections, letterbox, self.class_names, threshold=0.0, cut=False)

    def _tensors(self, outputs: Tensors) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Boxes (Q, 4), logits (Q, C), masks (Q, h, w), checked."""
        maps = [name for name, array in outputs.items() if array.ndim == 4]
        if len(maps) != 1:
            raise EngineError(
                f"{self.name}: need one output of masks (1, Q, h, w), got {len(maps)} in {seen(outputs)}"
            )
        found = first_image(self.name, outputs, {_BOXES: 3, _LOGITS: 3, maps[0]: 4})
        boxes, logits, masks = found
        queries = len(boxes)
        if boxes.shape != (queries, 4) or {len(logits), len(masks)} != {queries} or 0 in masks.shape[1:]:
            raise EngineError(
                f"{self.name}: need {_BOXES} (1, Q, 4), {_LOGITS} (1, Q, C) and masks (1, Q, h, w), "
                f"got {seen(outputs)}"
            )
        if logits.shape[1] != len(self.labels.classes):
            raise UnknownLayout(
                f"{self.name}: need a name for each of its {logits.shape[1]} classes, "
                f"got {len(self.labels.classes)}; give class_names"
            )
        return boxes, logits, masks


def _best_pairs(logits: FloatArray, max_count: int, score: float) -> tuple[Array, Array, FloatArray]:
    """Queries, labels and scores of the ``max_count`` best pairs of both, as far as they reach ``score``."""
    with np.errstate(over="ignore"):
        probs = 1 / (1 + np.exp(-logits.astype(np.float32).ravel()))
    pairs = np.argsort(-probs, kind="stable")[:max_count]
    pairs = pairs[probs[pairs] >= score]  # not so for NaN
    queries, labels = np.divmod(pairs, max(1, logits.shape[1]))
    return queries, labels, probs[pairs]


def _spread(given: Sequence[str] | None, count: int | None) -> Sequence[str] | None:
    """Names for every output, of names that leave out those that are never reported."""
    if given is None or count is None:
        return given
    if count == len(SPARSE_NAMES) and tuple(given) == COCO_NAMES:
        return SPARSE_NAMES
    return (*given, "") if len(given) == count - 1 else given


def _names_in_metadata(name: str, metadata: Mapping[str, str]) -> tuple[str, ...] | None:
    """The name of each output as the metadata have it, "" where they have none."""
    if _METADATA not in metadata:
        return None
    try:
        in_file = json.loads(metadata[_METADATA])
        names = {int(label): str(each) for label, each in in_file["class_id_to_name"].items()}
        return tuple(names.get(label, "") for label in range(min(int(in_file["num_classes"]), _MAX_CLASSES)))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise UnknownLayout(
            f"{name}: need class_id_to_name and num_classes in its metadata {_METADATA}, got "
            f"{metadata[_METADATA][:60]!r}; give class_names"
        ) from error

"""Mask R-CNN of TensorFlow's Object Detection API, the classic: run by OpenCV, or imported into ONNX.

Input ``image_tensor`` (1, 3, H, W) float32 RGB 0..255; the graph scales. Outputs ``detection_out_final``
(1, 1, N, 7), rows (image, class, score, x1, y1, x2, y2) with coordinates in 0..1 of the input and rows of
zeros after the last detection, and ``detection_masks`` (N, classes, 15, 15) probabilities, a mask for every
class. Imported models (`maskweave.models.importing`) give (N, 15, 15), only the masks of the rows' own classes,
and say in their metadata how many classes there are. Networks trained on COCO have 90, one for every category id
up to 90; the ten that COCO never used are never reported, and the others go by COCO's 80 names.

The mask threshold is 0.5, as where the API's own ``reframe_box_masks_to_image_masks`` is called; some copies
of OpenCV's sample use 0.3. Sources: https://github.com/tensorflow/models/tree/master/research/object_detection,
https://github.com/opencv/opencv/blob/4.x/samples/dnn/mask_rcnn.py, https://arxiv.org/abs/1703.06870.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskweave.errors import EngineError, InvalidValue, UnknownLayout
from maskweave.models._mask_rcnn import Detections, to_instances
from maskweave.models.base import Model, Prepared
from maskweave.ops.coco_names import COCO_NAMES, LABEL_CLASSES
from maskweave.ops.letterbox import Letterbox
from maskweave.runtimes.base import Runtime, RuntimeInfo, Tensors
from maskweave.types.arrays import FloatArray, Image
from maskweave.types.instances import Instances

DETECTIONS, MASKS = "detection_out_final", "detection_masks"
OUTPUTS = (DETECTIONS, MASKS)
"""Layers to ask `OpenCVRuntime` for: the first is an inner one, because the mask head reads it."""

_INPUT = "image_tensor"


CLASS_NAMES = COCO_NAMES
"""COCO's 80 names. A network trained on COCO has 90 classes, `LABEL_CLASSES` says which is which."""


@dataclass(frozen=True)
class Resize:
    """How an image becomes the network's input.

    - ``keep_aspect``: as the network was trained: the short side becomes ``short``, the long one at most
      ``max_side``. False squashes to ``short`` x ``short``, as OpenCV's sample does: less to compute on wide
      images, in shapes that the network has not seen in training.
    """

    keep_aspect: bool = True
    short: int = 800
    max_side: int = 1365

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not 1 <= self.short <= self.max_side:
            raise InvalidValue(f"resize: need 1 <= short <= max_side, got {self.short} and {self.max_side}")


def recognize(info: RuntimeInfo) -> str | None:
    """Say why the network is of this family, or None when it is not."""
    if {DETECTIONS, MASKS} <= {tensor.name for tensor in info.outputs}:
        return (
            f"its outputs are {DETECTIONS} and {MASKS}, as in OpenCV's text graphs of TensorFlow's Mask R-CNN"
        )
    return None


def build(
    runtime: Runtime,
    *,
    name: str,
    class_names: Sequence[str] = CLASS_NAMES,
    resize: Resize | None = None,
    mask_threshold: float = 0.5,
) -> MaskRCNNTensorFlow:
    """Make a model from a loaded network.

    ``class_names``: one for each class of the network, or COCO's 80 for one with COCO's 90. Raises
    `UnknownLayout` when the outputs are others, `InvalidValue` for a threshold outside [0, 1].
    """
    if recognize(runtime.describe()) is None:
        seen = ", ".join(tensor.name for tensor in runtime.describe().outputs) or "none"
        raise UnknownLayout(
            f"{name}: need outputs {DETECTIONS} and {MASKS}, got {seen}; is the text graph right?"
        )
    if not 0 <= mask_threshold <= 1:
        raise InvalidValue(f"mask_threshold: need a number in [0, 1], got {mask_threshold}")
    return MaskRCNNTensorFlow(
        runtime,
        name=name,
        class_names=tuple(class_names),
        resize=resize or Resize(),
        mask_threshold=mask_threshold,
        labels=_labels_in_metadata(name, runtime.describe()),
    )


def _labels_in_metadata(name: str, info: RuntimeInfo) -> int | None:
    """How many classes an imported model says it has; None where the masks' own shape tells."""
    text = info.metadata.get("maskweave.classes")
    if text is None:
        return None
    if not text.isdecimal() or not int(text):
        raise UnknownLayout(f"{name}: need maskweave.classes to be a number above 0, got {text[:60]!r}")
    return int(text)


class MaskRCNNTensorFlow(Model):
    """A loaded Mask R-CNN of the Object Detection API; see the module for its contract."""

    def __init__(
        self,
        runtime: Runtime,
        *,
        name: str,
        class_names: tuple[str, ...],
        resize: Resize,
        mask_threshold: float,
        labels: int | None = None,
    ) -> None:
        super().__init__(runtime, name=name, class_names=class_names)
        self.labels = labels
        self.resize = resize
        self.mask_threshold = mask_threshold
        size = f"short side {resize.short}, long side at most {resize.max_side}"
        if not resize.keep_aspect:
            size = f"squashed to {resize.short}x{resize.short}"
        self.preprocessing = f"RGB 0..255, the graph scales; {size}"

    def prepare(self, image: Image) -> Prepared:
        """Scale (H, W, 3) uint8 RGB to the input size, values kept."""
        letterbox = self._placement(image)
        planes = letterbox.apply(image).transpose(2, 0, 1)[None]
        return Prepared({_INPUT: np.ascontiguousarray(planes, dtype=np.float32)}, letterbox)

    def _placement(self, image: Image) -> Letterbox:
        size = (image.shape[0], image.shape[1])
        if self.resize.keep_aspect:
            return Letterbox.short_side(size, self.resize.short, max_side=self.resize.max_side)
        return Letterbox.squash(size, (self.resize.short, self.resize.short))

    def decode(self, outputs: Tensors, letterbox: Letterbox, *, score: float) -> Instances:
        """Keep detections of at least ``score``, paste each one's mask of its own class into its box."""
        rows, masks = self._tensors(outputs)
        classes = self._classes(self.labels or masks.shape[1])
        known = (rows[:, 1] >= 0) & (rows[:, 1] < len(classes))  # not so for NaN
        labels = np.where(known, rows[:, 1], 0).astype(np.int64)
        kept = (rows[:, 2] >= score) & (rows[:, 2] > 0)  # the rows after the last detection are zeros
        kept &= known & (classes[labels] >= 0)
        rows, labels, masks = rows[kept], labels[kept], masks[kept]
        height, width = letterbox.input_size
        found = Detections(
            boxes=letterbox.to_source(rows[:, 3:] * np.array([width, height] * 2)),
            scores=rows[:, 2],
            class_ids=classes[labels],
            mask_probs=masks if self.labels else masks[np.arange(len(masks)), labels],
        )
        return to_instances(
            found, letterbox.source_size, self.class_names, mask_threshold=self.mask_threshold
        )

    def _classes(self, labels: int) -> NDArray[np.int64]:
        """(labels,) index in the class names of each of the network's classes, -1 for one to be dropped."""
        if labels == len(self.class_names):
            return np.arange(labels, dtype=np.int64)
        if labels == len(LABEL_CLASSES) and self.class_names == COCO_NAMES:
            return np.array(LABEL_CLASSES, dtype=np.int64)
        raise UnknownLayout(
            f"{self.name}: need a name for each of its {labels} classes, got {len(self.class_names)}; "
            "give class_names"
        )

    def _tensors(self, outputs: Tensors) -> tuple[FloatArray, FloatArray]:
        """(N, 7) rows and (N, classes, M, M) or (N, M, M) masks, checked."""
        missing = [name for name in (DETECTIONS, MASKS) if name not in outputs]
        if missing:
            raise EngineError(f"{self.name}: need outputs {DETECTIONS} and {MASKS}, {missing[0]} is missing")
        rows, masks = outputs[DETECTIONS], outputs[MASKS]
        layout = "(N, M, M)" if self.labels else "(N, classes, M, M)"
        if rows.shape[-1:] != (7,) or masks.ndim != layout.count(",") + 1 or rows.size != 7 * len(masks):
            raise EngineError(
                f"{self.name}: need {DETECTIONS} (1, 1, N, 7) and {MASKS} {layout}, "
                f"got {rows.shape} and {masks.shape}"
            )
        return rows.reshape(-1, 7).astype(np.float64), masks

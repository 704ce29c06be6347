"""RTMDet-Ins as mmdeploy exports it: detections after suppression, and a mask of the whole input for each.

Input ``input`` (1, 3, H, W): BGR less (103.53, 116.28, 123.675) by (57.375, 57.12, 58.395), the image scaled to fit
640x640 at the top left of gray 114, as in the published configs; a sidecar says what another config does. Outputs:
``dets`` (1, N, 5), x1, y1, x2, y2 in input pixels and the score; ``labels`` (1, N), -1 in rows that only fill up;
``masks`` (1, N, H, W) probabilities in input pixels, an object where the interpolated value is above 0.5. They are
not cut to their boxes. The labels of the published weights are COCO's 80 in order.

Exports of two-stage networks have outputs of the same names whose masks are small grids inside the boxes; they are
refused. Sources: https://github.com/open-mmlab/mmdeploy/blob/main/mmdeploy/codebase/mmdet/models/dense_heads/rtmdet_ins_head.py,
https://github.com/open-mmlab/mmdetection/blob/main/configs/rtmdet/rtmdet_l_8xb32-300e_coco.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from maskweave.errors import EngineError, UnknownLayout
from maskweave.models._canvas import CanvasDetections, canvas_instances
from maskweave.models._labels import LabelSpace, names_of
from maskweave.models._network_input import NetworkInput, OneInputModel, network_input, takes_one_image
from maskweave.models._outputs import first_image, seen
from maskweave.ops.coco_names import COCO_NAMES
from maskweave.ops.letterbox import Letterbox
from maskweave.ops.preprocessing import Preprocessing
from maskweave.runtimes.base import Runtime, RuntimeInfo, Tensors
from maskweave.types.arrays import Array, FloatArray, Size
from maskweave.types.instances import Instances

PREPROCESSING = Preprocessing(
    order="bgr",
    scale=1.0,
    mean=(103.53, 116.28, 123.675),
    std=(57.375, 57.12, 58.395),
    resize="keep-aspect",
)
_RANKS = {"dets": 3, "labels": 2, "masks": 4}
_USUAL_SIZE = 640


def recognize(info: RuntimeInfo) -> str | None:
    """Say why the network is of this family, or None when it is not."""
    shapes = {tensor.name: tensor.shape for tensor in info.outputs}
    if not takes_one_image(info, batched=True):
        return None
    if any(len(shapes.get(name, ())) != rank for name, rank in _RANKS.items()):
        return None
    fixed = [
        (side, canvas) for side, canvas in zip(shapes["masks"][2:], info.inputs[0].shape[2:], strict=True)
    ]
    if shapes["dets"][2] not in (5, None) or any(None not in pair and pair[0] != pair[1] for pair in fixed):
        return None
    return "it gives dets (1, N, 5), labels (1, N) and masks (1, N, H, W) of the input's size, as mmdeploy names them"


def build(
    runtime: Runtime,
    *,
    name: str,
    class_names: Sequence[str] | None = None,
    size: int | None = None,
    preprocessing: Preprocessing = PREPROCESSING,
) -> RTMDetIns:
    """Make a model from a loaded network.

    ``class_names``: of labels 0, 1, …, "" for one never reported; None takes COCO's 80, with a warning. ``size``: the
    long side of an input that is not fixed; None takes 640.

    Raises `UnknownLayout` for another input, `InvalidValue` for a size that does not fit.
    """
    names = names_of(name, given=class_names, in_file=None, documented=COCO_NAMES, count=None)
    fed = network_input(name, runtime.describe(), preprocessing, size=size, usual=_USUAL_SIZE)
    return RTMDetIns(runtime, name=name, labels=LabelSpace.of(names), fed=fed)


class RTMDetIns(OneInputModel):
    """A loaded RTMDet-Ins; see the module for its contract."""

    def __init__(self, runtime: Runtime, *, name: str, labels: LabelSpace, fed: NetworkInput) -> None:
        super().__init__(runtime, name=name, class_names=labels.class_names, fed=fed, default_score=0.3)
        self.labels = labels

    def decode(self, outputs: Tensors, letterbox: Letterbox, *, score: float) -> Instances:
        """Keep detections of at least ``score`` and interpolate their masks."""
        dets, labels, masks = self._tensors(outputs, letterbox.input_size)
        kept = (dets[:, 4] >= score) & (labels >= 0)
        detections = CanvasDetections(
            boxes=dets[kept, :4],
            scores=dets[kept, 4],
            class_ids=self.labels.look_up(labels[kept], model=self.name),
            masks=masks[kept],
        )
        return canvas_instances(detections, letterbox, self.class_names, threshold=0.5, cut=False)

    def _tensors(self, outputs: Tensors, canvas: Size) -> tuple[FloatArray, Array, FloatArray]:
        """Detections (N, 5), labels (N,), masks (N, H, W), checked."""
        dets, labels, masks = first_image(self.name, outputs, _RANKS)
        rows = len(dets)
        if dets.shape != (rows, 5) or len(labels) != rows or len(masks) != rows:
            raise EngineError(
                f"{self.name}: need dets (1, N, 5), labels (1, N) and masks (1, N, H, W), got {seen(outputs)}"
            )
        if rows and masks.shape[1:] != canvas:
            raise UnknownLayout(
                f"{self.name}: need masks of the whole input, {canvas[0]}x{canvas[1]}, got "
                f"{masks.shape[1]}x{masks.shape[2]}; masks inside boxes, of two-stage networks, are another layout"
            )
        return dets, labels, masks

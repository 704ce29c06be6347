"""Mask R-CNN of torchvision, exported whole: it resizes, normalizes and pastes its masks by itself.

Input (3, H, W), or (1, 3, H, W): RGB in 0..1, of any size or of one that the export fixed; an image is then laid at
the top left of zeros. The network itself brings the short side to 800 and the long one to 1333 at most, so a larger
image is brought there first, in the same way: it would paste a hundred masks of its full size otherwise. Outputs,
told by rank, type and last dimension whatever their names: boxes (n, 4) xyxy in input pixels, labels (n,) int64,
scores (n,), masks (n, 1, H, W) probabilities of the whole input, an object where the interpolated value is above 0.5.

Labels of networks trained on COCO are its category ids 1..90 with gaps; 0 is the background. Exports whose masks are
small grids inside the boxes are `mask_rcnn_onnx`.
Source: https://docs.pytorch.org/vision/stable/models/mask_rcnn.html.
"""

from __future__ import annotations

from collections.abc import Sequence

from maskweave.errors import EngineError, UnknownLayout
from maskweave.models._canvas import CanvasDetections, canvas_instances
from maskweave.models._labels import LabelSpace, names_of
from maskweave.models._mask_rcnn import is_grid, roles_of
from maskweave.models._network_input import NetworkInput, OneInputModel, network_input, takes_one_image
from maskweave.models._outputs import seen
from maskweave.models.base import Prepared
from maskweave.ops.coco_names import SPARSE_NAMES
from maskweave.ops.letterbox import Letterbox
from maskweave.ops.preprocessing import Preprocessing
from maskweave.runtimes.base import Runtime, RuntimeInfo, Tensors
from maskweave.types.arrays import Array, FloatArray, Image, Size
from maskweave.types.instances import Instances

PREPROCESSING = Preprocessing(resize="keep-aspect", pad_value=0)
_ROLES = ("boxes", "labels", "scores", "masks")
_SHORT, _MAX_SIDE = 800, 1333


def recognize(info: RuntimeInfo) -> str | None:
    """Say why the network is of this family, or None when it is not."""
    roles = roles_of((tensor.name, tensor.shape, tensor.dtype) for tensor in info.outputs)
    masks = [tensor.shape for tensor in info.outputs if tensor.name == roles.get("masks")]
    if not takes_one_image(info) or len(roles) < len(_ROLES) or is_grid(masks[0]):
        return None
    return (
        "it gives boxes (n, 4), labels, scores and masks (n, 1, H, W) of the whole image, as torchvision does"
    )


def build(
    runtime: Runtime,
    *,
    name: str,
    class_names: Sequence[str] | None = None,
    preprocessing: Preprocessing = PREPROCESSING,
) -> TorchvisionMaskRCNN:
    """Make a model from a loaded network.

    ``class_names``: of labels 1, 2, …, "" for one never reported; None takes COCO's by category id, with a warning.

    Raises `UnknownLayout` for another input.
    """
    names = names_of(name, given=class_names, in_file=None, documented=SPARSE_NAMES[1:], count=None)
    fed = network_input(name, runtime.describe(), preprocessing, size=None, usual=_MAX_SIDE)
    return TorchvisionMaskRCNN(runtime, name=name, labels=LabelSpace.of(names, first=1), fed=fed)


class TorchvisionMaskRCNN(OneInputModel):
    """A loaded Mask R-CNN of torchvision; see the module for its contract."""

    def __init__(self, runtime: Runtime, *, name: str, labels: LabelSpace, fed: NetworkInput) -> None:
        super().__init__(runtime, name=name, class_names=labels.class_names, fed=fed)
        self.labels = labels
        if fed.canvas is None:
            self.preprocessing += "; a smaller image keeps its size"

    def prepare(self, image: Image) -> Prepared:
        """Scale (H, W, 3) uint8 RGB to 0..1; its size is kept unless it is too large or the input is fixed."""
        if self.fed.canvas is not None:
            return self.fed.prepare(image)
        return self.fed.lay(image, _no_larger_than_needed((image.shape[0], image.shape[1])))

    def decode(self, outputs: Tensors, letterbox: Letterbox, *, score: float) -> Instances:
        """Keep detections of at least ``score`` and interpolate their masks."""
        boxes, labels, scores, masks = self._tensors(outputs, letterbox.input_size)
        kept = scores >= score
        detections = CanvasDetections(
            boxes=boxes[kept],
            scores=scores[kept],
            class_ids=self.labels.look_up(labels[kept], model=self.name),
            masks=masks[kept, 0],
        )
        return canvas_instances(detections, letterbox, self.class_names, threshold=0.5, cut=False)

    def _tensors(self, outputs: Tensors, canvas: Size) -> tuple[FloatArray, Array, FloatArray, FloatArray]:
        """Boxes (n, 4), labels (n,), scores (n,), masks (n, 1, H, W), checked."""
        names = roles_of((name, array.shape, array.dtype.name) for name, array in outputs.items())
        need = "boxes (n, 4), labels (n,), scores (n,) and masks (n, 1, H, W)"
        if len(names) < len(_ROLES):
            raise EngineError(f"{self.name}: need {need}, got {seen(outputs)}")
        boxes, labels, scores, masks = (outputs[names[role]] for role in _ROLES)
        if {len(boxes), len(labels), len(scores)} != {len(masks)} or masks.shape[1] != 1:
            raise EngineError(f"{self.name}: need {need}, got {seen(outputs)}")
        if len(masks) and masks.shape[2:] != canvas:
            raise UnknownLayout(
                f"{self.name}: need masks of the whole image, {canvas[0]}x{canvas[1]}, got "
                f"{masks.shape[2]}x{masks.shape[3]}; small masks inside boxes are the family mask_rcnn_onnx"
            )
        return boxes, labels, scores, masks


def _no_larger_than_needed(size: Size) -> Letterbox:
    """The image as it is, or scaled down to what the network would scale it to."""
    letterbox = Letterbox.short_side(size, _SHORT, max_side=_MAX_SIDE)
    return letterbox if max(letterbox.scale) < 1 else Letterbox.squash(size, size)

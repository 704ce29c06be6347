"""EfficientSAM: the object that a box or points mean.

Inputs ``batched_images`` (1, 3, 1024, 1024) float32 RGB 0..1, the image stretched over it; ``batched_point_coords``
(1, 1, P, 2) x, y in pixels of that input; ``batched_point_labels`` (1, 1, P), in OpenCV's export (1, 1, P, 1): 1 a
point on the object, 2 and 3 the top-left and the bottom-right corner of a box, -1 no point, up to P = 6. Outputs
``output_masks`` (1, 1, M, h, w) logits of M candidates over the whole image, from 0 on the object, and
``iou_predictions`` (1, 1, M), the IoU with the object that the network expects of each.

In one file, or split: the encoder gives ``image_embeddings`` (1, 256, 64, 64) of ``batched_images``, the decoder
takes them with the points and ``orig_im_size`` (2), the height and width that the points are in.

The network was trained without points beside the object. As in OpenCV's sample they choose among the candidates: the
one of the best expected IoU that has all points right, those on the object too, or, where none has, the best one.

Source: https://github.com/yformer/EfficientSAM,
https://github.com/opencv/opencv_zoo/tree/main/models/image_segmentation_efficientsam.
"""

from __future__ import annotations

from collections.abc import Sequence

from maskweave.errors import UnknownLayout
from maskweave.models._prompted import PromptedModel, PromptLayout
from maskweave.ops.preprocessing import UNIT, Preprocessing
from maskweave.runtimes.base import Runtime, RuntimeInfo
from maskweave.types.prompt import OBJECT_NAMES

_IMAGES, _COORDS, _LABELS = "batched_images", "batched_point_coords", "batched_point_labels"
_JUST_BELOW_ZERO = -1e-30  # a logit of 0 is on the object


def recognize(info: RuntimeInfo) -> str | None:
    """Say why the network is of this family, or None when it is not."""
    if {_IMAGES, _COORDS, _LABELS} <= {tensor.name for tensor in info.inputs}:
        return f"it takes {_IMAGES}, {_COORDS} and {_LABELS}, as EfficientSAM does"
    return None


def build(
    runtime: Runtime,
    *,
    name: str,
    class_names: Sequence[str] = OBJECT_NAMES,
    preprocessing: Preprocessing = UNIT,
) -> PromptedModel:
    """Make a model from a loaded network; ``class_names`` is one name, of whatever is pointed at.

    Raises `UnknownLayout` when tensors are others, or there are more names.
    """
    info = runtime.describe()
    if recognize(info) is None:
        got = ", ".join(tensor.name for tensor in info.inputs) or "none"
        raise UnknownLayout(f"{name}: need inputs {_IMAGES}, {_COORDS} and {_LABELS}, got {got}")
    layout = PromptLayout(
        coords=_COORDS,
        labels=_LABELS,
        masks=("output_masks",),
        preprocessing=preprocessing,
        max_points=6,
        outside=False,
        size_of_input=True,
        threshold=_JUST_BELOW_ZERO,
    )
    return PromptedModel(runtime, name=name, class_names=class_names, layout=layout)

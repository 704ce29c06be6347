"""SAM, MobileSAM and SAM 2: the object that a box or points mean, by an encoder and a decoder.

The encoder sees the image, as (1, 3, 1024, 1024) float32, or raw as (H, W, 3): then it normalizes and pads by itself.
SAM: long side 1024 at the top left, ImageNet's mean and deviation, zeros beside it; it gives ``image_embeddings``
(1, 256, 64, 64). SAM 2: stretched over the square; ``image_embed`` (1, 256, 64, 64), ``high_res_feats_0`` and
``high_res_feats_1``.

The decoder takes these, ``point_coords`` (1, N, 2) x, y in pixels of the square, ``point_labels`` (1, N): 1 a point
on the object, 0 beside it, 2 and 3 the top-left and the bottom-right corner of a box, -1 no point, which SAM expects
after points that come without a box; ``mask_input`` (1, 1, 256, 256) logits of an old mask over the square,
``has_mask_input`` (1), and SAM ``orig_im_size`` (2), height and width. It gives M candidates: ``masks``
(1, M, h, w), logits over the image, above 0 on the object, ``iou_predictions`` (1, M), the IoU with the object that
it expects of each, and SAM ``low_res_masks`` (1, M, 256, 256) over the square. The latter are read where there are
any: exports by tracing freeze the shape that ``masks`` are cut to. Of four candidates the first is meant for prompts
of more than a point, the others for a single one.

Source: https://github.com/facebookresearch/segment-anything, https://github.com/ChaoningZhang/MobileSAM,
https://github.com/facebookresearch/sam2, https://github.com/vietanhdev/samexporter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from maskweave.errors import UnknownLayout
from maskweave.models._prompted import PromptedModel, PromptLayout
from maskweave.ops.preprocessing import IMAGENET
from maskweave.runtimes.base import Runtime, RuntimeInfo
from maskweave.types.prompt import OBJECT_NAMES

_COORDS, _LABELS = "point_coords", "point_labels"
_SAM_2 = PromptLayout(
    coords=_COORDS, labels=_LABELS, masks=("low_res_masks", "masks"), preprocessing=IMAGENET
)
_SAM = replace(_SAM_2, preprocessing=replace(IMAGENET, resize="keep-aspect", pad_value=0), ends=True)
LAYOUTS: Mapping[str, tuple[str, PromptLayout]] = {
    "image_embeddings": ("SAM and MobileSAM do", _SAM),
    "image_embed": ("SAM 2 does", _SAM_2),
}
"""What an encoder calls what it gives: whose it is, and how that is asked."""


def recognize(info: RuntimeInfo) -> str | None:
    """Say why the network is of this family, or None when it is not."""
    found = _layout(info)
    if found is None:
        return None
    inner = ", ".join(tensor.name for tensor in info.inner)
    return f"its encoder gives {inner} and its decoder takes {_COORDS} and {_LABELS}, as {found[0]}"


def _layout(info: RuntimeInfo) -> tuple[str, PromptLayout] | None:
    if not {_COORDS, _LABELS} <= {tensor.name for tensor in info.inputs}:
        return None
    return next((LAYOUTS[tensor.name] for tensor in info.inner if tensor.name in LAYOUTS), None)


def build(runtime: Runtime, *, name: str, class_names: Sequence[str] = OBJECT_NAMES) -> PromptedModel:
    """Make a model from a loaded pair of networks; ``class_names`` is one name, of whatever is pointed at.

    Raises `UnknownLayout` when tensors are others, or there are more names.
    """
    info = runtime.describe()
    found = _layout(info)
    if found is None:
        got = ", ".join(tensor.name for tensor in (*info.inputs, *info.inner)) or "none"
        raise UnknownLayout(
            f"{name}: need an encoder that gives {' or '.join(LAYOUTS)} and a decoder that takes {_COORDS} and "
            f"{_LABELS}, got {got}"
        )
    return PromptedModel(runtime, name=name, class_names=class_names, layout=found[1])

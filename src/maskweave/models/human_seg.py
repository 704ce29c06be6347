"""PP-HumanSeg: people against everything else, small and fast.

Input (1, 3, 192, 192) float32 RGB, (values / 255 - 0.5) / 0.5, the image stretched over it. Output
(1, 2, 192, 192), scores of background and person: the larger one decides. Alpha is the share of the person's score,
by softmax where the export gives logits; it is one half where both scores are equal, so that it decides as they do.

Source: https://github.com/opencv/opencv_zoo/tree/main/models/human_segmentation_pphumanseg.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maskweave.errors import UnknownLayout
from maskweave.models._maps import channels_axis, first_map, is_float_map
from maskweave.models._network_input import (
    NetworkInput,
    OneInputModel,
    canvas_of,
    network_input,
    takes_one_image,
)
from maskweave.ops.letterbox import Letterbox
from maskweave.ops.preprocessing import HALF, Preprocessing
from maskweave.ops.resize import resample
from maskweave.ops.semantic import foreground_from_alpha
from maskweave.runtimes.base import Runtime, RuntimeInfo, Tensors
from maskweave.types.arrays import FloatArray
from maskweave.types.semantic import FOREGROUND_NAMES, SemanticMap

_SIDE = 192
_SUM_ERROR = 1e-2  # of half-precision probabilities


def recognize(info: RuntimeInfo) -> str | None:
    """Say why the network is of this family, or None when it is not."""
    if not takes_one_image(info, batched=True) or len(info.outputs) != 1:
        return None
    output = info.outputs[0]
    if canvas_of(info) == (_SIDE, _SIDE) and is_float_map(info, output, channels=2):
        return f"it takes a {_SIDE}x{_SIDE} image and gives two channels, {output.name}, as PP-HumanSeg does"
    return None


def build(
    runtime: Runtime,
    *,
    name: str,
    class_names: Sequence[str] = FOREGROUND_NAMES,
    size: int | None = None,
    preprocessing: Preprocessing = HALF,
) -> HumanSeg:
    """Make a model from a loaded network; ``class_names`` and ``size`` can only be what they are.

    Raises `UnknownLayout` when tensors are others, or names are asked for that a map of foreground does not have.
    """
    info = runtime.describe()
    outputs = [tensor for tensor in info.outputs if is_float_map(info, tensor, channels=2)]
    if not outputs or tuple(class_names) != FOREGROUND_NAMES:
        raise UnknownLayout(
            f"{name}: need one output (1, 2, h, w), of {' and '.join(FOREGROUND_NAMES)}; for other classes "
            "take family semantic"
        )
    fed = network_input(name, info, preprocessing, size=size, short_side=_SIDE)
    axis = channels_axis(info, outputs[0])
    return HumanSeg(runtime, name=name, fed=fed, output=outputs[0].name, axis=axis)


class HumanSeg(OneInputModel):
    """A loaded PP-HumanSeg; see the module for its contract."""

    task = "foreground"

    def __init__(self, runtime: Runtime, *, name: str, fed: NetworkInput, output: str, axis: int) -> None:
        super().__init__(runtime, name=name, class_names=FOREGROUND_NAMES, fed=fed)
        self.output = output
        self.channels_axis = axis

    def decode(self, outputs: Tensors, letterbox: Letterbox, *, score: float) -> SemanticMap:
        """Foreground where alpha is greater than ``score``, and alpha itself."""
        scores = first_map(self.name, outputs, self.output, channels=2, axis=self.channels_axis)
        return foreground_from_alpha(_person_share(scores, letterbox), threshold=score)


def _person_share(scores: FloatArray, letterbox: Letterbox) -> FloatArray:
    """(H, W) in [0, 1] of (2, h, w) scores; the difference is interpolated, as what decides."""
    are_probs = bool((scores >= 0).all()) and bool((np.abs(scores.sum(axis=0) - 1) < _SUM_ERROR).all())
    lead = resample(np.nan_to_num(scores[1] - scores[0]), letterbox.source_size)
    share = (1 + lead) / 2 if are_probs else 1 / (1 + np.exp(-lead))
    clipped: FloatArray = np.clip(share, 0, 1)
    return clipped

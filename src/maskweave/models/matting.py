"""Networks that estimate how much of each pixel is foreground: U²-Net, IS-Net, BiRefNet, MODNet.

Input (1, 3, H, W) float RGB. The first output is (1, 1, h, w): alpha in 0..1, or logits where the export leaves out
the last sigmoid (BiRefNet's). Further outputs, the coarser maps of U²-Net and IS-Net, are left aside.

Alpha is taken as it comes. The programs that these exports are usually run by stretch each map to the whole of 0..1,
and thereby find something in every image; an empty scene stays empty here. Values are divided by 255, not by the
image's largest value, so a dark image stays one.

Sources: https://github.com/xuebinqin/U-2-Net, https://github.com/xuebinqin/DIS,
https://github.com/ZhengPeng7/BiRefNet, https://github.com/ZHKKKe/MODNet, https://github.com/danielgatis/rembg.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maskweave.errors import UnknownLayout
from maskweave.models._maps import channels_axis, channels_of, first_map, is_float_map
from maskweave.models._network_input import NetworkInput, OneInputModel, network_input, takes_one_image
from maskweave.ops.letterbox import Letterbox
from maskweave.ops.preprocessing import IMAGENET, Preprocessing
from maskweave.ops.resize import resample
from maskweave.ops.semantic import foreground_from_alpha
from maskweave.runtimes.base import Runtime, RuntimeInfo, Tensors
from maskweave.types.arrays import FloatArray
from maskweave.types.semantic import FOREGROUND_NAMES, SemanticMap

_SHORT_SIDE = 512  # as MODNet was trained
_OUTSIDE = 0.05  # alpha may leave 0..1 by so much: half precision, and interpolation inside the network


def recognize(info: RuntimeInfo) -> str | None:
    """Say why the network is of this family, or None when it is not."""
    if not takes_one_image(info, batched=True) or not info.outputs:
        return None
    if all(is_float_map(info, tensor, channels=1) for tensor in info.outputs):
        return f"it takes an image and gives one channel, {info.outputs[0].name}: how much is foreground"
    return None


def build(
    runtime: Runtime,
    *,
    name: str,
    class_names: Sequence[str] = FOREGROUND_NAMES,
    size: int | None = None,
    preprocessing: Preprocessing = IMAGENET,
    logits: bool = False,
) -> MattingModel:
    """Make a model from a loaded network.

    ``logits``: its output has not gone through a sigmoid yet. ``size``: the input's long side, where the file leaves
    it free. ``class_names`` can only be those of a map of foreground.

    Raises `UnknownLayout` when tensors or names are others, `InvalidValue` for a size that the input does not have.
    """
    info = runtime.describe()
    first = info.outputs[0] if info.outputs and info.inputs else None
    if first is None or not is_float_map(info, first) or channels_of(info, first) not in (1, None):
        seen = ", ".join(f"{tensor.name} {tensor.shape} {tensor.dtype}" for tensor in info.outputs)
        raise UnknownLayout(f"{name}: need a first output (1, 1, h, w) of floats, got {seen or 'none'}")
    if tuple(class_names) != FOREGROUND_NAMES:
        raise UnknownLayout(
            f"{name}: need class names {' and '.join(FOREGROUND_NAMES)}, got {', '.join(class_names)}"
        )
    fed = network_input(name, info, preprocessing, size=size, short_side=_SHORT_SIDE)
    axis = channels_axis(info, first)
    return MattingModel(runtime, name=name, fed=fed, output=first.name, axis=axis, logits=logits)


class MattingModel(OneInputModel):
    """A loaded network of soft foreground; see the module for its contract."""

    task = "foreground"

    def __init__(
        self, runtime: Runtime, *, name: str, fed: NetworkInput, output: str, axis: int, logits: bool
    ) -> None:
        super().__init__(runtime, name=name, class_names=FOREGROUND_NAMES, fed=fed)
        self.output = output
        self.channels_axis = axis
        self.logits = logits

    def decode(self, outputs: Tensors, letterbox: Letterbox, *, score: float) -> SemanticMap:
        """Foreground where alpha is greater than ``score``, and alpha itself; what is no number counts as 0.

        Raises `UnknownLayout` when the values are not in 0..1 and nothing said that they are logits.
        """
        (values,) = first_map(self.name, outputs, self.output, channels=1, axis=self.channels_axis)
        alpha = self._alpha(values)
        return foreground_from_alpha(np.clip(resample(alpha, letterbox.source_size), 0, 1), threshold=score)

    def _alpha(self, values: FloatArray) -> FloatArray:
        if self.logits:
            with np.errstate(over="ignore"):  # far below 0: alpha is 0
                alpha: FloatArray = np.nan_to_num(1 / (1 + np.exp(-values)))
            return alpha
        values = np.nan_to_num(values, posinf=0, neginf=0)
        if values.min() < -_OUTSIDE or values.max() > 1 + _OUTSIDE:
            raise UnknownLayout(
                f"{self.name}: need alpha in 0..1, got {values.min():.3g}..{values.max():.3g}: these are logits; "
                f"write `logits = true` in {self.name}.toml"
            )
        return values

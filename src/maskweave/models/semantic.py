"""Networks that name the class of every pixel: FCN, DeepLabV3, SegFormer, exports of segmentation_models_pytorch.

Input (1, 3, H, W) float RGB, mean and deviation of ImageNet unless told otherwise. The first output is either
(1, C, h, w) logits, of any h and w over the whole image, or a class map of integers, (1, h, w) or (1, 1, h, w).
Networks of Keras have their channels last, in the output or in both: that is told by the sides of the input.
Further outputs of the same kind, such as torchvision's ``aux``, are left aside. Logits are interpolated to the size
of the source at pixel centers, and only then is the largest one taken: borders are then as fine as the logits tell,
not steps of the network's grid. In class maps 255 is *ignore*.

Sources: https://github.com/onnx/models/tree/main/validated/vision/object_detection_segmentation/fcn,
https://huggingface.co/docs/transformers/model_doc/segformer, https://github.com/qubvel-org/segmentation_models.pytorch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maskweave.errors import EngineError, InvalidValue, UnknownLayout
from maskweave.models._labels import names_of
from maskweave.models._maps import channels_axis, channels_of, first_map, is_float_map
from maskweave.models._network_input import NetworkInput, OneInputModel, network_input, takes_one_image
from maskweave.ops.letterbox import Letterbox
from maskweave.ops.preprocessing import IMAGENET, Preprocessing
from maskweave.ops.resize import resample, resample_classes
from maskweave.ops.voc_names import VOC_NAMES
from maskweave.runtimes.base import Runtime, RuntimeInfo, Tensors, TensorSpec
from maskweave.types.arrays import FloatArray, IntArray, Size
from maskweave.types.semantic import IGNORE, SemanticMap

_SHORT_SIDE = 520  # as torchvision evaluates its FCN and DeepLabV3
_MAP_TYPES = ("int64", "int32", "int16", "uint8")


def recognize(info: RuntimeInfo) -> str | None:
    """Say why the network is of this family, or None when it is not."""
    if not takes_one_image(info, batched=True) or not info.outputs:
        return None
    first = info.outputs[0]
    if _is_class_map(first) and len(info.outputs) == 1:
        return f"it takes an image and gives one map of whole numbers, {first.name}"
    if all(is_float_map(info, tensor) and channels_of(info, tensor) != 1 for tensor in info.outputs):
        classes = channels_of(info, first) or "several"
        return f"it takes an image and gives a map of {classes} channels, {first.name}: a class each"
    return None


def build(
    runtime: Runtime,
    *,
    name: str,
    class_names: Sequence[str] | None = None,
    size: int | None = None,
    preprocessing: Preprocessing = IMAGENET,
) -> SemanticModel:
    """Make a model from a loaded network.

    ``class_names`` None takes the 21 of PASCAL VOC for torchvision's layout (21 channels, called ``out``). For others
    names are made up, with a warning: "class 0", "class 1", …. ``size``: the input's long side, where the file leaves
    it free.

    Raises `UnknownLayout` when tensors are others or their number of classes is not that of the names, `InvalidValue`
    for a size that the input does not have.
    """
    info = runtime.describe()
    if recognize(info) is None:
        seen = ", ".join(f"{tensor.name} {tensor.shape} {tensor.dtype}" for tensor in info.outputs)
        raise UnknownLayout(
            f"{name}: need logits (1, C, h, w) or a class map (1, h, w) of integers, got {seen or 'none'}"
        )
    first = info.outputs[0]
    return SemanticModel(
        runtime,
        name=name,
        class_names=_class_names(name, info, class_names),
        fed=network_input(name, info, preprocessing, size=size, short_side=_SHORT_SIDE),
        output=first.name,
        axis=None if _is_class_map(first) else channels_axis(info, first),
    )


class SemanticModel(OneInputModel):
    """A loaded semantic network; see the module for its contract."""

    task = "semantic"

    def __init__(
        self,
        runtime: Runtime,
        *,
        name: str,
        class_names: tuple[str, ...],
        fed: NetworkInput,
        output: str,
        axis: int | None,
    ) -> None:
        super().__init__(runtime, name=name, class_names=class_names, fed=fed, default_score=0)
        self.output = output
        self.channels_axis = axis
        """Of the logits; None where the network gives a map of classes."""

    def decode(self, outputs: Tensors, letterbox: Letterbox, *, score: float) -> SemanticMap:
        """The class of each source pixel; where its probability is under ``score``, *ignore*.

        Raises `InvalidValue` for a score above 0 when the network gives classes without probabilities.
        """
        size = letterbox.source_size
        if self.channels_axis is not None:
            count = len(self.class_names)
            logits = first_map(self.name, outputs, self.output, channels=count, axis=self.channels_axis)
            class_map, mask_probs = best_classes(logits, size, with_probs=score > 0)
            if mask_probs is not None:
                class_map[mask_probs < score] = IGNORE
            return SemanticMap(class_map, self.class_names, mask_probs)
        if score > 0:
            raise InvalidValue(f"score: {self.name} gives classes without probabilities; leave --score out")
        return SemanticMap(resample_classes(self._class_map(outputs), size), self.class_names)

    def _class_map(self, outputs: Tensors) -> IntArray:
        """(h, w) integers, checked."""
        found = outputs.get(self.output)
        if found is not None and found.ndim == 4 and found.shape[1] != 1:
            found = found.squeeze(3) if found.shape[3] == 1 else None
        if found is None or found.ndim not in (3, 4) or found.shape[:-2] not in ((1,), (1, 1)):
            got = "nothing" if outputs.get(self.output) is None else outputs[self.output].shape
            raise EngineError(f"{self.name}: need output {self.output} (1, h, w), got {got}")
        class_map: IntArray = found.reshape(found.shape[-2:])
        known = class_map[class_map != IGNORE]
        if known.size and not 0 <= known.min() <= known.max() < len(self.class_names):
            raise UnknownLayout(
                f"{self.name}: need a name for every class, got {len(self.class_names)} names and classes "
                f"{known.min()}..{known.max()}; give class_names"
            )
        return class_map


def best_classes(
    logits: FloatArray, size: Size, *, with_probs: bool = False
) -> tuple[IntArray, FloatArray | None]:
    """(H, W) index of the largest of (C, h, w) logits stretched over ``size``, and its softmax where asked for.

    One class at a time, so that memory does not grow with their number.
    """
    best = resample(logits[0], size).copy()
    class_map = np.zeros(size, np.uint8)
    for index in range(1, len(logits)):
        values = resample(logits[index], size)
        larger = values > best
        class_map[larger] = index
        np.copyto(best, values, where=larger)
    if not with_probs:
        return class_map, None
    total = np.zeros(size, np.float32)
    for plane in logits:
        total += np.exp(resample(plane, size) - best)
    return class_map, 1 / total


def _is_class_map(tensor: TensorSpec) -> bool:
    rank = len(tensor.shape)
    return (
        tensor.dtype in _MAP_TYPES
        and (rank == 3 or (rank == 4 and 1 in (tensor.shape[1], tensor.shape[3])))
        and tensor.shape[0] in (1, None)
    )


def _class_names(name: str, info: RuntimeInfo, given: Sequence[str] | None) -> tuple[str, ...]:
    first = info.outputs[0]
    channels = None if _is_class_map(first) else channels_of(info, first)
    if given is None and channels is None:
        raise UnknownLayout(
            f"{name}: its file does not tell how many classes there are; give their names in {name}.toml"
        )
    is_voc = first.name == "out" and channels == len(VOC_NAMES)
    return names_of(name, given=given, in_file=None, documented=VOC_NAMES if is_voc else (), count=channels)

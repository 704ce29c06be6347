"""Networks with the layouts of published ones that give maps of the whole image, and know the answer by color.

Each takes a normalized image and makes channels that are linear in red, green and blue of 0..1.
"""

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tests.models.graphs import onnx_bytes

Array = NDArray[np.generic]


def color_maps(
    weights: Array,
    biases: Array,
    *,
    mean: tuple[float, float, float] = (0, 0, 0),
    std: tuple[float, float, float] = (1, 1, 1),
    input_name: str = "input",
    outputs: tuple[str, ...] = ("out",),
    canvas: tuple[int, int] | None = None,
    stride: int = 1,
    ending: str | None = None,
    half: bool = False,
) -> bytes:
    """An ONNX file whose output is ``weights`` (C, 3) @ color + ``biases`` (C,) at every pixel.

    ``mean`` and ``std``: what the file undoes, so that the answer is only right where the program does the same.
    ``outputs``: the first is the answer, others are maps of -1, as far from it as can be. ``stride``: the output is
    so many times smaller. ``ending``: an operator after the last step ("Sigmoid", "Softmax", "ArgMax"). ``half``: the
    file's tensors are float16.
    """
    weights, biases = np.asarray(weights, np.float32), np.asarray(biases, np.float32)
    kernel = (weights * np.array(std, np.float32))[:, :, None, None]
    shift = biases + weights @ np.array(mean, np.float32)
    kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    height, width = canvas or ("height", "width")
    nodes = [
        helper.make_node("Cast", [input_name], ["full"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["full", "kernel", "shift"], ["linear"]),
        helper.make_node(
            "AveragePool", ["linear"], ["small"], kernel_shape=[stride] * 2, strides=[stride] * 2
        ),
    ]
    last = "small"
    if ending == "ArgMax":
        nodes.append(helper.make_node("ArgMax", ["small"], [outputs[0]], axis=1, keepdims=0))
    else:
        if ending is not None:
            options = {"axis": 1} if ending == "Softmax" else {}
            nodes.append(helper.make_node(ending, ["small"], ["ended"], **options))
            last = "ended"
        nodes.append(helper.make_node("Cast", [last], [outputs[0]], to=kind))
    for name in outputs[1:]:
        nodes.append(helper.make_node("Mul", ["small", "nothing"], [f"{name}_zero"]))
        nodes.append(helper.make_node("Sub", [f"{name}_zero", "one"], [name]))
    channels = len(weights)
    infos = [helper.make_tensor_value_info(name, kind, [1, channels, None, None]) for name in outputs]
    if ending == "ArgMax":
        infos[0] = helper.make_tensor_value_info(outputs[0], TensorProto.INT64, [1, None, None])
    constants = {"kernel": kernel, "shift": shift, "nothing": np.float32(0), "one": np.float32(1)}
    return onnx_bytes(
        nodes,
        [helper.make_tensor_value_info(input_name, kind, [1, 3, height, width])],
        infos,
        [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in constants.items()],
    )


def rectangle_image(size: tuple[int, int], box: tuple[int, int, int, int], color=(255, 255, 255)) -> Array:
    """(H, W, 3) uint8, black but for a rectangle x1 y1 x2 y2."""
    image = np.zeros((*size, 3), np.uint8)
    x1, y1, x2, y2 = box
    image[y1:y2, x1:x2] = color
    return image


def iou(first: Array, second: Array) -> float:
    """Of two (H, W) bool masks; 1 where both are empty."""
    union = (first | second).sum()
    return float((first & second).sum() / union) if union else 1.0

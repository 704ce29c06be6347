"""Read the constants of a TensorFlow 1 frozen graph, without TensorFlow.

A frozen graph is one protobuf message, GraphDef; trained weights are its nodes of the kind Const. Only the fields
that lead to a constant's numbers are declared here; protobuf skips all others. Source:
https://github.com/tensorflow/tensorflow/tree/master/tensorflow/core/framework (graph.proto, node_def.proto,
attr_value.proto, tensor.proto, tensor_shape.proto).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory
from numpy.typing import NDArray

from maskweave.errors import NotAModel, UnknownLayout
from maskweave.runtimes.model_files import refuse_other_files

_MAX_BYTES = 1 << 30  # bytes of a file: the network read here has 0.07 of that
_FLOAT, _HALF = 1, 19  # of TensorFlow's DataType
_MAX_NUMBERS = 1 << 28  # of one constant

_Field = descriptor_pb2.FieldDescriptorProto
_ONE, _MANY = _Field.LABEL_OPTIONAL, _Field.LABEL_REPEATED
# message: (field, its number, its kind or message, how many)
_MESSAGES: dict[str, tuple[tuple[str, int, int | str, Any], ...]] = {
    "Graph": (("node", 1, "Node", _MANY),),
    "Node": (
        ("name", 1, _Field.TYPE_BYTES, _ONE),
        ("op", 2, _Field.TYPE_BYTES, _ONE),
        ("attributes", 5, "Attribute", _MANY),
    ),
    "Attribute": (("key", 1, _Field.TYPE_BYTES, _ONE), ("value", 2, "Value", _ONE)),
    "Value": (("tensor", 8, "Tensor", _ONE),),
    "Tensor": (
        ("dtype", 1, _Field.TYPE_INT32, _ONE),
        ("shape", 2, "Shape", _ONE),
        ("content", 4, _Field.TYPE_BYTES, _ONE),
        ("floats", 5, _Field.TYPE_FLOAT, _MANY),
        ("halves", 13, _Field.TYPE_INT32, _MANY),
    ),
    "Shape": (("dims", 2, "Dim", _MANY),),
    "Dim": (("size", 1, _Field.TYPE_INT64, _ONE),),
}


class FrozenGraph:
    """The float constants of a frozen graph, by name; each is decoded when it is asked for."""

    def __init__(self, name: str, tensors: dict[str, Any]) -> None:
        self.name = name
        self._tensors = tensors

    def constant(self, name: str, shape: tuple[int | None, ...]) -> NDArray[np.float32]:
        """The constant ``name``; None in ``shape`` stands for any length.

        Raises `UnknownLayout` when there is none of that name or its shape is another, `NotAModel` when its numbers
        are damaged or no floats.
        """
        if name not in self._tensors:
            raise UnknownLayout(
                f"{self.name}: need the constant {name} {_shape_text(shape)}, it has none of that name "
                f"({len(self._tensors)} others); is it a frozen Mask R-CNN inception v2?"
            )
        array = self._decoded(name)
        fits = array.ndim == len(shape) and all(
            need in (None, got) for need, got in zip(shape, array.shape, strict=True)
        )
        if not fits:
            raise UnknownLayout(
                f"{self.name}: need the constant {name} {_shape_text(shape)}, got {_shape_text(array.shape)}"
            )
        return array

    def _decoded(self, name: str) -> NDArray[np.float32]:
        tensor = self._tensors[name]
        shape = tuple(dim.size for dim in tensor.shape.dims)
        if tensor.dtype not in (_FLOAT, _HALF):
            raise NotAModel(
                f"{self.name}: need {name} to be float32 or float16, got TensorFlow's type {tensor.dtype}"
            )
        count = math.prod(shape)
        if min(shape, default=0) < 0 or count > _MAX_NUMBERS:
            raise NotAModel(f"{self.name}: {name} cannot have the shape {_shape_text(shape)}")
        numbers = self._numbers(name, tensor)
        # As TensorFlow does: fewer numbers than places means that the last one goes on.
        if len(numbers) > count or (count and not len(numbers)):
            raise NotAModel(
                f"{self.name}: {name} {_shape_text(shape)} needs {count} numbers, got {len(numbers)}"
            )
        if len(numbers) < count:
            numbers = np.pad(numbers, (0, count - len(numbers)), mode="edge")
        if not np.isfinite(numbers).all():
            raise NotAModel(f"{self.name}: need finite numbers in {name}, got infinities or NaN")
        return numbers.reshape(shape)

    def _numbers(self, name: str, tensor: Any) -> NDArray[np.float32]:
        kind = np.dtype("<f4" if tensor.dtype == _FLOAT else "<f2")
        if tensor.content:
            if len(tensor.content) % kind.itemsize:
                raise NotAModel(
                    f"{self.name}: {name} needs {kind.itemsize} bytes a number, got {len(tensor.content)} bytes"
                )
            return np.frombuffer(tensor.content, kind).astype(np.float32)
        if tensor.dtype == _FLOAT:
            return np.array(tensor.floats, np.float32)
        bits = np.array(tensor.halves, np.int64) & 0xFFFF
        return bits.astype(np.uint16).view(np.float16).astype(np.float32)


def read_frozen_graph(path: Path) -> FrozenGraph:
    """Read a .pb file; raises `NotAModel` when it is none, or far too large."""
    if not path.is_file():
        raise NotAModel(
            f"{path}: need a frozen graph (.pb), found {'a folder' if path.is_dir() else 'nothing'}"
        )
    refuse_other_files(path, is_graph=True)
    size = path.stat().st_size
    if size > _MAX_BYTES:
        raise NotAModel(f"{path.name}: need a frozen graph of at most {_MAX_BYTES:,} bytes, got {size:,}")
    graph = _graph_class()()
    try:
        graph.ParseFromString(path.read_bytes())
    except message.DecodeError as error:
        raise NotAModel(
            f"{path.name}: need a frozen TensorFlow graph (a protobuf GraphDef): {error}"
        ) from error
    except OSError as error:
        raise NotAModel(f"{path}: cannot be read ({error.strerror or error})") from error
    tensors = {
        node.name.decode("utf-8", "replace"): attribute.value.tensor
        for node in graph.node
        if node.op == b"Const"
        for attribute in node.attributes
        if attribute.key == b"value"
    }
    if not tensors:
        raise NotAModel(
            f"{path.name}: need a frozen TensorFlow graph with its weights, got one without constants"
        )
    return FrozenGraph(path.name, tensors)


def _graph_class() -> Any:
    """The message class of a whole graph, in a pool of its own: others may have TensorFlow's names taken."""
    file = descriptor_pb2.FileDescriptorProto(name="frozen_graph.proto", package="maskweave", syntax="proto2")
    for name, fields in _MESSAGES.items():
        declared = file.message_type.add(name=name)
        for field, number, kind, label in fields:
            added = declared.field.add(name=field, number=number, label=label)
            if isinstance(kind, str):
                added.type, added.type_name = _Field.TYPE_MESSAGE, f".maskweave.{kind}"
            else:
                added.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("maskweave.Graph"))


def _shape_text(shape: tuple[int | None, ...]) -> str:
    return f"({', '.join('any' if edge is None else str(edge) for edge in shape)})"

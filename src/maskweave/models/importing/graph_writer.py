"""Write an ONNX graph, one operator after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

OPSET, IR_VERSION = 17, 8
"""The oldest that have what is needed, so that every supported ONNX Runtime and OpenVINO read the file."""


@dataclass(frozen=True)
class Features:
    """A tensor of a graph, (N, width, h, w), and what weights after it must fit: its ``width``."""

    name: str
    width: int


class GraphWriter:
    """Collects operators and constants; every method returns the name of the tensor that it makes.

    ``precise``: tensors that no engine may round to fewer bits, for the metadata.
    """

    def __init__(self) -> None:
        self.precise: list[str] = []
        self._nodes: list[NodeProto] = []
        self._constants: dict[str, TensorProto] = {}

    def op(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Add an operator with one output, which goes by ``name`` where one is given."""
        return self.ops(kind, *inputs, outputs=(name or f"{kind}_{len(self._nodes)}",), **attributes)[0]

    def ops(self, kind: str, *inputs: str, outputs: tuple[str, ...], **attributes: Any) -> tuple[str, ...]:
        """Add an operator with several outputs."""
        self._nodes.append(helper.make_node(kind, list(inputs), list(outputs), outputs[0], **attributes))
        return outputs

    def floats(self, value: Any, name: str = "") -> str:
        """A float32 constant; one that has been added under this ``name`` is used again."""
        return self._constant(np.asarray(value, np.float32), name)

    def integers(self, value: Any) -> str:
        """An int64 constant."""
        return self._constant(np.asarray(value, np.int64), "")

    def _constant(self, value: NDArray[Any], name: str) -> str:
        name = name or f"constant_{len(self._constants)}"
        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(
                np.ascontiguousarray(value).reshape(value.shape), name
            )
        return name

    def model(
        self, name: str, inputs: list[ValueInfoProto], outputs: list[ValueInfoProto], metadata: dict[str, str]
    ) -> ModelProto:
        """The whole model."""
        graph = helper.make_graph(self._nodes, name, inputs, outputs, list(self._constants.values()))
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="maskweave",
        )
        helper.set_model_props(model, metadata)
        return model

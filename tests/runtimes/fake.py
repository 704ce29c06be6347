"""An engine without an engine, for tests of everything around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from maskweave.errors import EngineError
from maskweave.runtimes.base import RuntimeInfo, Tensors, TensorSpec


class FakeRuntime:
    """Answers with ``answer``, and keeps the inputs of every run.

    - ``answer``: the outputs, or a function from inputs to outputs.
    - ``inputs``, ``outputs``, ``metadata``, ``engine``, ``concurrency``: what `describe` gives. Without ``outputs``
      they are read off ``answer``, unless that is a function.

    After a run ``seen`` is the list of all inputs so far. `close` sets ``closed``.

    >>> import numpy as np
    >>> FakeRuntime({"out": np.ones(2)}).run({"in": np.zeros(1)})["out"].tolist()
    [1.0, 1.0]
    """

    def __init__(
        self,
        answer: Callable[[Tensors], Tensors] | Tensors,
        *,
        inputs: tuple[TensorSpec, ...] = (),
        outputs: tuple[TensorSpec, ...] = (),
        metadata: Mapping[str, str] | None = None,
        engine: str = "fake",
        concurrency: int = 1,
    ) -> None:
        self.answer = answer
        if not outputs and not callable(answer):
            outputs = tuple(TensorSpec(name, array.shape, array.dtype.name) for name, array in answer.items())
        self.info = RuntimeInfo(engine, "0", "cpu", inputs, outputs, dict(metadata or {}), concurrency)
        self.seen: list[Tensors] = []
        self.closed = False

    def run(self, inputs: Tensors) -> Tensors:
        """Keep ``inputs`` and return the answer."""
        if self.closed:
            raise EngineError("fake: the network was closed; load it again")
        self.seen.append(inputs)
        return self.answer(inputs) if callable(self.answer) else dict(self.answer)

    def describe(self) -> RuntimeInfo:
        """See `Runtime`."""
        return self.info

    def close(self) -> None:
        """Refuse to run from now on."""
        self.closed = True

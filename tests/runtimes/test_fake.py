"""The engine for tests."""

import numpy as np
import pytest

from maskweave.errors import EngineError
from maskweave.runtimes.base import TensorSpec
from tests.runtimes.fake import FakeRuntime


def test_answers_and_remembers():
    runtime = FakeRuntime({"y": np.ones((2, 3), np.float32)})
    inputs = {"x": np.zeros(1)}
    np.testing.assert_array_equal(runtime.run(inputs)["y"], np.ones((2, 3)))
    assert runtime.seen == [inputs]
    assert runtime.describe().outputs == (TensorSpec("y", (2, 3), "float32"),)


def test_computes():
    runtime = FakeRuntime(lambda inputs: {"y": inputs["x"] + 1}, metadata={"a": "b"})
    assert runtime.run({"x": np.zeros(1)})["y"].tolist() == [1]
    assert runtime.describe().outputs == ()
    assert runtime.describe().metadata == {"a": "b"}


def test_closed():
    runtime = FakeRuntime({})
    runtime.close()
    assert runtime.closed
    with pytest.raises(EngineError, match="was closed"):
        runtime.run({})

"""OpenVINO: the contract of `Runtime`, and the same answers as ONNX Runtime."""

import sys

import numpy as np
import pytest

from maskweave.errors import DeviceUnavailable, EngineError, InvalidValue, MissingDependency, NotAModel
from maskweave.models.loading import RuntimeOptions, load_model
from maskweave.runtimes.onnxruntime import OnnxRuntime
from tests.models.tiny import save_tiny_model


def test_without_it_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "maskweave.runtimes.openvino", raising=False)
    with pytest.raises(MissingDependency, match=r"pip install 'maskweave\[openvino\]'"):
        load_model(save_tiny_model(tmp_path / "tiny.onnx"), options=RuntimeOptions(runtime="openvino"))


@pytest.fixture
def runtime_class():
    pytest.importorskip("openvino", reason="needs OpenVINO (pip install maskweave[openvino])")
    from maskweave.runtimes.openvino import OpenVINORuntime

    return OpenVINORuntime


def tiny_input():
    return {"image": np.random.default_rng(0).integers(0, 256, (1, 64, 96, 3), dtype=np.uint8)}


@pytest.mark.engine
@pytest.mark.parametrize("as_bytes", [False, True])
def test_same_answers_and_description_as_onnxruntime(tmp_path, runtime_class, as_bytes):
    path = save_tiny_model(tmp_path / "tiny.onnx")
    model = path.read_bytes() if as_bytes else path
    runtime, expected = runtime_class(model, precision="f32", threads=1), OnnxRuntime(path)
    info, told = runtime.describe(), expected.describe()
    assert (info.engine, info.device) == ("openvino", "cpu in f32")
    assert (info.inputs, info.outputs, info.metadata) == (told.inputs, told.outputs, told.metadata)
    found, wanted = runtime.run(tiny_input()), expected.run(tiny_input())
    assert list(found) == list(wanted)
    for name, array in wanted.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-4, atol=1e-4)


@pytest.mark.engine
def test_results_outlive_the_next_run_and_the_network(tmp_path, runtime_class):
    runtime = runtime_class(save_tiny_model(tmp_path / "tiny.onnx"), precision="f32")
    first = runtime.run(tiny_input())
    copies = {name: array.copy() for name, array in first.items()}
    runtime.run({"image": np.zeros((1, 64, 96, 3), np.uint8)})
    runtime.close()
    for name, array in first.items():
        np.testing.assert_array_equal(array, copies[name])
    with pytest.raises(EngineError, match="closed"):
        runtime.run(tiny_input())


@pytest.mark.engine
def test_what_it_refuses(tmp_path, runtime_class):
    path = save_tiny_model(tmp_path / "tiny.onnx")
    with pytest.raises(EngineError, match="inputs: need image, got other"):
        runtime_class(path).run({"other": np.zeros(1)})
    with pytest.raises(InvalidValue, match="device: need one of cpu, gpu, npu"):
        runtime_class(path, device="abacus")
    with pytest.raises(DeviceUnavailable, match="device npu: OpenVINO finds CPU"):
        runtime_class(path, device="npu")
    with pytest.raises(InvalidValue, match="threads"):
        runtime_class(path, threads=0)
    with pytest.raises(InvalidValue, match="precision: need f32, bf16 or f16, got 'int3'"):
        runtime_class(path, precision="int3")
    with pytest.raises(NotAModel, match="found none"):
        runtime_class(tmp_path / "none.onnx")
    path.write_bytes(b"no model")
    with pytest.raises(NotAModel, match=r"tiny\.onnx"):
        runtime_class(path)


@pytest.mark.engine
@pytest.mark.parametrize("precision", [None, "bf16"])
def test_positions_stay_precise_where_the_network_is_rounded(runtime_class, precision):
    """A product in bf16 beside a position that the file calls precise: the position keeps its digits."""
    from onnx import TensorProto, helper, numpy_helper

    from tests.models.graphs import onnx_bytes

    nodes = [
        helper.make_node("Abs", ["x"], ["size"]),
        helper.make_node("Sqrt", ["size"], ["root"]),
        helper.make_node("Mul", ["root", "root"], ["position"]),
        helper.make_node("Add", ["position", "half"], ["middle"]),
        helper.make_node("Floor", ["middle"], ["place"]),
        helper.make_node("Cast", ["place"], ["row"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "row"], ["found"]),
        helper.make_node("MatMul", ["found", "mix"], ["y"]),
    ]
    table = np.repeat(np.arange(512, dtype=np.float32) % 256, 8).reshape(512, 8)
    constants = {
        "half": np.array([0.5], np.float32),
        "table": table,
        "mix": np.eye(8, dtype=np.float32),
    }
    data = onnx_bytes(
        nodes,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 8])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
        metadata={"maskweave.precise": "row"},
    )
    x = np.arange(300, 500, dtype=np.float32)
    found = runtime_class(data, precision=precision).run({"x": x})["y"]
    np.testing.assert_allclose(found, table[x.astype(int)], atol=0.01)

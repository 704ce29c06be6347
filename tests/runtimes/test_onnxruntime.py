"""The ONNX Runtime engine: devices, threads, and files and inputs that are wrong."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from maskweave.errors import DeviceUnavailable, EngineError, InvalidValue, NotAModel
from maskweave.runtimes.base import TensorSpec
from maskweave.runtimes.onnx_files import external_locations
from maskweave.runtimes.onnxruntime import OnnxRuntime, available_devices, describe_file
from tests.models.graphs import onnx_bytes

pytestmark = pytest.mark.engine


def add_model(metadata=None):
    """y = x + x for (n, 3) float32, and how many rows there are as int64."""
    return onnx_bytes(
        [helper.make_node("Add", ["x", "x"], ["y"]), helper.make_node("Shape", ["x"], ["shape"])],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3]),
            helper.make_tensor_value_info("shape", TensorProto.INT64, [2]),
        ],
        metadata=metadata,
    )


def external_model(location, *, inside_constant=False):
    """y = x + w, w being in another file."""
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3])
    weights.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "12")):
        weights.external_data.add(key=key, value=value)
    nodes = [helper.make_node("Add", ["x", "w"], ["y"])]
    if inside_constant:
        nodes.insert(0, helper.make_node("Constant", [], ["w"], value=weights))
    return onnx_bytes(
        nodes,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3])],
        [] if inside_constant else [numpy_helper.from_array(np.ones(9, np.float32), "other"), weights],
    )


def test_runs_a_file_and_bytes(tmp_path):
    path = tmp_path / "add.onnx"
    path.write_bytes(add_model())
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    for source in (path, str(path), add_model()):
        found = OnnxRuntime(source).run({"x": x})
        np.testing.assert_array_equal(found["y"], 2 * x)
        assert found["shape"].tolist() == [2, 3]


def test_describes_itself():
    info = OnnxRuntime(add_model({"family": "none"}), threads=1).describe()
    assert (info.engine, info.engine_version, info.device) == ("onnxruntime", onnxruntime.__version__, "cpu")
    assert info.inputs == (TensorSpec("x", (None, 3), "float32"),)
    assert info.outputs == (TensorSpec("y", (None, 3), "float32"), TensorSpec("shape", (2,), "int64"))
    assert info.metadata == {"family": "none"}


def test_threads_reach_the_engine(monkeypatch):
    seen = []
    real = onnxruntime.InferenceSession
    monkeypatch.setattr(
        onnxruntime, "InferenceSession", lambda *args, **more: seen.append(args[1]) or real(*args, **more)
    )
    OnnxRuntime(add_model(), threads=2)
    OnnxRuntime(add_model())
    assert [(each.intra_op_num_threads, each.inter_op_num_threads) for each in seen] == [(2, 1), (0, 1)]
    with pytest.raises(InvalidValue, match="threads: need 1 or more, got 0"):
        OnnxRuntime(add_model(), threads=0)


def test_two_runs_at_a_time_share_the_threads_and_give_the_same(monkeypatch):
    """The first run is held until the second is done, so that they are under way at the same time."""
    seen, second_done, first_begun = [], threading.Event(), threading.Event()

    class Session:
        def __init__(self, source, options, **more):
            self.threads = options.intra_op_num_threads
            self.real = real(source, options, **more)
            seen.append(self.threads)

        def __getattr__(self, name):
            return getattr(self.real, name)

        def run(self, names, inputs):
            if self.threads == 4:
                first_begun.set()
                assert second_done.wait(30)
            return self.real.run(names, inputs)

    real = onnxruntime.InferenceSession
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    network = OnnxRuntime(add_model(), threads=4)
    assert network.describe().concurrency == 2
    assert seen == [4]
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(network.run, {"x": x})
        assert first_begun.wait(30)
        second = network.run({"x": x})
        second_done.set()
        np.testing.assert_array_equal(first.result()["y"], second["y"])
    assert seen == [4, 2]


@pytest.mark.parametrize("threads", [1, 2])
def test_one_thread_is_one_lane(threads):
    assert OnnxRuntime(add_model(), threads=threads).describe().concurrency == threads


def test_a_large_model_and_one_with_weights_elsewhere_are_loaded_once(tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    path.write_bytes(external_model("w.bin"))
    (tmp_path / "w.bin").write_bytes(np.ones(3, np.float32).tobytes())
    assert OnnxRuntime(path, threads=2).describe().concurrency == 1
    monkeypatch.setattr("maskweave.runtimes.onnxruntime._SMALL", 10)
    assert OnnxRuntime(add_model(), threads=2).describe().concurrency == 1


def test_devices():
    assert "cpu" in available_devices()
    with pytest.raises(InvalidValue, match=r"device: need one of cpu, cuda, .* got 'gpu'"):
        OnnxRuntime(add_model(), device="gpu")
    with pytest.raises(InvalidValue, match="got 'cuda:x'"):
        OnnxRuntime(add_model(), device="cuda:x")
    with pytest.raises(InvalidValue, match="got 'cpu:1'"):
        OnnxRuntime(add_model(), device="cpu:1")


def test_a_device_that_is_not_built_in(monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(
        DeviceUnavailable, match="device cuda: the installed ONNX Runtime serves cpu; install"
    ):
        OnnxRuntime(add_model(), device="cuda")


class FallsBack:
    """What InferenceSession does when the driver is missing: a session, on the processor."""

    def __init__(self, source, options, *, providers, enable_fallback):
        self.asked = providers

    def get_providers(self):
        return ["CPUExecutionProvider"]


def test_a_silent_fallback_is_loud(monkeypatch):
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    monkeypatch.setattr(onnxruntime, "InferenceSession", FallsBack)
    with pytest.raises(
        DeviceUnavailable, match=r"CUDAExecutionProvider was asked for, but .* serves model with CPU"
    ):
        OnnxRuntime(add_model(), device="cuda:1")


def test_a_provider_that_fails_to_start(monkeypatch):
    def fail(*args, **more):
        raise RuntimeError("CUDA failure 35: driver version is\ninsufficient")

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", fail)
    with pytest.raises(
        DeviceUnavailable, match="does not serve model: CUDA failure 35: driver version is insuff"
    ):
        OnnxRuntime(add_model(), device="cuda")


def test_the_numbered_device_is_asked_for(monkeypatch):
    asked = []
    real = onnxruntime.InferenceSession

    def note(source, options, *, providers, enable_fallback):
        asked.extend([*providers, enable_fallback])
        return real(source, options, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", note)
    with pytest.raises(DeviceUnavailable):
        OnnxRuntime(add_model(), device="cuda:1")
    assert asked == [("CUDAExecutionProvider", {"device_id": "1"}), ("CPUExecutionProvider", {}), 0]


@pytest.mark.parametrize("content", [b"", b"hello world, this is text\n" * 50, bytes(range(256)) * 20])
def test_files_that_are_no_models(tmp_path, content, capfd):
    path = tmp_path / "text.onnx"
    path.write_bytes(content)
    with pytest.raises(
        NotAModel, match=r"text\.onnx: need an ONNX model, got (an empty|a text|other or damaged)"
    ):
        OnnxRuntime(path)
    with pytest.raises(NotAModel, match="ONNX Runtime cannot load it as a model"):
        OnnxRuntime(content)
    assert capfd.readouterr() == ("", "")


def test_a_model_cut_short(tmp_path):
    path = tmp_path / "cut.onnx"
    path.write_bytes(add_model()[:-40])
    with pytest.raises(NotAModel, match=r"cut.onnx"):
        OnnxRuntime(path)


def test_missing_file(tmp_path):
    with pytest.raises(NotAModel, match=r"need an .onnx file, found nothing"):
        OnnxRuntime(tmp_path / "none.onnx")
    with pytest.raises(NotAModel, match="found a folder"):
        OnnxRuntime(tmp_path)


@pytest.mark.parametrize(
    ("inputs", "complaint"),
    [
        ({}, "inputs: need x, got none"),
        ({"image": np.zeros((1, 3), np.float32)}, "inputs: need x, got image"),
        ({"x": np.zeros((1, 3))}, r"input x: need \(any, 3\) float32, got \(1, 3\) float64"),
        ({"x": np.zeros((1, 4), np.float32)}, r"input x: need \(any, 3\) float32, got \(1, 4\) float32"),
        ({"x": np.zeros(3, np.float32)}, r"input x: need \(any, 3\) float32, got \(3,\) float32"),
    ],
)
def test_wrong_inputs(inputs, complaint):
    with pytest.raises(EngineError, match=complaint):
        OnnxRuntime(add_model()).run(inputs)


def test_a_file_is_described_as_the_engine_does(tmp_path):
    path = tmp_path / "add.onnx"
    path.write_bytes(add_model({"family": "none"}))
    info, file = OnnxRuntime(path).describe(), describe_file(path)
    assert (file.inputs, file.outputs, file.metadata) == (info.inputs, info.outputs, info.metadata)
    path.write_bytes(external_model("../secret.bin"))
    with pytest.raises(NotAModel, match="needs its weights in its own folder"):
        describe_file(path)


def test_a_network_that_fails_while_it_runs(capfd):
    content = onnx_bytes(
        [helper.make_node("Reshape", ["x", "shape"], ["y"])],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [7])],
        [numpy_helper.from_array(np.array([7], np.int64), "shape")],
    )
    with pytest.raises(EngineError, match="ONNX Runtime: the network failed") as caught:
        OnnxRuntime(content).run({"x": np.zeros(3, np.float32)})
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_closed():
    runtime = OnnxRuntime(add_model())
    runtime.close()
    with pytest.raises(EngineError, match="was closed"):
        runtime.run({"x": np.zeros((1, 3), np.float32)})


def test_weights_beside_the_model_are_read(tmp_path):
    (tmp_path / "w.bin").write_bytes(np.arange(3, dtype=np.float32).tobytes())
    path = tmp_path / "model.onnx"
    path.write_bytes(external_model("w.bin"))
    assert OnnxRuntime(path).run({"x": np.zeros(3, np.float32)})["y"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("inside_constant", [False, True])
@pytest.mark.parametrize("where", ["../secret.bin", "{folder}/secret.bin", "link.bin"])
def test_weights_outside_the_models_folder_are_refused(tmp_path, where, inside_constant):
    (tmp_path / "secret.bin").write_bytes(bytes(12))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    path = folder / "model.onnx"
    path.write_bytes(external_model(where.format(folder=tmp_path), inside_constant=inside_constant))
    with pytest.raises(NotAModel, match="needs its weights in its own folder"):
        OnnxRuntime(path)


def test_missing_weights_and_weights_of_bytes(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(external_model("w.bin"))
    with pytest.raises(NotAModel):
        OnnxRuntime(path)
    with pytest.raises(NotAModel):
        OnnxRuntime(path.read_bytes())


def test_external_locations_agree_with_onnx(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(external_model("a/b.bin"))
    model = onnx.load(path, load_external_data=False)
    expected = [
        each.value for t in model.graph.initializer for each in t.external_data if each.key == "location"
    ]
    assert external_locations(path) == expected == ["a/b.bin"]
    path.write_bytes(add_model())
    assert external_locations(path) == []

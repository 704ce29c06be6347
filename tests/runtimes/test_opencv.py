"""The OpenCV engine, on whatever version of OpenCV is installed."""

import contextlib
import subprocess
import sys

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from maskweave.errors import DeviceUnavailable, EngineError, InvalidValue, NotAModel
from maskweave.runtimes import opencv
from maskweave.runtimes._read_opencv import log_levels, quiet
from maskweave.runtimes.base import TensorSpec
from maskweave.runtimes.opencv import OpenCVRuntime
from tests.models.graphs import crashing_graph, onnx_bytes, tiny_mask_rcnn

pytestmark = pytest.mark.engine
OUTPUTS = ("detection_out_final", "detection_masks")
ROWS = np.array([[0, 3, 0.9, 0.1, 0.2, 0.5, 0.9]])


@pytest.fixture
def tiny(tmp_path):
    return tiny_mask_rcnn(tmp_path, rows=ROWS, masks=np.ones((1, 90, 15, 15), np.float32))


@pytest.fixture
def double(tmp_path):
    """An ONNX file that doubles an image."""
    content = onnx_bytes(
        [helper.make_node("Add", ["image", "image"], ["twice"])],
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 4, 5])],
        [helper.make_tensor_value_info("twice", TensorProto.FLOAT, [1, 3, 4, 5])],
    )
    path = tmp_path / "double.onnx"
    path.write_bytes(content)
    return path


def red(value=255):
    image = np.zeros((1, 3, 32, 32), np.float32)
    image[:, 0] = value
    return {"image_tensor": image}


def test_both_outputs_of_a_text_graph(tiny):
    runtime = OpenCVRuntime(tiny[0], text_graph=tiny[1], outputs=OUTPUTS)
    found = runtime.run(red())
    assert {name: array.shape for name, array in found.items()} == {
        "detection_out_final": (1, 1, 1, 7),
        "detection_masks": (1, 90, 15, 15),
    }
    np.testing.assert_allclose(found["detection_out_final"][0, 0], ROWS, atol=1e-5)


def test_describes_itself(tiny):
    info = OpenCVRuntime(tiny[0], text_graph=tiny[1], outputs=OUTPUTS).describe()
    assert (info.engine, info.engine_version, info.device) == ("opencv", cv2.__version__, "cpu")
    assert [tensor.name for tensor in info.inputs] == ["image_tensor"]
    names = [
        tensor.name for tensor in info.outputs
    ]  # and a helper layer that OpenCV's importer has left over
    assert (names[0], names[-1]) == ("detection_out_final", "detection_masks")


def test_an_output_that_is_not_there_gives_the_networks_own(double):
    runtime = OpenCVRuntime(double, outputs=("detection_masks",))
    assert [tensor.name for tensor in runtime.describe().outputs] == ["twice"]


def test_a_result_outlives_the_next_run(tiny):
    runtime = OpenCVRuntime(tiny[0], text_graph=tiny[1], outputs=OUTPUTS)
    first = runtime.run(red())["detection_out_final"]
    kept = first.copy()
    runtime.run(red(128))
    np.testing.assert_array_equal(first, kept)


def test_onnx_file(double):
    image = np.random.default_rng(0).random((1, 3, 4, 5), dtype=np.float32)
    found = OpenCVRuntime(double).run({"image": image})
    assert [*found] == ["twice"]
    np.testing.assert_allclose(found["twice"], 2 * image, rtol=1e-6)


def test_an_onnx_file_is_described_by_itself(double):
    content = onnx.load(double)
    content.metadata_props.add(key="a", value="b")
    onnx.save(content, double)
    info = OpenCVRuntime(double).describe()
    assert info.engine == "opencv"
    assert info.inputs == (TensorSpec("image", (1, 3, 4, 5), "float32"),)
    assert info.outputs == (TensorSpec("twice", (1, 3, 4, 5), "float32"),)
    assert info.metadata == {"a": "b"}


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"photo": np.zeros((1, 3, 4, 5), np.float32)},
        {"image": np.zeros((1, 3, 4, 6), np.float32)},
        {"image": np.zeros((1, 3, 4, 5), np.uint8)},
    ],
)
def test_inputs_that_do_not_fit_an_onnx_file(double, inputs):
    with pytest.raises(EngineError, match=r"inputs?.*: need .*, got"):
        OpenCVRuntime(double, verified=True).run(inputs)


@pytest.mark.parametrize("verified", [False, True])
def test_opencv_writes_no_lines_of_its_own(double, verified, capfd):
    runtime = OpenCVRuntime(double, verified=verified)
    runtime.run({"image": np.zeros((1, 3, 4, 5), np.float32)})
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def odd(tmp_path):
    """An ONNX file with an operator that OpenCV does not have."""
    path = tmp_path / "odd.onnx"
    path.write_bytes(
        onnx_bytes(
            [helper.make_node("Multinomial", ["x"], ["y"], sample_size=2)],
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])],
            [helper.make_tensor_value_info("y", TensorProto.INT32, [1, 2])],
        )
    )
    return path


@pytest.mark.parametrize("verified", [False, True])
def test_an_onnx_file_that_opencv_cannot_run_says_what_to_do(odd, verified, capfd):
    with pytest.raises(
        NotAModel, match=r"^engine opencv cannot run odd\.onnx: .*; leave --runtime out$"
    ) as caught:
        OpenCVRuntime(odd, verified=verified)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_an_onnx_file_that_fails_while_it_runs(tmp_path, capfd):
    path = tmp_path / "seven.onnx"
    path.write_bytes(
        onnx_bytes(
            [helper.make_node("Reshape", ["x", "shape"], ["y"])],
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [7])],
            [numpy_helper.from_array(np.array([7], np.int64), "shape")],
        )
    )
    runtime = OpenCVRuntime(path)
    with pytest.raises(EngineError, match=r"^engine opencv cannot run seven\.onnx: .*; leave --runtime out$"):
        runtime.run({"x": np.zeros(3, np.float32)})
    assert capfd.readouterr() == ("", "")


def test_the_log_level_is_put_back():
    before = log_levels().getLogLevel()
    with contextlib.suppress(ZeroDivisionError), quiet():
        assert log_levels().getLogLevel() == 0
        _ = 1 / 0
    assert log_levels().getLogLevel() == before


def test_weights_outside_the_models_folder_are_refused(tmp_path):
    (tmp_path / "secret.bin").write_bytes(bytes(12))
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3], data_location=TensorProto.EXTERNAL)
    weights.external_data.add(key="location", value="../secret.bin")
    path = tmp_path / "model" / "model.onnx"
    path.parent.mkdir()
    path.write_bytes(
        onnx_bytes(
            [helper.make_node("Add", ["x", "w"], ["y"])],
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3])],
            [weights],
        )
    )
    with pytest.raises(NotAModel, match="needs its weights in its own folder"):
        OpenCVRuntime(path)


def test_a_graph_that_crashes_the_importer_is_no_model(tmp_path):
    model, text = crashing_graph(tmp_path)
    with pytest.raises(NotAModel, match=r"frozen.pb: OpenCV cannot load it as a model: it crashes OpenCV"):
        OpenCVRuntime(model, text_graph=text)


def test_a_graph_that_hangs_is_no_model(tmp_path, monkeypatch):
    def hang(command, **options):
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(opencv.subprocess, "run", hang)
    (tmp_path / "a.pb").write_bytes(b"x")
    with pytest.raises(NotAModel, match="did not load it within 120 s"):
        OpenCVRuntime(tmp_path / "a.pb")


@pytest.mark.parametrize("content", [b"", b"hello world, this is text\n" * 50, bytes(range(256)) * 20])
@pytest.mark.parametrize("suffix", [".pb", ".onnx"])
def test_files_that_are_no_models(tmp_path, content, suffix):
    path = tmp_path / f"text{suffix}"
    path.write_bytes(content)
    told = "need an ONNX model, got" if suffix == ".onnx" else "OpenCV cannot load it as a model"
    with pytest.raises(NotAModel, match=f"text{suffix}: {told}"):
        OpenCVRuntime(path)


def test_a_frozen_graph_without_its_text_graph(tiny):
    with pytest.raises(NotAModel, match=r"does it need its text graph \(\.pbtxt\)\?"):
        OpenCVRuntime(tiny[0])


def test_text_graph_that_is_none(tiny, tmp_path):
    text = tmp_path / "text.pbtxt"
    text.write_text("this is { no graph")
    with pytest.raises(NotAModel, match=r"frozen.pb"):
        OpenCVRuntime(tiny[0], text_graph=text)


def test_missing_files(tiny, tmp_path):
    with pytest.raises(NotAModel, match="need a model file, found nothing"):
        OpenCVRuntime(tmp_path / "none.pb")
    with pytest.raises(NotAModel, match="need a text graph file, found a folder"):
        OpenCVRuntime(tiny[0], text_graph=tmp_path)
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(NotAModel, match=r"needs a .pb or .onnx file, got .txt"):
        OpenCVRuntime(tmp_path / "a.txt")


def test_a_verified_file_is_not_loaded_twice(tiny, monkeypatch):
    monkeypatch.setattr(opencv.subprocess, "run", lambda *a, **k: pytest.fail("a child process was started"))
    OpenCVRuntime(tiny[0], text_graph=tiny[1], verified=True)


def test_the_child_failing_by_itself_is_not_blamed_on_the_file(tiny, monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(opencv.sys, "executable", sys.executable)
    failed = subprocess.CompletedProcess([], 1, "", "Traceback\nImportError: no cv2")
    monkeypatch.setattr(opencv.subprocess, "run", lambda *a, **k: failed)
    with pytest.raises(EngineError, match=r"could not check frozen.pb: ImportError: no cv2"):
        OpenCVRuntime(tiny[0], text_graph=tiny[1])


@pytest.mark.parametrize("device", ["cuda", "opencl", "cuda:0", "gpu"])
def test_other_devices_are_refused(tiny, device):
    with pytest.raises(DeviceUnavailable, match=f"device {device}: OpenCV serves this model on cpu only"):
        OpenCVRuntime(tiny[0], text_graph=tiny[1], device=device)


def test_threads(tiny):
    before = cv2.getNumThreads()
    try:
        OpenCVRuntime(tiny[0], text_graph=tiny[1], threads=1, verified=True)
        assert cv2.getNumThreads() == 1
        with pytest.raises(InvalidValue, match="threads: need 1 or more, got 0"):
            OpenCVRuntime(tiny[0], text_graph=tiny[1], threads=0, verified=True)
    finally:
        cv2.setNumThreads(before)


def test_wrong_inputs(tiny):
    runtime = OpenCVRuntime(tiny[0], text_graph=tiny[1], verified=True)
    with pytest.raises(EngineError, match="need image_tensor, got photo"):
        runtime.run({"photo": red()["image_tensor"]})
    with pytest.raises(EngineError, match="got none"):
        runtime.run({})
    with pytest.raises(EngineError, match="OpenCV: the network failed"):
        runtime.run({"image_tensor": np.zeros((1, 1, 8, 8), np.float32)})
    with pytest.raises(EngineError, match="OpenCV: the network failed"):
        runtime.run({"image_tensor": np.zeros((1, 3, 8, 8), np.complex64)})


def test_closed(tiny):
    runtime = OpenCVRuntime(tiny[0], text_graph=tiny[1], verified=True)
    runtime.close()
    with pytest.raises(EngineError, match="was closed"):
        runtime.run(red())

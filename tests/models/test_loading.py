import dataclasses
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from maskweave import models
from maskweave.catalog import download
from maskweave.catalog.entries import all_entries, find
from maskweave.errors import (
    InvalidValue,
    MissingDependency,
    ModelNotDownloaded,
    NotAModel,
    UnknownLayout,
    UnknownModel,
)
from maskweave.models import importing, loading
from maskweave.models.loading import FAMILIES, RuntimeOptions, load_model, open_runtime, recognize
from tests.models.classic import ClassicWeights, write_frozen
from tests.models.graphs import zoo_mask_rcnn
from tests.models.tiny import save_tiny_model

_NOT_FAMILIES = {"__init__", "base", "inspection", "loading", "sidecar", "tiling"}


def test_every_family_file_is_in_the_table():
    folder = Path(models.__file__).parent
    files = {path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")}
    assert files - _NOT_FAMILIES == set(FAMILIES)
    assert {entry.family for entry in all_entries()} <= set(FAMILIES)


@pytest.mark.parametrize("module", FAMILIES.values(), ids=FAMILIES)
def test_every_family_keeps_the_contract(module):
    assert callable(module.recognize)
    assert callable(module.build)
    assert module.__doc__
    assert "http" in module.__doc__


def test_a_users_file_is_recognized_and_says_why(tmp_path):
    path = save_tiny_model(tmp_path / "mine.onnx")
    runtime = open_runtime(path, RuntimeOptions())
    family, reason = recognize(runtime.describe())
    assert family == "compact"
    assert "metadata" in reason
    model = load_model(path, size=96)
    assert (model.name, model.long_side) == ("mine", 96)


def test_a_model_of_no_family_shows_its_tensors(tmp_path):
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "strange",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 7])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 7])],
    )
    path = tmp_path / "strange.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    with pytest.raises(
        UnknownLayout, match=r"fit none of the families .* inputs x 1x7 float32; outputs y 1x7"
    ):
        load_model(path)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("no/such.onnx", UnknownModel, "need a model file, but it does not exist"),
        ("nosuch", UnknownModel, "need a name from the catalog"),
        (".", UnknownModel, "got a folder"),
    ],
)
def test_names_that_lead_nowhere(name, error, message):
    with pytest.raises(error, match=message):
        load_model(name)


def test_a_frozen_graph_needs_its_text_graph(tmp_path):
    (tmp_path / "frozen.pb").write_bytes(b"\x0a\x00")
    with pytest.raises(NotAModel, match=r"put frozen.pbtxt beside it \(0 .pbtxt files are there\)"):
        load_model(tmp_path / "frozen.pb")


def test_options_that_a_model_does_not_have(tmp_path):
    with pytest.raises(InvalidValue, match="runtime: need onnxruntime, opencv or openvino, got 'abacus'"):
        RuntimeOptions(runtime="abacus")
    (tmp_path / "frozen.pb").write_bytes(b"\x0a\x00")
    (tmp_path / "frozen.pbtxt").write_text("")
    with pytest.raises(InvalidValue, match="which only opencv runs"):
        load_model(tmp_path / "frozen.pb", options=RuntimeOptions(runtime="onnxruntime"))


@pytest.fixture
def classic(tmp_path, monkeypatch):
    """A cache in which a thin network lies under the name of the classic, and the files' paths."""
    monkeypatch.setenv("MASKWEAVE_CACHE", str(tmp_path))
    graph = write_frozen(ClassicWeights(thin=16).made, tmp_path / "frozen_inference_graph.pb")
    text = tmp_path / "graph.pbtxt"
    text.write_text("")
    monkeypatch.setattr(download, "pull", lambda entry, **options: (graph, text))
    return graph


CLASSIC = "mask-rcnn-inception-v2"


def test_the_classic_is_imported_once_and_run_by_onnxruntime(classic, monkeypatch):
    model = load_model(CLASSIC)
    info = model.runtime.describe()
    assert (info.engine, model.name, len(model.class_names)) == ("onnxruntime", CLASSIC, 80)
    (made,) = classic.parent.glob("*.onnx")
    monkeypatch.setattr(importing, "import_frozen_graph", lambda path: pytest.fail("imported again"))
    assert load_model(CLASSIC, options=RuntimeOptions(runtime="onnxruntime")).labels == 90
    assert list(classic.parent.glob("*.onnx")) == [made]


def test_engine_opencv_runs_the_graph_itself(classic, monkeypatch):
    seen = []
    monkeypatch.setattr(loading, "_opencv", lambda path, options, **how: seen.append((path, how)))
    monkeypatch.setattr(loading, "build_as", lambda *arguments, **options: "model")
    assert load_model(CLASSIC, options=RuntimeOptions(runtime="opencv")) == "model"
    assert seen == [(classic, {"text_graph": classic.parent / "graph.pbtxt", "verified": True})]
    assert not list(classic.parent.glob("*.onnx"))


def test_without_the_extra_the_classic_runs_on_opencv_and_a_hint_is_given(classic, monkeypatch):
    def missing(path):
        raise MissingDependency("needs onnx. Use `pip install 'maskweave[import]'`.")

    monkeypatch.setattr(importing, "import_frozen_graph", missing)
    monkeypatch.setattr(loading, "_opencv", lambda path, options, **how: "opencv")
    monkeypatch.setattr(loading, "build_as", lambda family, runtime, *rest, **options: runtime)
    with pytest.warns(UserWarning, match=r"runs on OpenCV.*pip install 'maskweave\[import\]'"):
        assert load_model(CLASSIC) == "opencv"
    with pytest.raises(MissingDependency):
        load_model(CLASSIC, options=RuntimeOptions(runtime="onnxruntime"))


NEW_OPENCV = int(cv2.__version__.split(".")[0]) >= 5


def bright_image():
    image = np.zeros((80, 60, 3), np.uint8)
    image[10:50, 5:40] = (255, 40, 255)
    return image


def run_by_both(path):
    """What ONNX Runtime and OpenCV find with one file; a refusal of OpenCV must say what to do."""
    expected = load_model(path).predict(bright_image())
    options = RuntimeOptions(runtime="opencv")
    if not NEW_OPENCV:
        with pytest.raises(
            NotAModel, match=rf"^engine opencv cannot run {path.name}: .*; leave --runtime out$"
        ):
            load_model(path, options=options)
        return expected, None
    model = load_model(path, options=options)
    assert model.runtime.describe().engine == "opencv"
    return expected, model.predict(bright_image())


def test_a_network_of_the_compact_kind_runs_on_opencv_5(tmp_path, capfd):
    """Measured: OpenCV 5 runs compact files; 4.x those of fixed size whose outputs are not constant."""
    expected, found = run_by_both(save_tiny_model(tmp_path / "tiny.onnx"))
    if found is not None:
        assert found.names == expected.names == ("cat",)
        assert found.masks == expected.masks
    assert capfd.readouterr().err == ""


def test_the_zoos_layout_runs_on_opencv_5(tmp_path, capfd):
    path = tmp_path / "zoo.onnx"
    path.write_bytes(zoo_mask_rcnn())
    expected, found = run_by_both(path)
    if found is not None:
        assert found.names == expected.names
        np.testing.assert_array_equal(found.boxes, expected.boxes)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("canvas", [(64, 64), (64, 96)])
def test_a_fixed_export_takes_images_of_every_size(tmp_path, canvas):
    """An export of one size was accepted, and then failed at every image of another size."""
    model = load_model(save_tiny_model(tmp_path / "fixed.onnx", canvas=canvas))
    for size in ((80, 60), (64, 64), (1, 300), (500, 400)):
        image = np.zeros((*size, 3), np.uint8)
        image[: size[0] // 2 + 1] = 255
        found = model.predict(image)
        assert found.names == ("cat",)
        assert abs(int(found.masks.areas[0]) - (size[0] // 2 + 1) * size[1]) <= 0.15 * size[0] * size[1]


def test_the_class_names_of_an_entry_are_used(tmp_path, monkeypatch):
    path = tmp_path / "zoo.onnx"
    path.write_bytes(zoo_mask_rcnn())
    names = tuple(f"own {label}" for label in range(1, 81))
    entry = dataclasses.replace(find("mask-rcnn-r50-fpn"), class_names=names)
    monkeypatch.setattr(loading, "find", lambda name: entry)
    monkeypatch.setattr(download, "pull", lambda entry, **options: (path,))
    model = load_model("mask-rcnn-r50-fpn")
    assert (model.class_names, model.name) == (names, entry.name)
    with pytest.raises(InvalidValue, match="cannot be chosen; leave --size out"):
        load_model("mask-rcnn-r50-fpn", size=64)


def test_an_entry_that_names_its_classes_itself(tmp_path, monkeypatch):
    path = save_tiny_model(tmp_path / "compact-s.onnx")
    monkeypatch.setattr(loading, "locate", lambda entry: (path,))
    assert load_model("built-in").class_names == ("cat", "dog")


@pytest.mark.parametrize("offline", [None, True, False])
def test_offline_is_asked_once(monkeypatch, offline):
    asked = []

    def pull(entry, **options):
        asked.append(options["offline"])
        raise ModelNotDownloaded("none")

    monkeypatch.setattr(download, "pull", pull)
    with pytest.raises(ModelNotDownloaded):
        load_model("mask-rcnn-r50-fpn", offline=offline)
    assert asked == [offline]


def test_a_loaded_file_segments(tmp_path):
    image = np.zeros((80, 60, 3), np.uint8)
    image[10:50, 5:40] = 255
    found = load_model(save_tiny_model(tmp_path / "mine.onnx")).predict(image)
    assert found.names == ("cat",)
    assert abs(int(found.masks.areas[0]) - 40 * 35) < 120

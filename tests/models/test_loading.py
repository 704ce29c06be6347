from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from maskweave import models
from maskweave.catalogue.entries import ENTRIES
from maskweave.errors import InvalidValue, NotAModel, UnknownLayout, UnknownModel
from maskweave.models.loading import FAMILIES, EngineOptions, load_model, open_file, recognise
from tests.models.tiny import save_tiny_model

_NOT_FAMILIES = {"__init__", "base", "loading"}


def test_every_family_file_is_in_the_table():
    folder = Path(models.__file__).parent
    files = {path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")}
    assert files - _NOT_FAMILIES == set(FAMILIES)
    assert {entry.family for entry in ENTRIES} <= set(FAMILIES)


@pytest.mark.parametrize("module", FAMILIES.values(), ids=FAMILIES)
def test_every_family_keeps_the_contract(module):
    assert callable(module.recognise)
    assert callable(module.build)
    assert module.__doc__
    assert "http" in module.__doc__


def test_a_users_file_is_recognised_and_says_why(tmp_path):
    path = save_tiny_model(tmp_path / "mine.onnx")
    runtime = open_file(path, EngineOptions())
    family, reason = recognise(runtime.describe())
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
        ("no/such.onnx", UnknownModel, "need a model file, there is none"),
        ("nosuch", UnknownModel, "need a name from the catalogue"),
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
    with pytest.raises(InvalidValue, match="engine: need onnxruntime or opencv, got 'abacus'"):
        EngineOptions(engine="abacus")
    (tmp_path / "frozen.pb").write_bytes(b"\x0a\x00")
    (tmp_path / "frozen.pbtxt").write_text("")
    with pytest.raises(InvalidValue, match="which only opencv runs"):
        load_model(tmp_path / "frozen.pb", options=EngineOptions(engine="onnxruntime"))


def test_a_loaded_file_segments(tmp_path):
    image = np.zeros((80, 60, 3), np.uint8)
    image[10:50, 5:40] = 255
    found = load_model(save_tiny_model(tmp_path / "mine.onnx")).predict(image)
    assert found.names == ("cat",)
    assert abs(int(found.masks.areas[0]) - 40 * 35) < 120

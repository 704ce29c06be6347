"""What a user says about a model of theirs, in mine.toml beside mine.onnx."""

import re
import tomllib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from maskweave.errors import EngineError, InvalidValue, UnknownLayout
from maskweave.models import loading
from maskweave.models.inspection import inspect_file
from maskweave.models.loading import FAMILIES, load_model
from maskweave.models.sidecar import find_sidecar, options_of, read_sidecar, template
from maskweave.ops.preprocessing import Preprocessing
from tests.models.graphs import zoo_mask_rcnn
from tests.models.tiny import save_tiny_model


def told(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def strange_file(path, *, sides=(64, 96)):
    """A network that gives what D-FINE-seg gives, under the names that it uses, and whose masks are all of it."""
    values = {
        "labels": np.array([[1, 0]], np.int64),
        "boxes": np.array([[[8, 8, 40, 40], [50, 20, 60, 30]]], np.float32),
        "scores": np.array([[0.9, 0.1]], np.float32),
        "masks": np.ones((1, 2, 16, 24), np.float32),
    }
    nodes = [
        helper.make_node("Constant", [], [name], value=onnx.numpy_helper.from_array(value))
        for name, value in values.items()
    ]
    kinds = {"int64": TensorProto.INT64, "float32": TensorProto.FLOAT}
    outputs = [
        helper.make_tensor_value_info(name, kinds[value.dtype.name], value.shape)
        for name, value in values.items()
    ]
    inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, *sides])]
    graph = helper.make_graph(nodes, "strange", inputs, outputs)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


WHOLE = """
family = "dfine_seg"
class_names = ["cup", "", "plate"]
size = 96
score = 0.05
nms_iou = 0.4

[preprocessing]
order = "bgr"
scale = 1
mean = [1, 2, 3]
std = [4, 5.5, 6]
resize = "letterbox"
pad_value = 7
antialias = true
"""


def test_a_whole_sidecar_is_obeyed_in_everything(tmp_path):
    told(tmp_path, WHOLE)
    model = load_model(strange_file(tmp_path / "mine.onnx"))
    assert model.class_names == ("cup", "plate")
    assert (model.default_score, model.nms_iou) == (0.05, 0.4)
    assert model.fed.preprocessing == Preprocessing(
        "bgr", 1, (1, 2, 3), (4, 5.5, 6), resize="letterbox", pad_value=7, antialias=True
    )
    prepared = model.prepare(np.full((40, 96, 3), (10, 20, 30), np.uint8))
    (tensor,) = prepared.inputs["input"]
    np.testing.assert_allclose(tensor[:, 30, 0], [(30 - 1) / 4, (20 - 2) / 5.5, (10 - 3) / 6], rtol=1e-6)
    np.testing.assert_allclose(tensor[:, 0, 0], [(7 - 1) / 4, (7 - 2) / 5.5, (7 - 3) / 6], rtol=1e-6)
    assert prepared.letterbox.offset == (12, 0)
    assert model.predict(np.zeros((40, 96, 3), np.uint8)).names == ("cup",)  # label 1 is never reported


def test_without_a_sidecar_the_family_is_recognized_and_the_names_are_said_to_be_assumed(tmp_path):
    path = strange_file(tmp_path / "mine.onnx")
    assert find_sidecar(path, FAMILIES) is None
    with pytest.warns(
        UserWarning, match=r"mine does not name its classes: .*; give class_names in mine\.toml"
    ):
        model = load_model(path)
    assert model.class_names[:2] == ("person", "bicycle")


def test_a_sidecar_wins_over_recognition(tmp_path):
    """Even where it is wrong: then it is the family that says what it misses."""
    told(tmp_path, 'family = "rfdetr_seg"\nclass_names = ["a", "b"]')
    model = load_model(strange_file(tmp_path / "mine.onnx"))
    with pytest.raises(
        EngineError, match=r"mine: need outputs dets \(1, …, …\), .* got labels \(1, 2\), boxes"
    ):
        model.predict(np.zeros((8, 8, 3), np.uint8))
    told(tmp_path, 'family = "mask_rcnn_onnx"')
    with pytest.raises(UnknownLayout, match=r"need one input \(3, H, W\)"):
        load_model(tmp_path / "mine.onnx")


def test_a_sidecar_without_a_family_changes_the_rest(tmp_path):
    told(tmp_path, f"class_names = {[f'own {index}' for index in range(80)]}\nscore = 0.85")
    (tmp_path / "mine.onnx").write_bytes(zoo_mask_rcnn())
    model = load_model(tmp_path / "mine.onnx")
    assert model.class_names[1] == "own 1"
    assert model.default_score == 0.85


def test_the_size_of_the_call_wins(tmp_path):
    told(tmp_path, "size = 128")
    path = save_tiny_model(tmp_path / "mine.onnx")
    assert load_model(path).long_side == 128
    assert load_model(path, size=96).long_side == 96


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("family = 'yolo'", r"mine\.toml: family: need one of compact, .*, got 'yolo'"),
        ("family = ['yolo_seg']", r"family: need one of .*, got \['yolo_seg'\]"),
        ("class_names = 'cat'", "class_names: need a list of names, got 'cat'"),
        ("class_names = []", "class_names: need a list of names"),
        ("class_names = ['a', 1]", "class_names: need a list of names"),
        ("class_names = ['', '']", "class_names: need a list of names"),
        ("size = 64.5", "size: need a number of pixels, got 64.5"),
        ("size = true", "size: need a number of pixels"),
        ("class_names = ['a']\nsize = 16", "size: need 32 to 4096 pixels, got 16"),
        ("class_names = ['a']\nsize = 128", "size: the input of mine is always 64x96, got 128"),
        ("score = 1.5", "score: need a number from 0 to 1, got 1.5"),
        ("score = nan", "score: need a number from 0 to 1, got nan"),
        ("nms_iou = '0.7'", "nms_iou: need a number from 0 to 1, got '0.7'"),
        ("sizes = 64", r"sizes: need one of family, class_names, .*preprocessing; there is no such key"),
        ("preprocessing = 1", "preprocessing: need a table, got 1"),
        (
            "[preprocessing]\nmeans = 1",
            r"preprocessing\.means: dfine_seg does not take it, only order, scale, mean",
        ),
        ("[preprocessing]\norder = 'grb'", 'preprocessing.order: need "rgb" or "bgr", got \'grb\''),
        ("[preprocessing]\nscale = 0", "preprocessing.scale: need a number above 0, got 0"),
        ("[preprocessing]\nscale = inf", "preprocessing.scale: need a number above 0"),
        ("[preprocessing]\nmean = [0, 0]", "preprocessing.mean: need three numbers"),
        ("[preprocessing]\nmean = 0.5", "preprocessing.mean: need three numbers, got 0.5"),
        ("[preprocessing]\nstd = [1, 1, 0]", "preprocessing.std: need three numbers above 0"),
        (
            "[preprocessing]\nresize = 'crop'",
            'preprocessing.resize: need "squash", "stretch", "letterbox" or',
        ),
        ("[preprocessing]\npad_value = 256", "preprocessing.pad_value: need a whole number from 0 to 255"),
        ("[preprocessing]\npad_value = 1.0", "preprocessing.pad_value: need a whole number"),
        ("[preprocessing]\nantialias = 1", "preprocessing.antialias: need true or false, got 1"),
        ("family = ", r"mine\.toml: need a file in TOML: "),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path, text, message):
    told(tmp_path, text)
    path = strange_file(tmp_path / "mine.onnx")
    with pytest.raises(InvalidValue, match=message) as caught:
        load_model(path)
    assert "\n" not in str(caught.value)


def test_a_file_of_bytes_is_no_sidecar(tmp_path):
    (tmp_path / "mine.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidValue, match=r"mine\.toml: need a file in TOML"):
        read_sidecar(tmp_path / "mine.toml", FAMILIES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class_names = ['a']", r"mine\.toml: class_names: compact does not take it, only score, size"),
        ("[preprocessing]\nscale = 1", "preprocessing: compact does not take it"),
    ],
)
def test_a_key_that_the_family_has_no_use_for(tmp_path, text, message):
    told(tmp_path, text)
    with pytest.raises(InvalidValue, match=message):
        load_model(save_tiny_model(tmp_path / "mine.onnx"))


@pytest.mark.parametrize("module", FAMILIES.values(), ids=FAMILIES)
def test_what_a_family_lets_a_sidecar_choose_has_a_default(module):
    for default in options_of(module).values():
        assert default is None or isinstance(default, bool | float | tuple | Preprocessing)


def unknown_file(path):
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "strange",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, None, 7])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, None, 7])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def test_a_model_of_no_family_gets_a_sidecar_to_fill_in_that_is_whole(tmp_path):
    with pytest.raises(UnknownLayout, match=r"inputs x 1x\?x7 float32; outputs y 1x\?x7 float32") as caught:
        load_model(unknown_file(tmp_path / "mine.onnx"))
    shown = str(caught.value).split("filled in:\n")[1]
    assert shown == template("mine", FAMILIES)
    assert all(family in shown for family in FAMILIES)
    content = tomllib.loads(shown)
    assert set(content) == set(tomllib.loads(WHOLE))
    assert set(content["preprocessing"]) == set(tomllib.loads(WHOLE)["preprocessing"])
    with pytest.raises(InvalidValue, match=r"mine\.toml: family: need one of .*, got ''"):
        read_sidecar(told(tmp_path, shown), FAMILIES)
    filled = read_sidecar(told(tmp_path, re.sub('family = ""', 'family = "dfine_seg"', shown)), FAMILIES)
    assert filled.options("dfine_seg", FAMILIES["dfine_seg"])["preprocessing"].scale == 1 / 255


def test_an_inspection_of_each_outcome(tmp_path):
    unknown = inspect_file(unknown_file(tmp_path / "unknown.onnx"))
    assert (unknown.match, unknown.class_names) == (None, ())
    assert "fit none of the families" in unknown.problem
    told(tmp_path, WHOLE)
    fine = inspect_file(strange_file(tmp_path / "mine.onnx"))
    assert (fine.match.family, fine.match.reason) == ("dfine_seg", "mine.toml says so")
    assert (fine.class_names, fine.default_score, fine.problem) == (("cup", "plate"), 0.05, "")
    assert fine.preprocessing == (
        "BGR 0..255 x 1, less (1, 2, 3), by (4, 5.5, 6); aspect kept, in the middle of gray 7; "
        "averaged when it shrinks; 64x96"
    )
    told(tmp_path, 'family = "yolo_seg"\nclass_names = ["a"]')
    wrong = inspect_file(tmp_path / "mine.onnx")
    assert wrong.match.family == "yolo_seg"
    assert wrong.class_names == ("a",)


def test_the_sidecar_in_the_documents_is_a_whole_one(tmp_path):
    text = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    shown = re.search(r"```toml\n(.*?)```", text, re.DOTALL).group(1)
    sidecar = read_sidecar(told(tmp_path, shown), FAMILIES)
    options = sidecar.options(sidecar.family, FAMILIES[sidecar.family])
    assert options["preprocessing"] == FAMILIES["rtmdet_ins"].PREPROCESSING
    assert options["class_names"] == ("cup", "", "plate")
    assert set(tomllib.loads(shown)) | {"nms_iou"} == set(tomllib.loads(WHOLE))


def test_every_family_is_in_the_documents():
    text = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    assert all(f"| `{family}` |" in text for family in FAMILIES)


def test_a_catalog_entry_has_no_sidecar(tmp_path, monkeypatch):
    path = save_tiny_model(tmp_path / "compact-s.onnx")
    (tmp_path / "compact-s.toml").write_text("family = 'nonsense'")
    monkeypatch.setattr(loading, "locate", lambda entry: (path,))
    assert load_model("built-in").class_names == ("cat", "dog")


def test_logits_of_a_map_of_foreground(tmp_path):
    told(tmp_path, 'family = "matting"\nlogits = true\n')
    sidecar = read_sidecar(tmp_path / "mine.toml", FAMILIES)
    assert sidecar.options("matting", FAMILIES["matting"]) == {"logits": True}
    with pytest.raises(InvalidValue, match=r"logits: dfine_seg does not take it"):
        sidecar.options("dfine_seg", FAMILIES["dfine_seg"])

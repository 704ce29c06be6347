"""A file that is no ONNX model is named for what it is, and what to do is said."""

import io
import json
import zipfile

import pytest

from maskweave.errors import NotAModel, UnknownModel
from maskweave.models.loading import load_model
from maskweave.runtimes.model_files import refuse_other_files
from tests.models.tiny import save_tiny_model


def archive(*names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in names:
            file.writestr(name, b"\x80\x02}q\x00.")
    return buffer.getvalue()


def safetensors():
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(4)


KINDS = {
    "best.pt": (
        archive("best/data.pkl", "best/version"),
        r"a PyTorch checkpoint; .*yolo export model=best\.pt",
    ),
    "script.pt": (archive("s/constants.pkl", "s/code/a.py"), "a PyTorch checkpoint"),
    "old.pth": (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "a PyTorch checkpoint"),
    "renamed.onnx": (archive("best/data.pkl"), "a PyTorch checkpoint"),
    "lfs.onnx": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        "a Git LFS pointer.*git lfs pull",
    ),
    "empty.onnx": (b"", r"an empty file \(0 bytes\)"),
    "page.onnx": (b"\n<!DOCTYPE html><html>404", "a web page"),
    "w.safetensors": (safetensors(), "safetensors, weights without their network"),
    "m.tflite": (b"\x1c\0\0\0TFL3" + bytes(40), "a TensorFlow Lite model"),
    "m.engine": (b"ftrt" + bytes(40), "a TensorRT engine"),
    "m.h5": (b"\x89HDF\r\n\x1a\n" + bytes(40), "a Keras or HDF5 file"),
    "m.keras": (archive("config.json", "model.weights.h5"), "a Keras model"),
    "m.zip": (archive("a/m.onnx"), r"a ZIP archive with a/m\.onnx in it; unpack"),
    "m.onnx.gz": (b"\x1f\x8b\x08" + bytes(40), "a compressed file; unpack"),
    "m.param": (b"7767517\n1 2\n", "an ncnn model"),
    "m.json": (b'{"a": 1}', "a text file that begins"),
    "m.onnx": (bytes(range(256)), "other or damaged data that begins 00 01 02"),
}


@pytest.mark.parametrize("name", KINDS)
def test_another_kind_of_file_is_named(tmp_path, name):
    content, told = KINDS[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(NotAModel, match=rf"^{name}: need an ONNX model, got {told}") as caught:
        load_model(tmp_path / name)
    assert "ONNXRuntimeError" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_that_is_cut_short_says_how_much_is_missing(tmp_path):
    whole = save_tiny_model(tmp_path / "a.onnx")
    content = whole.read_bytes()
    refuse_other_files(whole)
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(content[: len(content) // 2])
    with pytest.raises(NotAModel, match=r"cut\.onnx: cut short, [\d,]+ bytes of [\d,]+ are missing"):
        load_model(cut)


def test_the_code_of_the_engine_is_left_out_of_messages(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"\x08\x07" * 50)
    with pytest.raises(NotAModel) as caught:
        load_model(tmp_path / "a.onnx")
    assert "ONNXRuntimeError" not in str(caught.value)


def test_a_folder_of_tensorflow_says_what_converts_it(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(UnknownModel, match="got a TensorFlow SavedModel; python -m tf2onnx"):
        load_model(tmp_path)


def test_a_pointer_in_place_of_a_frozen_graph_is_named(tmp_path):
    (tmp_path / "a.pb").write_bytes(KINDS["lfs.onnx"][0])
    with pytest.raises(NotAModel, match=r"a\.pb: need a frozen TensorFlow graph, got a Git LFS pointer"):
        load_model(tmp_path / "a.pb")

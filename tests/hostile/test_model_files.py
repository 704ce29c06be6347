"""Model files that were made or changed to do harm are refused before an engine sees them, in one line."""

import dataclasses
import os

import numpy as np
import pytest
from onnx import TensorProto, helper

from maskweave.catalog.entries import find
from maskweave.catalog.entry import BUILT_IN, ModelFile
from maskweave.errors import HashMismatch, NotAModel
from maskweave.models.loading import RuntimeOptions, load_model
from maskweave.runtimes.onnx_files import check_external_data
from tests.catalog.test_download import checksum
from tests.models.graphs import onnx_bytes
from tests.models.tiny import save_tiny_model


@pytest.fixture
def place(tmp_path):
    """A folder for the model, beside it a file that is not the model's."""
    (tmp_path / "secret.bin").write_bytes(np.arange(3, dtype=np.float32).tobytes())
    (tmp_path / "model").mkdir()
    return tmp_path / "model"


def external_model(location, *, key=b"location"):
    """y = x + w, w being in another file, whose name may be any bytes."""
    marker = "L" * len(location)
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3], data_location=TensorProto.EXTERNAL)
    weights.external_data.add(key=key.decode(), value=marker)
    content = onnx_bytes(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3])],
        [weights],
    )
    return content.replace(marker.encode(), location)


def refused(path, match="needs its weights in its own folder"):
    with pytest.raises(NotAModel, match=match) as caught:
        check_external_data(path)
    assert "\n" not in str(caught.value)
    for engine in ("onnxruntime", "opencv"):
        with pytest.raises(NotAModel):
            load_model(path, options=RuntimeOptions(runtime=engine))


def test_a_hard_link_of_a_file_elsewhere(place):
    os.link(place.parent / "secret.bin", place / "w.bin")
    (place / "a.onnx").write_bytes(external_model(b"w.bin"))
    refused(place / "a.onnx", "another name elsewhere")
    (place.parent / "secret.bin").unlink()  # the only name that is left
    check_external_data(place / "a.onnx")


def test_a_link_that_leads_outside_from_where_the_engine_looks(place, tmp_path):
    """The model is a link itself: where it leads, but it does not exist; beside the link, there is."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.onnx").write_bytes(external_model(b"w.bin"))
    (place / "a.onnx").symlink_to(elsewhere / "a.onnx")
    (place / "w.bin").symlink_to(tmp_path / "secret.bin")
    refused(place / "a.onnx", "lies outside")


def test_a_cache_of_links_to_one_folder_is_read(place, tmp_path):
    """As Hugging Face keeps files: the model and its weights are links to files of another name, in one folder."""
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    (blobs / "1a2b").write_bytes(external_model(b"w.bin"))
    (blobs / "3c4d").write_bytes(bytes(12))
    (place / "a.onnx").symlink_to(blobs / "1a2b")
    (place / "w.bin").symlink_to(blobs / "3c4d")
    check_external_data(place / "a.onnx")


@pytest.mark.parametrize(
    "location",
    [
        b"",
        b"w.bin\0x",
        b"/" * 9,
        b"../secret.bin",
        b"x/../../secret.bin",
        b"loop",
        b".",
        b"a" * 5000,
        b"\xff",
        b"*/_ORT_MEM_ADDR_/*",
    ],
    ids=["empty", "nul", "root", "up", "up-later", "loop", "folder", "long", "bytes", "memory"],
)
def test_places_that_are_no_file_of_the_folder(place, location):
    (place / "loop").symlink_to(place / "loop")
    (place / os.fsdecode(b"\xff")).symlink_to(place.parent / "secret.bin")
    (place / "a.onnx").write_bytes(external_model(location))
    refused(place / "a.onnx")


GROUP = bytes([99 << 3 & 0x7F | 0x80 | 3, 99 >> 4, 0x08, 1, 99 << 3 & 0x7F | 0x80 | 4, 99 >> 4])
"""An unknown field of the old kind "group", which protobuf passes over."""


def test_a_field_that_hides_the_rest_from_a_simple_reader(place):
    (place / "a.onnx").write_bytes(GROUP + external_model(b"../secret.bin"))
    refused(place / "a.onnx")


def test_a_field_number_that_is_written_too_long(place):
    content = external_model(b"../secret.bin")
    at = content.index(bytes([7 << 3 | 2]))  # ModelProto.graph
    longer = bytes([0x80 | 7 << 3 | 2, 0x80, 0x80, 0x80, 0x10])  # the same number plus 2^32
    (place / "a.onnx").write_bytes(content[:at] + longer + content[at + 1 :])
    refused(place / "a.onnx")


def test_weights_before_a_place_that_is_damaged_are_seen(place):
    (place / "a.onnx").write_bytes(external_model(b"../secret.bin") + b"\xff")
    refused(place / "a.onnx")


@pytest.mark.parametrize("at", [0, 0.5, 0.999])
@pytest.mark.parametrize("packaged", [True, False])
def test_a_flipped_bit_is_found_before_an_engine_sees_the_file(tmp_path, monkeypatch, at, packaged):
    data = bytearray(save_tiny_model(tmp_path / "tiny.onnx").read_bytes())
    file = ModelFile("tiny.onnx", checksum(bytes(data)))
    entry = dataclasses.replace(find(BUILT_IN), name="tried", files=(file,), packaged=packaged)
    data[int(at * len(data))] ^= 4
    (tmp_path / "tiny.onnx").write_bytes(data)
    monkeypatch.setattr("maskweave.models.loading.find", lambda name: entry)
    monkeypatch.setattr("maskweave.runtimes.onnxruntime.OnnxRuntime", None)  # not to be called
    monkeypatch.setattr("maskweave.catalog.cache.packaged_path", lambda file: tmp_path / file.name)
    monkeypatch.setattr("maskweave.catalog.cache.folder_of", lambda entry: tmp_path)
    with pytest.raises(HashMismatch, match=r"tiny\.onnx") as caught:
        load_model("tried", offline=True)
    assert "\n" not in str(caught.value)

import dataclasses
import json
import re

import numpy as np
import pytest
from PIL import Image

from maskweave.api import load
from maskweave.catalog.cache import checksum_of
from maskweave.catalog.entries import all_entries, find
from maskweave.catalog.entry import Checksum
from maskweave.catalog.fastest import Form, fastest, remember
from maskweave.cli import models
from tests.cli.test_segment import run
from tests.models.classic import ClassicWeights, write_frozen
from tests.models.maps import iou, rectangle_image
from tests.models.promptable import PAIRS
from tests.models.test_sidecar import WHOLE, strange_file, unknown_file
from tests.models.tiny import save_tiny_model


def test_the_list_shows_every_license(monkeypatch, capfd, tmp_path):
    monkeypatch.setenv("MASKWEAVE_CACHE", str(tmp_path))
    code, out, _ = run(monkeypatch, capfd, "models", "list")
    assert code == 0
    assert all(entry.name in out and entry.license in out for entry in all_entries())
    code, out, _ = run(monkeypatch, capfd, "models", "list", "--json")
    records = [json.loads(line) for line in out.splitlines()]
    assert [record["name"] for record in records] == [entry.name for entry in all_entries()]
    packaged = [entry.packaged for entry in all_entries()]
    assert [record["here"] == "yes" for record in records] == packaged


def test_info_of_an_entry_and_of_a_file(monkeypatch, capfd, tmp_path):
    code, out, _ = run(monkeypatch, capfd, "models", "info", "mask-rcnn-inception-v2")
    assert code == 0
    assert "Apache-2.0" in out
    assert "toothbrush" in out
    code, out, _ = run(monkeypatch, capfd, "models", "info", save_tiny_model(tmp_path / "mine.onnx"))
    assert code == 0
    assert "compact, because" in out
    assert run(monkeypatch, capfd, "models", "info", "nosuch")[0] == 2


def test_inspect_tells_what_a_file_is_taken_for(monkeypatch, capfd, tmp_path):
    path = strange_file(tmp_path / "mine.onnx")
    (tmp_path / "mine.toml").write_text(WHOLE)
    code, out, err = run(monkeypatch, capfd, "models", "inspect", path)
    assert (code, err) == (0, "")
    assert run(monkeypatch, capfd, "models", "info", path) == (0, out, "")
    for shown in (
        "dfine_seg, because mine.toml says so",
        "input [1, 3, 64, 96] float32",
        "boxes [1, 2, 4] float32",
        "cup, plate",
        str(tmp_path / "mine.toml"),
        "BGR 0..255 x 1",
    ):
        assert shown in out.replace("\n", "")
    code, out, err = run(monkeypatch, capfd, "models", "inspect", path, "--json")
    (record,) = map(json.loads, out.splitlines())
    assert (code, err) == (0, "")
    assert record["family"] == "dfine_seg"
    assert record["inputs"] == [{"name": "input", "shape": [1, 3, 64, 96], "dtype": "float32"}]
    assert record["class_names"] == ["cup", "plate"]
    assert (record["default_score"], record["problem"]) == (0.05, "")


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.encoder)
def test_a_model_of_two_files_is_named_by_one_of_them(monkeypatch, capfd, tmp_path, pair):
    """What it is, what a box and a point find, and the same in Python."""
    path = pair.write(tmp_path)
    code, out, err = run(monkeypatch, capfd, "models", "inspect", path, "--json")
    assert (code, err) == (0, "")
    record = json.loads(out)
    assert record["family"] == pair.family
    assert any(tensor["name"].endswith("point_coords") for tensor in record["inputs"])
    image = rectangle_image((90, 140), (30, 20, 80, 60))
    Image.fromarray(image).save(tmp_path / "photo.png")
    words = ("segment", tmp_path / "photo.png", "-m", path, "-o", tmp_path / "out", "--save", "masks")
    boxes, points = [(28, 18, 82, 62)], [(40, 30), (120, 80, 0)]
    for more, prompt in (
        (("--box", "28,18,82,62"), {"boxes": boxes}),
        (("--point", "40,30", "--point", "120,80,0"), {"points": points}),
    ):
        assert run(monkeypatch, capfd, *words, *more)[0] == 0
        found = np.asarray(Image.open(tmp_path / "out" / "photo.masks.png")) > 0
        assert iou(found, image[..., 0] > 0) > 0.97
        with load(str(path)) as segmenter:
            assert np.array_equal(segmenter.prompt(image, **prompt).instances.masks.union(), found)


def test_inspect_of_what_fits_nothing_shows_a_sidecar_to_fill_in(monkeypatch, capfd, tmp_path):
    path = unknown_file(tmp_path / "mine.onnx")
    code, out, _ = run(monkeypatch, capfd, "models", "inspect", path)
    assert code == 0
    assert "none of those known" in out
    assert "x [1, ?, 7] float32" in out
    assert "[preprocessing]" in out
    code, out, err = run(monkeypatch, capfd, "segment", path, "-m", path)
    assert code == 1
    assert err.startswith("maskweave: mine.onnx: its tensors fit none of the families")
    assert "class_names = [" in err


def test_inspect_shows_metadata_and_a_wrong_sidecar_in_one_line(monkeypatch, capfd, tmp_path):
    path = save_tiny_model(tmp_path / "mine.onnx")
    _, out, _ = run(monkeypatch, capfd, "models", "inspect", path)
    assert "metadata maskweave.license" in out
    assert "compact, because its metadata" in out
    (tmp_path / "mine.toml").write_text("size = 'large'")
    code, out, err = run(monkeypatch, capfd, "models", "inspect", path)
    assert (code, out) == (2, "")
    assert err == "maskweave: mine.toml: size: need a number of pixels, got 'large'\n"
    assert run(monkeypatch, capfd, "models", "inspect", tmp_path / "none.onnx")[0] == 2


def test_pull_offline_says_what_to_do(monkeypatch, capfd, tmp_path):
    monkeypatch.setenv("MASKWEAVE_CACHE", str(tmp_path))
    monkeypatch.setenv("MASKWEAVE_OFFLINE", "1")
    code, _, err = run(monkeypatch, capfd, "models", "pull", "mask-rcnn-r50-fpn")
    assert code == 1
    assert "MASKWEAVE_OFFLINE, which forbids it" in err


def test_verify_finds_a_damaged_file(monkeypatch, capfd, tmp_path):
    monkeypatch.setenv("MASKWEAVE_CACHE", str(tmp_path))
    assert run(monkeypatch, capfd, "models", "verify")[0] == 0
    damaged = tmp_path / "models" / "mask-rcnn-r50-fpn" / "MaskRCNN-12.onnx"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"not the published bytes")
    code, out, _ = run(monkeypatch, capfd, "models", "verify")
    assert code == 1
    assert "damaged  mask-rcnn-r50-fpn: MaskRCNN-12.onnx" in out


def test_the_doctor_tries_the_model(monkeypatch, capfd):
    code, out, _ = run(monkeypatch, capfd, "doctor", "--seconds", "0")
    assert code == 0, out
    assert "fastest" not in out
    assert "onnxruntime" in out
    assert re.search(r"^ +cpu +works: onnxruntime on cpu", out, re.MULTILINE), out


def test_the_doctor_measures_what_built_in_fast_takes(monkeypatch, capfd, tmp_path):
    monkeypatch.setenv("MASKWEAVE_CACHE", str(tmp_path))
    code, out, _ = run(monkeypatch, capfd, "doctor", "--seconds", "0.01", "--json")
    assert code == 0
    speeds = json.loads(out)["Speed of the model in the package"]
    rates = {
        name: float(text.split()[0])
        for name, text in speeds.items()
        if text.endswith("images of 854x480 a second")
    }
    assert {"compact-s, onnxruntime", "compact-s-int8, onnxruntime"} <= set(rates)
    best = speeds["fastest"].partition(": ")[0].replace(" on ", ", ")
    assert rates[best] == max(rates.values())
    assert f"{fastest().model}, {fastest().runtime}" == best


def test_built_in_fast_is_what_was_measured(monkeypatch, tmp_path):
    monkeypatch.setenv("MASKWEAVE_CACHE", str(tmp_path))
    remember(Form("compact-s-int8", "onnxruntime"))
    with load("built-in:fast") as segmenter:
        assert segmenter.name == "compact-s-int8"


def test_built_in_fast_says_what_to_do_where_nothing_was_measured(monkeypatch, capfd, tmp_path):
    monkeypatch.setenv("MASKWEAVE_CACHE", str(tmp_path))
    code, _, err = run(monkeypatch, capfd, "segment", "a.jpg", "-m", "built-in:fast")
    assert (code, "nothing was measured; run maskweave doctor once" in err) == (1, True)


def graph_in(folder):
    return write_frozen(ClassicWeights(thin=16).made, folder / "mine.pb")


def test_import_writes_a_model_beside_the_graph_and_tells_whether_it_is_the_published_one(
    monkeypatch, capfd, tmp_path
):
    graph = graph_in(tmp_path)
    code, out, err = run(monkeypatch, capfd, "models", "import", graph)
    assert code == 0, err
    assert out.strip() == str(tmp_path / "mine.onnx")
    assert "mine.pb is not the published graph of mask-rcnn-inception-v2: its sha1 is" in err
    code, out, _ = run(monkeypatch, capfd, "models", "info", tmp_path / "mine.onnx")
    assert "mask_rcnn_tf, because" in out
    assert run(monkeypatch, capfd, "models", "import", graph)[0] == 0  # its own file may be replaced


def test_import_tells_the_published_graph_by_its_hash(monkeypatch, capfd, tmp_path):
    graph = graph_in(tmp_path)
    entry = find("mask-rcnn-inception-v2")
    file = dataclasses.replace(entry.files[0], checksum=Checksum("sha1", checksum_of(graph, "sha1")))
    published = dataclasses.replace(entry, files=(file,))
    monkeypatch.setattr(models, "find", lambda name: published)
    code, _, err = run(monkeypatch, capfd, "models", "import", graph, "-o", tmp_path / "sub" / "a.onnx")
    assert code == 0
    assert "mine.pb is the published graph" in err
    assert (tmp_path / "sub" / "a.onnx").is_file()


def test_import_refuses_in_one_line(monkeypatch, capfd, tmp_path):
    graph = graph_in(tmp_path)
    (tmp_path / "foreign.onnx").write_bytes(b"somebody's model")
    (tmp_path / "image.pb").write_bytes(b"\x89PNG")
    for arguments, status, message in (
        ((tmp_path / "image.pb",), 1, "image.pb: need a frozen TensorFlow graph"),
        ((tmp_path / "none.pb",), 1, "found nothing"),
        ((graph, "-o", tmp_path / "a.bin"), 2, "need a name that ends in .onnx, got a.bin"),
        ((graph, "-o", tmp_path / "foreign.onnx"), 1, "a file that MaskWeave did not write is there"),
    ):
        code, out, err = run(monkeypatch, capfd, "models", "import", *arguments)
        assert (code, out) == (status, "")
        assert message in err
        assert len(err.splitlines()) == 1
    assert (tmp_path / "foreign.onnx").read_bytes() == b"somebody's model"

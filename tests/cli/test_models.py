import json

from maskweave.catalogue.entries import ENTRIES
from tests.cli.test_segment import run
from tests.models.tiny import save_tiny_model


def test_the_list_shows_every_licence(monkeypatch, capfd, tmp_path):
    monkeypatch.setenv("MASKWEAVE_CACHE", str(tmp_path))
    code, out, _ = run(monkeypatch, capfd, "models", "list")
    assert code == 0
    assert all(entry.name in out and entry.licence in out for entry in ENTRIES)
    code, out, _ = run(monkeypatch, capfd, "models", "list", "--json")
    records = [json.loads(line) for line in out.splitlines()]
    assert [record["name"] for record in records] == [entry.name for entry in ENTRIES]
    assert {record["here"] for record in records[1:]} == {"no"}


def test_info_of_an_entry_and_of_a_file(monkeypatch, capfd, tmp_path):
    code, out, _ = run(monkeypatch, capfd, "models", "info", "mask-rcnn-inception-v2")
    assert code == 0
    assert "Apache-2.0" in out
    assert "toothbrush" in out
    code, out, _ = run(monkeypatch, capfd, "models", "info", save_tiny_model(tmp_path / "mine.onnx"))
    assert code == 0
    assert "compact, because" in out
    assert run(monkeypatch, capfd, "models", "info", "nosuch")[0] == 2


def test_pull_offline_says_what_to_do(monkeypatch, capfd, tmp_path):
    monkeypatch.setenv("MASKWEAVE_CACHE", str(tmp_path))
    monkeypatch.setenv("MASKWEAVE_OFFLINE", "1")
    code, _, err = run(monkeypatch, capfd, "models", "pull", "mask-rcnn-r50-fpn")
    assert code == 1
    assert "without a network use the built-in one" in err


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
    code, out, _ = run(monkeypatch, capfd, "doctor")
    assert code == 0, out
    assert "onnxruntime" in out
    assert "cpu                     works: onnxruntime on cpu" in out

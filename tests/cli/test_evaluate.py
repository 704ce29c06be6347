"""`maskweave evaluate` as a user calls it, on images small enough to know the answers."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.cli.test_segment import run
from tests.evaluation import test_video_files as video
from tests.evaluation.test_coco_predictions import results, truth_data
from tests.evaluation.test_panoptic import write as write_panoptic
from tests.models.tiny import save_tiny_model

pytest.importorskip("faster_coco_eval", reason="AP needs the extra: pip install maskweave[evaluate]")


@pytest.fixture
def coco(tmp_path):
    (tmp_path / "truth.json").write_text(json.dumps(truth_data()))
    (tmp_path / "results.json").write_text(json.dumps(results()))
    return tmp_path


def write_images(folder):
    """Names of the PNG files of a folder, each opened to its last byte."""
    names = []
    for path in sorted(folder.glob("*.png")):
        with Image.open(path) as image:
            image.load()
            assert min(image.size) > 200
        names.append(path.stem)
    return names


def test_coco_from_a_file(coco, monkeypatch, capfd):
    files = (coco / "truth.json", coco / "results.json")
    to = ("-o", coco / "scores.json", "--plots", coco / "plots")
    code, out, err = run(monkeypatch, capfd, "evaluate", "coco", *files, "--errors", *to)
    assert (code, err) == (0, "")
    mean = next(line.split() for line in out.splitlines() if line.split()[:1] == ["mean"])
    assert mean == ["mean", "2", "100.0", "100.0", "100.0", "100.0", "–", "–", "100.0", "100.0", "100.0"]
    assert "missed" in out
    record = json.loads((coco / "scores.json").read_text())
    assert record["masks"]["ap"] == pytest.approx(100)
    assert record["masks"]["ap_large"] is None
    assert record["errors"]["masks"]["counts"]["missed"] == 0
    assert record["problems"] == {"count": 0, "messages": []}
    assert write_images(coco / "plots") == ["classes", "errors", "precision-recall"]


def test_coco_by_a_model(tmp_path, monkeypatch, capfd):
    """The tiny model finds the bright square of 40 pixels; the file of the second image is missing."""
    image = np.zeros((100, 150, 3), np.uint8)
    image[40:80, 40:80] = 255
    Image.fromarray(image).save(tmp_path / "one.png")
    data = {
        "images": [{"id": i, "file_name": f"{name}.png", "height": 100, "width": 150}
                   for i, name in enumerate(("one", "two"))],
        "categories": [{"id": 1, "name": name} for name in ()] or [{"id": 5, "name": "light"}],
        "annotations": [],
    }  # fmt: skip
    (tmp_path / "truth.json").write_text(json.dumps(data))
    model = save_tiny_model(tmp_path / "tiny.onnx")
    words = ("evaluate", "coco", tmp_path / "truth.json", "--images", tmp_path, "-m", model, "--json")
    code, out, err = run(monkeypatch, capfd, *words)
    assert code == 1
    assert json.loads(out)["images"] == 2
    assert "two.png" in err
    assert run(monkeypatch, capfd, *words, "--limit", "1")[0] == 0
    code, _, err = run(monkeypatch, capfd, *words, "--strict")
    assert (code, "two.png" in err) == (1, True)


def test_bad_records_are_named_the_rest_is_measured_and_the_exit_code_is_1(coco, monkeypatch, capfd):
    bad = [{**results()[0], "category_id": 3}, {**results()[0], "score": -1}] * 30
    (coco / "results.json").write_text(json.dumps([*results(), *bad]))
    words = ("evaluate", "coco", coco / "truth.json", coco / "results.json")
    code, out, err = run(monkeypatch, capfd, *words, "--json")
    assert code == 1
    record = json.loads(out)
    assert record["masks"]["ap"] == pytest.approx(100)
    assert record["problems"]["count"] == 31
    assert "result 4: need a score in 0..1, got -1" in err
    assert "… and 11 more (see -o)" in err
    assert "31 bad records; the scores are those of the rest" in err
    code, out, err = run(monkeypatch, capfd, *words, "--strict")
    assert (code, out) == (1, "")
    assert "category 3: is not in the truth" in err


def test_a_wrong_call(coco, monkeypatch, capfd):
    both = (coco / "results.json", "--images", coco)
    for words in ((), both):
        code, _, err = run(monkeypatch, capfd, "evaluate", "coco", coco / "truth.json", *words)
        assert code == 2
        assert "need either a file of results or --images" in err


def test_semantic(tmp_path, monkeypatch, capfd):
    for folder, columns in (("truth", 20), ("results", 10)):
        (tmp_path / folder).mkdir()
        image = np.zeros((30, 40), np.uint8)
        image[:, :columns] = 2
        Image.fromarray(image).save(tmp_path / folder / "one.png")
    words = ("evaluate", "semantic", tmp_path / "truth", tmp_path / "results")
    to = ("-o", tmp_path / "scores.json", "--plots", tmp_path / "plots")
    code, out, err = run(monkeypatch, capfd, *words, *to)
    assert (code, err) == (0, "")
    lines = [line.split() for line in out.splitlines()[1:]]
    rows = [line for line in lines if line[:1] in (["mean"], ["0"], ["1"], ["2"])]
    assert [row[:4] for row in rows] == [
        ["mean", "1,200", "58.3", "75.0"], ["0", "600", "66.7", "100.0"], ["1", "0", "–", "–"],
        ["2", "600", "50.0", "50.0"],
    ]  # fmt: skip
    record = json.loads((tmp_path / "scores.json").read_text())
    assert record["confusion"]["pixels"] == [[600, 0, 0, 0], [0, 0, 0, 0], [300, 0, 300, 0]]
    assert record["classes"]["1"]["iou"] is None
    assert write_images(tmp_path / "plots") == ["classes", "confusion"]
    code, out, err = run(monkeypatch, capfd, *words, "--classes", "a,b", "--json")
    assert code == 2  # no truth is left
    assert "truth/one.png: class_map: need 0..1 or 255 (ignore), got 2" in err
    assert "labeled pixel" in err


def test_panoptic(tmp_path, monkeypatch, capfd):
    for name in ("truth", "results"):
        (tmp_path / f"{name}.json").write_text(json.dumps(write_panoptic(tmp_path, name)))
    words = ("evaluate", "panoptic", tmp_path / "truth.json", tmp_path / "results.json")
    to = ("-o", tmp_path / "scores.json", "--plots", tmp_path / "plots")
    code, out, err = run(monkeypatch, capfd, *words, *to)
    assert (code, err) == (0, "")
    table = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.strip()}
    assert table["all"] == ["100.0", "100.0", "100.0", "4", "0", "0"]
    assert table["sky"] == table["stuff"] == ["100.0", "100.0", "100.0", "2", "0", "0"]
    assert json.loads((tmp_path / "scores.json").read_text())["things"]["pq"] == 100
    assert write_images(tmp_path / "plots") == ["classes"]
    (tmp_path / "results" / "1.png").unlink()
    code, out, err = run(monkeypatch, capfd, *words, "--json")
    assert (code, json.loads(out)["all"]["rq"]) == (1, pytest.approx(200 / 3))
    assert "results/1.png: no such file" in err


def test_video(tmp_path, monkeypatch, capfd):
    pytest.importorskip("trackeval", reason="HOTA needs the library trackeval")
    (tmp_path / "truth.json").write_text(json.dumps(video.truth_data()))
    (tmp_path / "results.json").write_text(json.dumps(video.results()))
    words = ("evaluate", "video", tmp_path / "truth.json", tmp_path / "results.json")
    to = ("-o", tmp_path / "scores.json", "--plots", tmp_path / "plots")
    code, out, err = run(monkeypatch, capfd, *words, *to)
    assert (code, err) == (0, "")
    table = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.strip()}
    assert table["all"] == [*["100.0"] * 5, "0", *["100.0"] * 5]
    assert json.loads((tmp_path / "scores.json").read_text())["tracking"]["hota"] == pytest.approx(100)
    assert write_images(tmp_path / "plots") == ["hota", "precision-recall"]
    (tmp_path / "results.json").write_text(json.dumps(video.changed(0, video_id=9)))
    code, out, err = run(monkeypatch, capfd, *words, "--json")
    assert (code, json.loads(out)["clips"]) == (1, 2)
    assert "results.json, video 9: 1 annotations are of no video of the file" in err


def test_video_of_text_has_no_ap(tmp_path, monkeypatch, capfd):
    pytest.importorskip("trackeval", reason="HOTA needs the library trackeval")
    (tmp_path / "a.txt").write_text(video.lines((0, 1, 1, 0), (1, 1, 1, 5)))
    code, out, _ = run(monkeypatch, capfd, "evaluate", "video", tmp_path / "a.txt", tmp_path / "a.txt")
    assert code == 0
    assert "no AP, since the results have no scores" in out
    assert "mask AP" not in out

"""The commands, as a user types them."""

import json

import pytest
from typer.testing import CliRunner

pytest.importorskip("torch", reason="training needs torch: pip install maskweave[train]")

from maskweave.cli.app import app
from maskweave.errors import InvalidValue
from maskweave.training.errors import CheckpointError, TrainingDataError
from tests.training.drawn import write_as_yolo

pytestmark = pytest.mark.training


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_train_then_evaluate(settings):
    data, images, output = (settings[key] for key in ("annotations", "images", "output"))
    done = run(
        "train", data, "--images", images, "--val", data, "--size", 96, "--epochs", 1, "--workers", 0,
        "--device", "cpu", "-o", output,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert (output / "model.onnx").is_file()
    scored = run("evaluate", "coco", data, "--images", images, "-m", output / "model.onnx", "--json")
    assert scored.exit_code == 0, scored.output
    scores = json.loads(scored.stdout)
    assert scores["images"] == 6
    assert scores["objects"] == {"disc": 6, "square": 6}
    table = run("evaluate", "coco", data, "--images", images, "-m", output / "model.onnx", "--limit", 2)
    assert "2 images" in table.output
    assert "square" in table.output


def test_a_data_yaml_is_all_that_train_needs(settings, tmp_path):
    pytest.importorskip("yaml", reason="a data.yaml needs PyYAML: pip install maskweave[train]")
    data = write_as_yolo(settings["annotations"], tmp_path / "yolo", val=2)
    output = tmp_path / "run"
    done = run("train", data, "--size", 96, "--epochs", 1, "--workers", 0, "--device", "cpu", "-o", output)
    assert done.exit_code == 0, done.output
    assert len((output / "val.csv").read_text().splitlines()) == 2
    assert sorted(path.name for path in (output / "val").iterdir()) == ["0.jpg", "1.jpg"]
    more = run("train", "--resume", output, "--epochs", 12)
    assert more.exit_code == 0, more.output
    assert len((output / "val.csv").read_text().splitlines()) == 3


def test_wrong_calls_are_told(settings, tmp_path):
    nothing = run("train")
    assert isinstance(nothing.exception, InvalidValue)
    assert "need annotations, images, output" in str(nothing.exception)
    nowhere = run("train", "--resume", tmp_path)
    assert isinstance(nowhere.exception, CheckpointError)
    data, images = settings["annotations"], settings["images"]
    odd = run(
        "train", data, "--images", images, "--size", 96, "--epochs", 1, "--minutes", 1, "-o", tmp_path / "x"
    )
    assert isinstance(odd.exception, TrainingDataError)

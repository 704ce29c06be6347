"""The commands, as a user types them."""

import json

import pytest
import typer
from typer.testing import CliRunner

pytest.importorskip("torch", reason="training needs torch: pip install maskweave[train]")

from maskweave.cli.app import app
from maskweave.cli.train import ProgressLines, stops_with_advice
from maskweave.errors import InvalidValue
from maskweave.training.errors import CheckpointError, TrainingDataError
from maskweave.training.stepping import Progress
from tests.models.tiny import save_tiny_model
from tests.training.drawn import edit, write_as_yolo

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
    assert "6 images of 2 classes, 1 epochs, on cpu" in done.output
    assert (output / "model.onnx").is_file()
    assert json.loads((output / "config.json").read_text())["start_from"] == "built-in"
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


def test_a_run_can_begin_with_random_weights_also_where_a_recipe_names_others(settings, tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        'start_from = "missing.onnx"\nepochs = 1\nsize = 96\nstart_size = 96\nworkers = 0\ndevice = "cpu"\n'
    )
    data, images, output = (settings[key] for key in ("annotations", "images", "output"))
    words = ("train", data, "--images", images, "--recipe", recipe, "-o")
    away = run(*words, tmp_path / "away")
    assert isinstance(away.exception, CheckpointError)
    assert "missing.onnx: no such file" in str(away.exception)
    done = run(*words, output, "--start", "none")
    assert done.exit_code == 0, done.output
    assert (output / "model.onnx").is_file()


def test_a_teacher_is_given_by_name_or_file_and_its_report_is_shown(settings, tmp_path):
    content = json.loads(settings["annotations"].read_text())
    edit(
        settings["annotations"],
        categories=[*content["categories"], {"id": 1, "name": "cat"}],
        images=[{**each, "labelled_categories": [7, 9]} for each in content["images"]],
    )
    output = settings["output"]
    teacher = save_tiny_model(tmp_path / "tiny.onnx")
    done = run(
        "train", settings["annotations"], "--images", settings["images"], "--size", 96, "--epochs", 1, "--workers", 0,
        "--device", "cpu", "--teacher", teacher, "-o", output,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "the teacher knows no disc, square" in " ".join(done.output.split())
    assert len((output / "teacher.jsonl").read_text().splitlines()) == 6


def test_without_a_terminal_there_is_a_line_every_half_minute(capsys):
    times = iter((0.0, 10.0, 31.0, 40.0, 62.0))
    lines = ProgressLines(lambda: next(times))
    for step in range(1, 5):
        lines.show(Progress(step / 10, step, step / 2, 3.0))
    shown = [line.strip() for line in capsys.readouterr().err.splitlines()]
    assert shown == ["1.0 min, step 2: 20 %, loss 3.00", "2.0 min, step 4: 40 %, loss 3.00"]


def test_ctrl_c_says_how_a_run_goes_on(tmp_path, capsys):
    (tmp_path / "last.pt").touch()
    with pytest.raises(typer.Exit) as stop, stops_with_advice(tmp_path):
        raise KeyboardInterrupt
    assert stop.value.exit_code == 130
    assert f"to go on: maskweave train --resume {tmp_path}" in capsys.readouterr().err


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

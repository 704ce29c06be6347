"""The whole corpus through the batch engine, good files between: whatever comes, it costs its own input alone."""

import json
import subprocess
import sys

import numpy as np
import onnx
import pytest
from PIL import Image

from maskweave.batch.executor import ExecutorConfig
from tests.batch.jobs import do, job_for, model_in, write_photo
from tests.hostile.corpus import ANY, DONE, FAILS, WARNED, make_corpus
from tests.hostile.endless import endless_model

GOOD = 12


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return model_in(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    cases = make_corpus(folder)
    for number in range(GOOD):
        write_photo(folder / f"{'abcdefklmnst'[number]}_good.png", seed=number)
    return folder, cases


@pytest.fixture(scope="module")
def ran(corpus, model, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    words = ["batch", corpus[0], "-o", out, "-m", model, "--save", "coco,masks", "--workers", "1", "--json"]
    command = [sys.executable, "-m", "maskweave", *map(str, words), "--memory", "2000", "--deadline", "30"]
    return subprocess.run(command, capture_output=True, text=True, check=False), out


def rows_of(ran):
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    return {line["input"].rpartition("/")[2]: line for line in lines}


def outcome(row):
    return FAILS if not row["ok"] else WARNED if row["warnings"] else DONE


def test_every_input_is_a_row_with_what_must_come_of_it(corpus, ran):
    _, cases = corpus
    rows = rows_of(ran[0])
    wrong = {
        case.name: (case.outcome, rows[case.name])
        for case in cases
        if case.outcome not in (ANY, outcome(rows[case.name]))
    }
    assert wrong == {}
    assert len(rows) == len(cases) + GOOD


def test_the_good_ones_between_are_all_done(corpus, ran):
    rows = rows_of(ran[0])
    good = [row for name, row in rows.items() if name.endswith("_good.png")]
    assert [outcome(row) for row in good] == [DONE] * GOOD
    images = {each["file_name"] for each in json.loads((ran[1] / "coco.json").read_text())["images"]}
    assert {name for name in rows if name.endswith("_good.png")} <= images


def test_failures_have_a_reason_in_one_line_and_are_never_ours(ran):
    failed = {name: row for name, row in rows_of(ran[0]).items() if not row["ok"]}
    assert ran[0].returncode == 1
    assert all(name in row["error"] and "\n" not in row["error"] for name, row in failed.items())
    assert {row["kind"] for row in failed.values()} <= {"UnreadableImage", "UnreadableVideo", "ImageTooLarge"}
    assert "Traceback" not in ran[0].stderr
    left = [path.name for path in ran[1].glob(".*")]
    assert left == [".maskweave"]


def test_a_network_that_never_ends_costs_its_image_and_no_other(tmp_path):
    onnx.save(endless_model(), tmp_path / "endless.onnx")
    photos = tmp_path / "photos"
    photos.mkdir()
    for name, value in (("dark", 150), ("light", 255), ("dim", 160)):
        image = np.zeros((48, 64, 3), np.uint8)
        image[10:30, 10:40] = value
        Image.fromarray(image).save(photos / f"{name}.png")
    outcomes = {}
    job = job_for(photos, tmp_path / "out", str(tmp_path / "endless.onnx"), save=("masks",))
    do(
        job,
        ExecutorConfig(workers=1, deadline=3.0),
        lambda outcome, counts: outcomes.update({outcome.name: outcome}),
    )
    assert {name: outcome.kind for name, outcome in outcomes.items()} == {
        "dark": "",
        "light": "DeadlinePassed",
        "dim": "",
    }
    assert "light.png" in outcomes["light"].error


@pytest.mark.shared
def test_public_corpora_of_broken_images_crash_nothing(shared_data, model, tmp_path):
    """Through the batch engine only: some of these crash a widespread decoder."""
    source = shared_data / "corpus"
    words = [
        "batch",
        source,
        "-r",
        "-o",
        tmp_path / "out",
        "-m",
        model,
        "--save",
        "coco",
        "--workers",
        "1",
        "--deadline",
        "30",
        "--json",
    ]
    ran = subprocess.run(
        [sys.executable, "-m", "maskweave", *map(str, words)], capture_output=True, text=True, check=False
    )
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    assert ran.returncode == 1
    assert len(rows) >= 250
    assert {row["kind"] for row in rows if not row["ok"]} <= {
        "UnreadableImage",
        "UnreadableVideo",
        "ImageTooLarge",
    }
    suite = {row["input"].rpartition("/")[2]: row["ok"] for row in rows if "/pngsuite/" in row["input"]}
    assert {name for name, ok in suite.items() if not ok} == {name for name in suite if name.startswith("x")}
    assert all(row["ok"] for row in rows if "/exif_orient/" in row["input"])
    assert "Traceback" not in ran.stderr

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from maskweave.annotations.id_images import read_id_map
from maskweave.annotations.report import Report
from maskweave.errors import BadRecord, SourceNotFound
from maskweave.evaluation.davis_folders import evaluate_davis
from tests.cli.test_segment import run


def write(folder, sequence, masks):
    (folder / sequence).mkdir(parents=True)
    for index, mask in enumerate(masks):
        Image.fromarray(mask.astype(np.uint8)).save(folder / sequence / f"{index:05d}.png")


@pytest.fixture
def folders(tmp_path):
    """Two sequences; the results are right but for the second object of "two", which they miss."""
    one = np.zeros((60, 80), np.uint8)
    one[20:40, 10:40] = 255
    two = np.zeros((60, 80), np.uint8)
    two[20:40, 5:30], two[20:40, 45:70] = 1, 2
    write(tmp_path / "truth" / "480p", "one", [one] * 5)
    write(tmp_path / "truth" / "480p", "two", [two] * 5)
    write(tmp_path / "results", "one", [np.where(one, 7, 0)] * 5)
    write(tmp_path / "results", "two", [np.where(two == 2, 0, two)] * 5)
    return tmp_path


def test_each_object_is_scored(folders):
    scores = [
        each
        for part in evaluate_davis(folders / "truth", folders / "results", skip_ends=True)
        for each in part
    ]
    assert [(each.sequence, each.object_id, each.jf_mean) for each in scores] == [
        ("one", 1, 1.0), ("two", 1, 1.0), ("two", 2, 0.0),
    ]  # fmt: skip


def test_the_command_prints_a_table_and_json(folders, monkeypatch, capfd):
    words = ("evaluate", "davis", folders / "truth", folders / "results")
    code, out, _ = run(monkeypatch, capfd, *words, "--plots", folders / "plots")
    assert code == 0
    table = {" ".join(line.split()[:-7]): line.split()[-7:] for line in out.splitlines() if line.strip()}
    assert table["mean"] == [*["66.7", "66.7", "0.0"] * 2, "66.7"]
    assert table["two 2"] == ["0.0"] * 7
    with Image.open(folders / "plots" / "objects.png") as image:
        assert image.size[0] > 200
    code, out, _ = run(monkeypatch, capfd, *words, "--json", "--task", "semi-supervised")
    assert [each["jf_mean"] for each in json.loads(out)["objects"]] == [100, 100, 0]


def test_the_folders_can_be_named(folders, monkeypatch, capfd):
    truth, results = folders / "truth", folders / "results"
    placed = run(monkeypatch, capfd, "evaluate", "davis", truth, results, "--json")
    named = ("--annotations", truth, "--results", results)
    assert run(monkeypatch, capfd, "evaluate", "davis", *named, "--json")[:2] == placed[:2]
    code, _, err = run(monkeypatch, capfd, "evaluate", "davis", truth)
    assert code == 2
    assert "need the folder of the truth and that of the results" in " ".join(err.split())


def test_what_does_not_match_is_named_and_counts_as_empty(folders, monkeypatch, capfd):
    (folders / "results" / "two" / "00003.png").unlink()
    Image.new("L", (9, 9)).save(folders / "results" / "one" / "00002.png")
    Image.new("RGB", (80, 60)).save(folders / "results" / "one" / "00003.png")
    shutil.copytree(folders / "results" / "two", folders / "results" / "three")
    words = ("evaluate", "davis", folders / "truth", folders / "results", "--json")
    code, out, err = run(monkeypatch, capfd, *words)
    assert code == 1
    for message in (
        "two/00003.png: no such file", "one/00002.png: need a result of the truth's size (60, 80), got (9, 9)",
        "one/00003.png: need a palette or gray image of numbers", "need sequences of the truth, there is no three",
    ):  # fmt: skip
        assert message in err
    assert [each["j_mean"] for each in json.loads(out)["objects"]] == [60, 80, 0]
    code, out, err = run(monkeypatch, capfd, *words, "--strict")
    assert (code, out) == (1, "")
    with pytest.raises(BadRecord, match="three"):
        list(evaluate_davis(folders / "truth", folders / "results", skip_ends=False))


def test_a_sequence_that_is_missing_or_too_short_or_no_images(folders):
    problems = Report()
    (folders / "truth" / "480p" / "two" / "00001.png").write_text("no image")
    (folders / "truth" / "480p" / "three").mkdir()
    Image.new("L", (9, 9), 1).save(folders / "truth" / "480p" / "three" / "0.png")
    scores = list(evaluate_davis(folders / "truth", folders / "results", skip_ends=True, problems=problems))
    assert [each.sequence for part in scores for each in part] == ["one"]
    told = " ".join(problems.messages)
    assert "need the results of sequence three" in told.replace(str(folders), "")
    assert "three: need at least 3 frames, got 1" in told
    assert "two/00001.png: need a PNG" in told


def test_missing_folders(folders):
    with pytest.raises(SourceNotFound, match="need a folder of sequences"):
        list(evaluate_davis(folders / "nosuch", folders / "results", skip_ends=False))
    with pytest.raises(SourceNotFound, match="need a folder of results"):
        list(evaluate_davis(folders / "truth", folders / "nosuch", skip_ends=False))


def test_images_that_are_no_ids(tmp_path):
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(BadRecord, match="need a PNG"):
        read_id_map(tmp_path / "text.png")
    Image.new("RGB", (4, 4)).save(tmp_path / "color.png")
    with pytest.raises(BadRecord, match="need a palette or gray image"):
        read_id_map(tmp_path / "color.png")

import json

import numpy as np
import pytest
from PIL import Image

from maskweave.errors import InvalidValue, SourceNotFound, UnreadableImage
from maskweave.evaluation.davis_folders import evaluate_davis, read_id_map
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
    words = ("evaluate", "davis", "--annotations", folders / "truth", "--results", folders / "results")
    code, out, _ = run(monkeypatch, capfd, *words)
    assert code == 0
    assert out.splitlines()[-1].split() == ["mean", *["66.7", "66.7", "0.0"] * 2, "66.7"]
    code, out, _ = run(monkeypatch, capfd, *words, "--json", "--task", "semi-supervised")
    assert [json.loads(line)["jf_mean"] for line in out.splitlines()] == [100, 100, 0]


def test_what_does_not_match_is_named(folders, monkeypatch, capfd):
    (folders / "results" / "two" / "00003.png").unlink()
    code, _, err = run(
        monkeypatch,
        capfd,
        "evaluate",
        "davis",
        "--annotations",
        folders / "truth",
        "--results",
        folders / "results",
    )
    assert code == 1
    assert "two/00003.png: need this frame" in err
    Image.new("L", (9, 9)).save(folders / "results" / "one" / "00002.png")
    with pytest.raises(InvalidValue, match=r"one, frame 2: need a result of the truth's size"):
        list(evaluate_davis(folders / "truth", folders / "results", skip_ends=False))
    with pytest.raises(SourceNotFound, match="no such folder"):
        list(evaluate_davis(folders / "truth", folders / "truth", skip_ends=False))
    with pytest.raises(SourceNotFound, match="need a folder of sequences"):
        list(evaluate_davis(folders / "nosuch", folders / "results", skip_ends=False))


def test_pictures_that_are_no_ids(tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(UnreadableImage, match="need a PNG of object ids"):
        read_id_map(tmp_path / "text.png")
    Image.new("RGB", (4, 4)).save(tmp_path / "colour.png")
    with pytest.raises(InvalidValue, match="one channel"):
        read_id_map(tmp_path / "colour.png")

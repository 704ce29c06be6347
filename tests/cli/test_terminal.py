"""What a person sees on a terminal: short, in words, with the files at hand."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from maskweave.run_report import RunReport
from maskweave.types.frame import Frame
from maskweave.types.result import FrameResult
from maskweave.types.semantic import SemanticMap
from tests.cli.test_segment import model, photo, run, video_file  # noqa: F401 - fixtures


def see(monkeypatch):
    """Have stderr be a terminal without colors."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")


def test_one_photo_takes_two_lines(photo, model, tmp_path, monkeypatch, capfd):  # noqa: F811
    see(monkeypatch)
    code, out, err = run(monkeypatch, capfd, "segment", photo, "-m", model, "-o", tmp_path / "out")
    first, second = err.splitlines()
    assert (code, out) == (0, "")
    assert first.startswith("photo  1 object in 1 frame (1 cat)  ")
    assert second == f"  → {tmp_path / 'out' / 'photo.overlay.jpg'}, .masks.png, .json"


def test_several_inputs_end_with_what_was_found_in_all(photo, model, tmp_path, monkeypatch, capfd):  # noqa: F811
    other = tmp_path / "other.png"
    other.write_bytes(photo.read_bytes())
    words = ("segment", photo, other, tmp_path / "none.png", "-m", model, "-o", tmp_path / "out")
    see(monkeypatch)
    code, _, err = run(monkeypatch, capfd, *words, "--save", "overlay")
    assert code == 1
    assert err.splitlines()[-2:] == [
        "3 inputs, 1 failed: 2 objects (2 cat)",
        f"  → {tmp_path / 'out'}{os.sep}  2 files",
    ]


@pytest.mark.skipif(os.name != "posix", reason="names are plainer there")
def test_a_name_begins_no_line_and_commands_no_terminal(photo, model, tmp_path, monkeypatch, capfd):  # noqa: F811
    other = photo.rename(tmp_path / "a\nb\033[31mc\u202ed.png")
    code, _, err = run(monkeypatch, capfd, "segment", other, "-m", model, "-o", tmp_path / "out")
    assert (code, len(err.splitlines())) == (0, 1)
    assert err.startswith("a\\nb\\x1b[31mc\\u202ed: 1 object in 1 frame")


def test_no_color_is_written_where_stderr_is_no_terminal(photo, model, tmp_path, monkeypatch, capfd):  # noqa: F811
    assert "\033" not in run(monkeypatch, capfd, "segment", photo, "-m", model, "-o", tmp_path / "out")[2]


def test_open_calls_the_program_of_the_system(photo, model, tmp_path, monkeypatch, capfd):  # noqa: F811
    shown = program_that_notes(tmp_path, monkeypatch)
    words = ("segment", photo, "-m", model, "-o", tmp_path / "out", "--open")
    assert run(monkeypatch, capfd, *words)[0] == 0
    assert written(shown) == str(tmp_path / "out" / "photo.overlay.jpg")


def test_open_shows_the_folder_of_several_inputs(photo, model, tmp_path, monkeypatch, capfd):  # noqa: F811
    shown = program_that_notes(tmp_path, monkeypatch)
    other = tmp_path / "other.png"
    other.write_bytes(photo.read_bytes())
    assert (
        run(monkeypatch, capfd, "segment", photo, other, "-m", model, "-o", tmp_path / "out", "--open")[0]
        == 0
    )
    assert written(shown) == str(tmp_path / "out")


def test_open_without_such_a_program_says_so(photo, model, tmp_path, monkeypatch, capfd):  # noqa: F811
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("PATH", str(tmp_path))
    code, _, err = run(monkeypatch, capfd, "segment", photo, "-m", model, "-o", tmp_path / "out", "--open")
    assert code == 0
    assert "--open: need the program xdg-open, found none on PATH" in err


def program_that_notes(folder: Path, monkeypatch) -> Path:
    """Put an ``xdg-open`` on PATH that writes what it is given through the named pipe that is returned."""
    monkeypatch.setattr(sys, "platform", "linux")
    shown = folder / "shown"
    os.mkfifo(shown)
    program = folder / "bin" / "xdg-open"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nprintf %s "$1" > "{shown}"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return shown


def written(pipe: Path) -> str:
    """What the program wrote; waits for it."""
    return pipe.read_text()


def test_classes_of_a_map_have_their_share_of_the_pixels():
    report = RunReport()
    sky = np.zeros((4, 4), np.uint8)
    half = sky.copy()
    half[:2] = 1
    for class_map in (sky, half):
        frame = Frame(np.zeros((4, 4, 3), np.uint8))
        report.add(FrameResult(frame, SemanticMap(class_map, ("sky", "road"))))
    assert report.shares == {"sky": 0.75, "road": 0.25}

"""`maskweave segment --live` serves one video and opens the page that shows it."""

import json
import os
import re
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from maskweave.cli import main
from maskweave.options import Request
from tests.clips import Clip, write_clip

pytest.importorskip("wsproto", reason="needs the extra [serve]")
pytest.importorskip("fastapi", reason="needs the extra [serve]")


@pytest.fixture
def video(tmp_path):
    return write_clip(tmp_path / "clip.mp4", Clip(ticks=range(6)))


def test_options_go_on_in_the_address_of_the_page():
    from maskweave.cli.live import fragment_of

    request = Request.of(score=0.5, classes="cat,dog", every=2, line=["1,2,3,4=gate"], model="compact-s")
    assert fragment_of(request) == (
        "#live=0&score=0.5&classes=cat%2Cdog&every=2&line=1.0%2C2.0%2C3.0%2C4.0%3Dgate"
    )
    assert fragment_of(Request.of(track=False)) == "#live=0&track=false"
    assert fragment_of(Request()) == "#live=0"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["clip.mp4", "clip.mp4", "camera:0"], "got 2 inputs"),
        (["photo.png"], "got an image"),
        (["nowhere.mp4"], "nowhere.mp4"),
        (["clip.mp4", "--save", "coco"], "leave --save out"),
        (["clip.mp4", "-o", "out", "--trail", "3"], "leave --output, --trail out"),
    ],
)
def test_what_cannot_be_shown_is_said_before_anything_is_served(
    video, arguments, words, monkeypatch, capsys, tmp_path
):
    from PIL import Image

    Image.new("RGB", (32, 24)).save(tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["maskweave", "segment", *arguments, "--live"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in (1, 2)  # an input at fault, or a wrong call
    assert words in capsys.readouterr().err


def test_it_serves_until_ctrl_c_and_opens_the_page(video, tmp_path):
    from tests.serving.conftest import wait_until
    from tests.serving.sockets import live

    opener = tmp_path / "bin" / "xdg-open"
    opener.parent.mkdir()
    opener.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    opener.chmod(0o755)
    environment = {**os.environ, "PATH": f"{opener.parent}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "-m", "maskweave", "segment", str(video), "--live", "--score", "0.5"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        said = process.stderr.readline()
        port, fragment = re.search(r"http://127\.0\.0\.1:(\d+)/(#\S+)", said).groups()
        assert fragment == "#live=0&score=0.5"
        with live(SimpleNamespace(port=int(port)), source=0) as (talking, ready):
            assert ready["name"] == video.name
            answer, _ = talking.receive()
            assert answer["frame"] == 0
        if sys.platform == "linux":
            wait_until(lambda: f"{port}/{fragment}\n" in _text(tmp_path / "opened"))
    finally:
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=60)[1]
    assert process.returncode == 0
    assert "stopped" in rest


def _text(path):
    return path.read_text() if path.is_file() else ""


def test_programs_are_told_the_address_and_no_browser_is_opened(video, tmp_path):
    command = [sys.executable, "-m", "maskweave", "segment", str(video), "--live", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert json.loads(process.stdout.readline())["url"].endswith("/#live=0")
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)

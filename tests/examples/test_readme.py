"""The commands and the Python of README and of the first page, run as a reader would, print what is shown there."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from maskweave.cli.demo_video import write_photos, write_video

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "docs" / "index.md"]
AGAIN = "run scripts/docs_images.py outputs, and look at what changed"


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    write_photos(folder)
    write_video(folder / "drift.mp4")
    return folder


@pytest.fixture
def media(demo, tmp_path):
    """The media of the demo as a reader has them who begins here: without any results."""
    return shutil.copytree(demo, tmp_path / "media")


def printed(command, folder):
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "NO_COLOR": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def shape(text):
    """Text without numbers and what stands in brackets, which are the model's."""
    return re.sub(r"\d[\d.,]*", "#", re.sub(r"\([^)]*\)", "()", text)).split("\n")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_print_what_is_shown(page, media):
    (block,) = re.findall(
        r"<!-- printed by commands -->\n```console\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL
    )
    given = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    assert given
    for command, shown in given:
        words = [sys.executable, "-m", *shlex.split(command)]
        assert shape(printed(words, media)) == shape(shown), AGAIN


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_prints_what_is_shown(page, media):
    ((code, shown),) = re.findall(
        r"<!-- printed by python -->\n```python\n(.*?)```\n\n```text\n(.*?)```",
        page.read_text(encoding="utf-8"),
        re.DOTALL,
    )
    assert len([line for line in code.splitlines() if line]) <= 11
    assert shape(printed([sys.executable, "-c", code], media)) == shape(shown), AGAIN

"""Where torch is not installed, training says which extra brings it."""

import subprocess
import sys

import pytest

_HIDE = "import sys; sys.modules['torch'] = None\n"


def run(code):
    return subprocess.run([sys.executable, "-c", _HIDE + code], capture_output=True, text=True, check=False)


def test_the_extra_is_named():
    code = """
from maskweave import training
try:
    training.train
except ImportError as error:
    print(type(error).__name__, error)
"""
    done = run(code)
    assert done.stdout.startswith("MissingDependency training: need torch"), done.stderr
    assert "pip install 'maskweave[train]'" in done.stdout


@pytest.mark.parametrize("module", ["maskweave.cli.train", "maskweave.cli.evaluate", "maskweave.training"])
def test_what_the_command_line_imports_needs_no_torch(module):
    done = run(f"import {module}")
    assert done.returncode == 0, done.stderr

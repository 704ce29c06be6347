"""The documentation's images of the page can be made again."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage

from tests.serving.page.conftest import CHROMIUM

SCRIPT = Path(__file__).parents[3] / "scripts" / "page_images.py"


def test_the_script_makes_a_light_and_a_dark_one(tmp_path):
    pytest.importorskip("playwright", reason="needs playwright")
    pytest.importorskip("skimage", reason="needs scikit-image")
    if CHROMIUM is None:
        pytest.skip("needs Chromium, which is not installed")
    environment = {**os.environ, "CHROMIUM": str(CHROMIUM)}
    command = [sys.executable, SCRIPT, tmp_path]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert ran.returncode == 0, ran.stderr
    images = [np.asarray(PILImage.open(tmp_path / f"page-{scheme}.jpg")) for scheme in ("light", "dark")]
    assert [image.shape for image in images] == [(1000, 1600, 3)] * 2
    light, dark = (image[-20:, -20:].mean() for image in images)  # the ground of the list
    assert light > 200 > 60 > dark

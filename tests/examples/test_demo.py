"""The demo runs as `scripts/demo` runs it, on a shorter video."""

import runpy
from pathlib import Path

import av
import pytest

pytest.importorskip("skimage", reason="needs the demo extra")

SCRIPT = Path(__file__).parents[2] / "scripts" / "demo.py"


def test_the_demo_makes_every_result(tmp_path, capfd):
    demo = runpy.run_path(str(SCRIPT), run_name="demo")
    demo["main"].__globals__["SECONDS"] = 1
    demo["main"](tmp_path)
    out, _ = capfd.readouterr()
    results = {path.name for path in (tmp_path / "results").iterdir()}
    assert {
        "astronaut.overlay.jpg", "astronaut.masks.png", "astronaut.json", "cat.overlay.jpg", "walk.overlay.mp4",
        "walk.json", "walk.foreground.mp4", "walk.foreground",
    } <= results  # fmt: skip
    assert all(name in out for name in results)
    with av.open(str(tmp_path / "results" / "walk.overlay.mp4")) as container:
        assert container.streams.audio
        assert sum(1 for _ in container.decode(video=0)) == 24

"""Only what is needed is imported: heavy libraries wait until something asks for them."""

import json
import subprocess
import sys

import pytest

_TOLD = "import json, sys; print('loaded', json.dumps(sorted(sys.modules)), file=sys.stderr)"

# What a cold process may do, the modules of ours that it then has, and libraries that it must not have.
_HEAVY = {
    "PIL",
    "av",
    "cv2",
    "lap",
    "matplotlib",
    "numpy",
    "onnxruntime",
    "pooch",
    "requests",
    "rich",
    "torch",
}
_IMPORTED = {"maskweave", "maskweave.errors", "maskweave.version"}
_COMMANDS = {
    "maskweave.cli",
    "maskweave.cli.app",
    "maskweave.cli.batch",
    "maskweave.cli.commands",
    "maskweave.cli.console",
    "maskweave.cli.convert",
    "maskweave.cli.demo",
    "maskweave.cli.evaluate",
    "maskweave.cli.evaluate_coco",
    "maskweave.cli.evaluate_davis",
    "maskweave.cli.evaluate_panoptic",
    "maskweave.cli.evaluate_report",
    "maskweave.cli.evaluate_semantic",
    "maskweave.cli.evaluate_video",
    "maskweave.cli.label_studio",
    "maskweave.cli.options",
    "maskweave.cli.propagate",
    "maskweave.annotations",
    "maskweave.annotations.options",
    "maskweave.annotations.table",
    "maskweave.batch",
    "maskweave.batch.executor",
    "maskweave.catalog",
    "maskweave.catalog.entry",
    "maskweave.cores",
    "maskweave.cli.serve",
    "maskweave.cli.train",
    "maskweave.option_fields",
    "maskweave.options",
    "maskweave.parsing",
}
_HELP = "import sys; sys.argv[1:] = ['--help']; from maskweave.cli import main\ntry: main()\nexcept SystemExit: pass"
_SEGMENT = """
import sys, tempfile
from pathlib import Path
import cv2, numpy

folder = Path(tempfile.mkdtemp())
cv2.imwrite(str(folder / "photo.jpg"), numpy.random.default_rng(0).integers(0, 255, (120, 160, 3), "uint8"))
sys.argv[1:] = ["segment", str(folder / "photo.jpg"), "-o", str(folder / "out")]
from maskweave.cli import main
try: main()
except SystemExit: pass
"""
_FIRST_MASK = "import numpy, maskweave; maskweave.load()(numpy.zeros((64, 64, 3), 'uint8')).instances.masks"


def loaded_by(code):
    ran = subprocess.run(
        [sys.executable, "-c", f"{code}\n{_TOLD}"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    (line,) = [line for line in ran.stderr.splitlines() if line.startswith("loaded ")]
    return set(json.loads(line.removeprefix("loaded ")))


@pytest.mark.parametrize(
    ("code", "ours", "absent"),
    [
        ("import maskweave", _IMPORTED, _HEAVY | {"typer"}),
        (_HELP, _IMPORTED | _COMMANDS, _HEAVY),
    ],
    ids=["import", "help"],
)
def test_a_cold_start_loads_no_more_than_it_needs(code, ours, absent):
    loaded = loaded_by(code)
    assert {name for name in loaded if name.split(".")[0] == "maskweave"} == ours
    assert not loaded & absent


@pytest.mark.engine
def test_the_first_mask_needs_no_video_plots_downloads_or_command_line():
    loaded = loaded_by(_FIRST_MASK)
    assert {"cv2", "maskweave.models.compact"} <= loaded
    assert not loaded & {"av", "matplotlib", "pooch", "requests", "rich", "scipy", "torch", "typer"}
    ours = {name for name in loaded if name.startswith("maskweave")}
    assert len(ours) < 70
    assert {name for name in ours if name.split(".")[1:2] in (["outputs"], ["video"])} == {
        "maskweave.video",
        "maskweave.video.stream",  # light: it imports on use what facts about frames need
    }
    assert {name for name in ours if name.endswith("_seg")} == set()  # other families


@pytest.mark.engine
def test_a_photo_on_the_command_line_needs_few_modules_and_no_reader_of_annotations():
    loaded = loaded_by(_SEGMENT)
    ours = {name for name in loaded if name.startswith("maskweave")}
    assert {"maskweave.outputs.overlay", "maskweave.annotations.coco"} <= ours
    assert len(ours) < 100
    assert not ours & {
        "maskweave.annotations.coco_reading",
        "maskweave.models.guided",
        "maskweave.cli.viewer",
    }
    assert not loaded & {"av", "matplotlib", "pooch", "requests", "rich", "scipy", "torch"}

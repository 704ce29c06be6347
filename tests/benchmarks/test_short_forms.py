"""Every benchmark still runs in a short form, agrees with its peers, and writes its tables into their document."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from maskweave.catalog.download import pull
from maskweave.catalog.entries import find
from maskweave.ops.coco_names import COCO_NAMES
from tests.models.guides import guide
from tests.training.drawn import draw_data_set, edit

ROOT = Path(__file__).parents[2]
SHORT = {
    "masks": ("performance.md", ["masks"]),
    "startup": ("performance.md", ["startup"]),
    "video": ("performance.md", ["video", "video options"]),
    "peers": ("performance.md", ["peers", "peers cutouts"]),
    "folder": ("performance.md", ["folder"]),
    "tiling": ("large-and-scientific.md", ["tiling"]),
    "matting": ("semantic-and-cutouts.md", ["matting"]),
    "serving": ("server.md", ["serving"]),
    "page": ("server.md", ["page"]),
    "annotating": ("performance.md", ["annotating"]),
    "live": ("performance.md", ["live"]),
    "davis": ("benchmarks.md", ["davis foreground", "davis propagation"]),
    "davis_parts": ("benchmarks.md", ["davis parts"]),
}  # script: the document under docs/ that holds its tables, and their marks
PRINTED = {"tracking": ["--short"]}  # script: arguments; they write nothing
FROM_DATA = ["nuclei", "int8", "classic", "prompts"]  # each has a test of its own below
SHARED_CODE = ["measuring", "drawn", "u2netp"]


def run(name, *arguments, folder):
    """What a script prints."""
    command = [sys.executable, ROOT / "benchmarks" / f"{name}.py", *arguments]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8", check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize(("name", "document", "marks"), [(name, *where) for name, where in SHORT.items()])
def test_the_short_form_replaces_its_tables_and_nothing_else(name, document, marks, tmp_path):
    if name in ("serving", "page", "annotating", "live"):
        pytest.importorskip("fastapi", reason="needs the extra [serve]")
    if name in ("page", "annotating", "live"):
        pytest.importorskip("playwright", reason="needs playwright")
        if not Path("/usr/bin/chromium").exists():
            pytest.skip("needs /usr/bin/chromium, which is not installed")
    copy = Path(shutil.copy(ROOT / "docs" / document, tmp_path))
    before = copy.read_text(encoding="utf-8")
    printed = run(name, "--short", "--write", copy, folder=tmp_path)
    after = copy.read_text(encoding="utf-8")
    for mark in marks:
        check_tables(parts(after, mark)[1], printed)
        before, after = ("".join(parts(text, mark)[::2]) for text in (before, after))
    assert after == before


def check_tables(text, printed):
    """Whole tables, all of which were printed too."""
    tables = [lines.splitlines() for lines in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE)]
    assert tables
    for table in tables:
        rows = [line.split("|") for line in table]
        assert len(rows) > 2
        assert {len(row) for row in rows} == {len(rows[0])}
        assert "".join(rows[1]).strip("-:") == ""
        assert all(line in printed for line in table)


@pytest.mark.parametrize("name", PRINTED)
def test_what_only_prints_still_runs(name, tmp_path):
    if name == "tracking":
        pytest.importorskip("trackeval", reason="HOTA needs the library trackeval")
    assert len(run(name, *PRINTED[name], folder=tmp_path).splitlines()) > 5


@pytest.fixture
def drawn(tmp_path):
    """A drawn data set whose discs are people and whose squares are cats, and the arguments that name it."""
    path = draw_data_set(tmp_path / "data", images=4)
    names = ["person", "cat", *(name for name in COCO_NAMES if name not in ("person", "cat"))]
    categories = [{"id": i, "name": name} for i, name in zip([7, 9, *range(100, 200)], names, strict=False)]
    images = [{**image, "source": "voc"} for image in json.loads(path.read_text())["images"]]
    edit(path, categories=categories, images=images)
    return path, ["--images", path.parent / "images"]


def test_nuclei_are_measured(drawn, tmp_path):
    path, images = drawn
    printed = run("nuclei", pull(find("built-in"))[0], path, *images, "--size", "96", folder=tmp_path)
    assert "| mask AP50 |" in printed


@pytest.mark.training
def test_answers_to_prompts_are_measured_with_a_guide_and_without(drawn, tmp_path):
    pytest.importorskip("torch", reason="training needs torch: pip install maskweave[train]")
    path, images = drawn
    (tmp_path / "guide.onnx").write_bytes(guide())
    printed = run(
        "prompts", path, *images, "--guide", tmp_path / "guide.onnx", "--objects", "2", folder=tmp_path
    )
    rows = [line.split("|")[1].strip() for line in printed.splitlines() if line.startswith("| built-in")]
    assert {"built-in", "built-in with guide.onnx"} == set(rows)


@pytest.mark.training
def test_int8_is_calibrated_and_measured(drawn, tmp_path):
    pytest.importorskip("torch", reason="training needs torch: pip install maskweave[train]")
    path, images = drawn
    short = ["--count", "2", "--rounds", "1", "-o", tmp_path / "out.onnx"]
    printed = run("int8", path, *images, "--val", path, *short, folder=tmp_path)
    assert len([line for line in printed.splitlines() if line.startswith("|")]) == 4


def test_the_classic_runs_on_both_routes(shared_data, tmp_path):
    pytest.importorskip("tensorboard", reason="the frozen graph is written with tensorboard's protobufs")
    graph = shared_data / "media" / "mask_rcnn_inception_v2_coco_2018_01_28.pbtxt"
    printed = run("classic", graph, "--short", folder=tmp_path)
    same, kept = re.search(r"(\d+) of (\d+) the same", printed).groups()
    assert same == kept


def test_every_script_is_tested():
    scripts = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
    assert scripts - set(SHARED_CODE) == {*SHORT, *PRINTED, *FROM_DATA}


def parts(text, mark):
    """What stands before, between and after the marks of a table."""
    before, rest = text.split(f"<!-- {mark} -->")
    between, after = rest.split(f"<!-- end of {mark} -->")
    return before, between, after

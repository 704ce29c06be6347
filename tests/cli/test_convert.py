import contextlib
import io
import json
import subprocess
import sys

import pytest

from maskweave.annotations.record import Record
from maskweave.cli.app import app
from maskweave.cli.console import report_errors
from tests.annotations.scenes import objects, plain, put_images, read, rectangle, same_objects, write


def run(*arguments):
    """Exit code, stdout and stderr of the command as `maskweave` runs it."""

    def main():
        with report_errors():
            app([str(each) for each in arguments], prog_name="maskweave", standalone_mode=True)

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code or 0, out.getvalue(), err.getvalue()


@pytest.fixture
def coco(tmp_path):
    over = Record("b.png", objects([rectangle(0, 0, 8, 8), rectangle(5, 5, 11, 11)], scores=[0.9, 0.5]))
    path = tmp_path / "in.json"
    write(path, "coco", put_images(tmp_path, plain("a.png"), over))
    return path


def test_losses_are_measured_and_told(coco, tmp_path):
    code, _, told = run("convert", coco, "--to", "voc", "-o", tmp_path / "voc")
    assert code == 0
    assert "in.json: COCO instances (coco): JSON with COCO's images and annotations" in told
    assert "voc: 1 of 4 objects lost 9 pixels under others" in told
    assert "voc: 2 of 4 objects lost their scores" in told
    assert f"2 images with 4 objects → {tmp_path / 'voc'}" in told
    assert len(read(tmp_path / "voc")) == 2


def test_a_line_for_machines(coco, tmp_path):
    code, out, _ = run(
        "convert", coco, "--to", "voc", "-o", tmp_path / "voc", "--overlaps", "small", "--json"
    )
    assert code == 0
    assert json.loads(out) == {
        "from": "coco",
        "to": "voc",
        "output": str(tmp_path / "voc"),
        "records": 2,
        "objects": 4,
        "problems": 0,
        "losses": {
            "scores": {"objects": 2, "pixels": 0},
            "overlaps": {"objects": 1, "pixels": 9},
        },
    }


def test_broken_records_are_named_and_left_out_with_code_1(coco, tmp_path):
    data = json.loads(coco.read_text())
    data["annotations"][0]["segmentation"] = [[1, 1, 5, 5]]
    data["annotations"][2]["category_id"] = 999
    coco.write_text(json.dumps(data))
    code, _, told = run("convert", coco, "--to", "geojson", "-o", tmp_path / "out.geojson")
    assert code == 1
    assert "maskweave: in.json, annotation 1: polygon: need" in told
    assert "maskweave: in.json, annotation 3: need a category of the file, got 999" in told
    assert "2 images with 2 objects, 2 problems" in told
    assert sum(len(each.instances) for each in read(tmp_path / "out.geojson")) == 2
    code, _, told = run("convert", coco, "--to", "geojson", "-o", tmp_path / "strict.geojson", "--strict")
    assert (code, "annotation 3" in told) == (1, False)
    assert not (tmp_path / "strict.geojson").exists()


def test_lossless_leaves_out_what_would_lose(coco, tmp_path):
    code, _, told = run("convert", coco, "--to", "labelme", "-o", tmp_path / "out", "--lossless")
    assert code == 1
    assert "b.png: would lose something: 2 objects lost their scores" in told
    assert [each.file_name for each in read(tmp_path / "out")] == ["a.png"]


def test_the_format_is_known_by_content_and_can_be_told(coco, tmp_path):
    moved = tmp_path / "in.txt"
    moved.write_bytes(coco.read_bytes())
    assert run("convert", moved, "--to", "npz", "-o", tmp_path / "a")[0] == 0
    assert run("convert", moved, "--from", "coco", "--to", "npz", "-o", tmp_path / "a")[0] == 0
    assert run("convert", moved, "--from", "labelme", "--to", "npz", "-o", tmp_path / "b")[0] == 1
    assert all(same_objects(*pair) for pair in zip(read(coco), read(tmp_path / "a"), strict=True))


def test_map_coordinates(coco, tmp_path):
    code, _, _ = run(
        "convert", coco, "--to", "geojson", "-o", tmp_path / "m.geojson", "--affine", "2,0,10,0,-2,50"
    )
    assert code == 0
    assert json.loads((tmp_path / "m.geojson").read_text())["affine"] == [2, 0, 10, 0, -2, 50]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "gif"], "format: need one of coco"),
        (["--to", "coco", "--from", "csv"], "csv: is written only"),
        (["--to", "geojson", "--affine", "1,2"], "need six numbers"),
        (["--to", "geojson", "--affine", "1,2,0,2,4,0"], "need a transform that can be undone"),
    ],
)
def test_a_wrong_call_is_told(coco, tmp_path, arguments, message):
    code, _, told = run("convert", coco, *arguments, "-o", tmp_path / "out")
    assert code == 2
    assert message in " ".join(told.replace("│", " ").split())
    assert not (tmp_path / "out").exists()


def test_the_source_is_never_written_over(coco, tmp_path):
    before = coco.read_bytes()
    for place in (coco, tmp_path):
        code, _, told = run("convert", coco, "--to", "coco", "-o", place)
        assert (code, "would replace the source" in told) == (2, True)
    assert coco.read_bytes() == before


@pytest.mark.parametrize(("text", "code"), [('{"images": [], "annotations": []}', 1), ("nothing", 2)])
def test_a_source_without_records_is_told(tmp_path, text, code):
    (tmp_path / "a.json").write_text(text)
    assert run("convert", tmp_path / "a.json", "--to", "npz", "-o", tmp_path / "out")[0] == code
    assert run("convert", tmp_path / "none.json", "--to", "npz", "-o", tmp_path / "out")[0] == 1
    assert not (tmp_path / "out").exists()


_LARGE = """
import json, resource, sys
from pathlib import Path
from maskweave.annotations.convert import convert
folder = Path(sys.argv[1])
count = int(sys.argv[2])
with (folder / "in.json").open("w") as file:
    file.write('{"categories": [{"id": 18, "name": "dog"}], "images": [')
    for n in range(count):
        file.write(("," if n else "") + json.dumps({"id": n, "file_name": f"{n}.jpg", "height": 480, "width": 640}))
    file.write('], "annotations": [')
    more = {"segmentation": [[1, 1, 9, 1, 9, 9]], "note": "x" * 10000}
    for n in range(count):
        entry = {"id": n, "image_id": n, "category_id": 18, "bbox": [1, 1, 8, 8], **more}
        file.write(("," if n else "") + json.dumps(entry))
    file.write("]}")
convert(folder / "in.json", folder / "out.json", to="coco")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_data_set(tmp_path):
    pytest.importorskip("resource", reason="this system does not tell a process's peak memory")

    def peak(count):
        folder = tmp_path / str(count)
        folder.mkdir()
        ran = subprocess.run(
            [sys.executable, "-c", _LARGE, str(folder), str(count)],
            capture_output=True,
            text=True,
            check=True,
        )
        return int(ran.stdout) * 1024

    small, large = peak(20), peak(400)
    size = (tmp_path / "400" / "in.json").stat().st_size
    assert size > 3_000_000
    assert large - small < size  # whole in memory it would be several times that

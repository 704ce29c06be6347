"""What `segment --save` writes is read again, the same command twice works, and a format is one file and one row."""

import contextlib
import io
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskweave.annotations.convert import convert, detect
from maskweave.annotations.options import Options
from maskweave.annotations.record import Record
from maskweave.annotations.report import Report
from maskweave.annotations.table import TABLE, Row, format_named, formats, markdown_table, save_names
from maskweave.cli.app import app
from maskweave.errors import InvalidValue, OutputError
from maskweave.evaluation.coco_predictions import CocoPredictions
from maskweave.evaluation.coco_truth import CocoTruthFile
from maskweave.evaluation.davis_folders import evaluate_davis
from maskweave.evaluation.panoptic import PanopticMetric
from maskweave.evaluation.panoptic_files import PanopticFile, add_files
from maskweave.outputs import make_writers, saved_formats
from maskweave.outputs.base import Target
from maskweave.types import Frame, FrameResult, Masks, SourceInfo
from tests.annotations.scenes import (
    NAMES,
    SIZE,
    objects,
    plain,
    put_images,
    read,
    records,
    rectangle,
    same_objects,
    write,
)

READ = [each.name for each in formats() if each.read is not None]
names_of_classes = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=12
).filter(lambda text: text not in ("background", "unlabeled"))
names_of_files = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="/\\:"),
    min_size=1,
    max_size=12,
).filter(lambda text: text.strip(" .") == text)


def target(folder, kind, names=NAMES):
    return Target(folder, SourceInfo("street", kind, rate=Fraction(25)), "instances", names, model="tester")


def frame(index, image_name=""):
    pixels = np.zeros((*SIZE, 3), np.uint8)
    return Frame(pixels, index, Fraction(index, 25), source="street", file_name=image_name)


def saved(name, folder, kind, frames, names=NAMES):
    """Write frames as `segment --save` does; returns the path."""
    (writer,) = make_writers([name], target(folder, kind, names))
    with writer:
        for each, found in frames:
            writer.write(FrameResult(each, found))
    return writer.path


def known_to(form, instances):
    """The objects in the only class that a format without classes knows."""
    if form != "davis":
        return instances
    return instances.replace(class_names=("object",), class_ids=np.zeros(len(instances), int))


@pytest.mark.parametrize(
    "name", [each for each in saved_formats("image", "instances") if each in save_names()]
)
def test_what_an_image_is_saved_as_is_read_again(name, tmp_path):
    form = format_named(save_names()[name])
    if form.read is None:
        pytest.skip(f"{name} is written only")
    found = objects(
        [rectangle(1, 1, 6, 8) & ~rectangle(2, 2, 4, 4), rectangle(8, 2, 10, 4) | rectangle(12, 2, 15, 9)]
    )
    path = saved(name, tmp_path, "image", [(frame(0, "street.png"), found)])
    put_images(tmp_path, replace(plain("street.png"), instances=found))
    (record,) = read(path, form.name, images=tmp_path if form.name == "yolo" else None)
    assert same_objects(record, replace(record, instances=known_to(form.name, found)))


@pytest.mark.parametrize(
    "name", [each for each in saved_formats("video", "instances") if each in save_names()]
)
def test_what_a_video_is_saved_as_is_read_again_with_its_tracks(name, tmp_path):
    form = format_named(save_names()[name])
    if form.read is None or form.name == "yolo":  # the outlines of which need the frames as images
        pytest.skip(f"{name} cannot be read back alone")
    dense = [[rectangle(n, 1, n + 3, 5), rectangle(n + 5, 3, n + 9, 11)] for n in range(3)]
    frames = [(frame(n), objects(each, track_ids=[4, 9])) for n, each in enumerate(dense)]
    path = saved(name, tmp_path, "video", frames)
    after = read(path, form.name)
    assert len(after) == 3
    for (_, found), record in zip(frames, after, strict=True):
        assert same_objects(record, replace(record, instances=known_to(form.name, found)))
        if "tracks" in form.holds:
            assert sorted(record.instances.track_ids.tolist()) == [4, 9]


@pytest.mark.parametrize("form", [each for each in READ if "class names" in format_named(each).holds])
def test_any_class_name_and_any_file_name_come_back(form, tmp_path_factory):
    @given(records(apart=True), names_of_classes, names_of_classes, names_of_files)
    @settings(max_examples=15, deadline=None)
    def holds(before, one, other, name):
        names = (one, other) if one != other else (one, f"{other}2")
        before = replace(
            before, instances=before.instances.replace(class_names=names), file_name=f"{name}.png"
        )
        if not len(before.instances):
            return
        folder = tmp_path_factory.mktemp("out")
        suffix = format_named(form).suffix
        (given_record,) = put_images(folder / "photos", before) if form == "yolo" else (before,)
        write(folder / f"out{suffix}", form, [given_record], with_images="copy" if form == "yolo" else "none")
        (after,) = read(folder / f"out{suffix}", form)
        assert same_objects(before, after)
        assert after.stem == before.stem

    holds()


@pytest.mark.parametrize("form", list(TABLE))
def test_the_same_command_twice_works_and_what_others_made_stays(form, tmp_path):
    source = tmp_path / "in.json"
    write(source, "coco", put_images(tmp_path, plain("a.png"), plain("b.png")))
    place = tmp_path / f"out{format_named(form).suffix if form != 'mots' else ''}"
    for _ in range(2):
        convert(source, place, to=form, report=Report(form))
    foreign = place / "notes.txt" if place.is_dir() else place
    foreign.write_text("mine")
    with pytest.raises(OutputError, match=r"which MaskWeave did not write|that MaskWeave did not write"):
        convert(source, place, to=form, report=Report(form))
    assert foreign.read_text() == "mine"
    convert(source, place, to=form, options=Options(overwrite=True), report=Report(form))
    assert not (place / "notes.txt").exists()


@pytest.fixture
def toy(monkeypatch):
    """The table with one more row."""
    monkeypatch.setitem(TABLE, "toy", Row("tests.annotations.toy"))


def run(*words):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), contextlib.suppress(SystemExit):
        app([str(each) for each in words], prog_name="maskweave")
    return " ".join((out.getvalue() + err.getvalue()).split())


def test_a_row_is_all_that_the_table_of_the_documents_needs(toy):
    assert "| A toy | `toy` | one `.toy` | yes | yes | boxes, scores, tracks" in markdown_table()


def test_a_row_is_all_that_the_command_line_needs(toy, tmp_path):
    write(tmp_path / "in.json", "coco", [plain("a.png")])
    told = run("convert", tmp_path / "in.json", "--to", "toy", "-o", tmp_path / "a.toy")
    assert "1 image with 2 objects" in told
    assert detect(tmp_path / "a.toy")[0].name == "toy"
    assert same_objects(read(tmp_path / "a.toy")[0], plain("a.png"))
    with pytest.raises(InvalidValue, match="davis, toy, got 'nosuch'"):
        format_named("nosuch")


HELP = """
from maskweave.annotations.table import TABLE, Row
TABLE["toy"] = Row("tests.annotations.toy")
from maskweave.cli.app import app
app()
"""


@pytest.mark.parametrize("command", ["convert", "segment"])
def test_a_row_is_all_that_the_help_needs(command):
    words = [sys.executable, "-c", HELP, command, "--help"]
    found = subprocess.run(words, capture_output=True, text=True, check=True)
    assert re.search(r"\btoy\b", found.stdout)


def test_a_row_is_all_that_saving_needs(toy, tmp_path):
    assert "toy" in saved_formats("image", "instances")
    assert "toy" not in saved_formats("video", "instances")
    path = saved("toy", tmp_path, "image", [(frame(0, "street.png"), objects([rectangle(1, 1, 6, 8)]))])
    assert path.name == "street.toy"
    assert read(path)[0].instances.masks == Masks.from_dense(np.array([rectangle(1, 1, 6, 8)]))


def test_a_row_is_all_that_the_server_needs(toy):
    pytest.importorskip("fastapi")
    from maskweave.serving.media import media_type

    assert media_type("street.toy") == "text/x-toy"


def test_no_format_is_imported_before_it_is_used():
    text = "import sys, maskweave.outputs; print(json.dumps([each for each in sys.modules]))"
    found = subprocess.run(
        [sys.executable, "-c", f"import json; {text}"], capture_output=True, text=True, check=True
    )
    modules = set(json.loads(found.stdout))
    assert not modules & {row.module for row in TABLE.values()}


def test_a_folder_that_convert_writes_is_one_that_evaluate_takes(tmp_path):
    video_records = [
        Record(
            f"clip/{n:05d}.png",
            objects([rectangle(n, 1, n + 4, 6), rectangle(9, 7, 15, 11)], track_ids=[1, 2]),
            video="clip",
            frame=n,
        )
        for n in range(3)
    ]
    write(tmp_path / "davis", "davis", video_records)
    ((first, second),) = evaluate_davis(tmp_path / "davis", tmp_path / "davis", skip_ends=False)
    assert (first.jf_mean, second.jf_mean) == (1, 1)
    write(tmp_path / "panoptic", "panoptic", video_records[:1])
    known, metric = PanopticFile(tmp_path / "panoptic", Report()), PanopticMetric(NAMES, (True, True))
    add_files(metric, known, PanopticFile(tmp_path / "panoptic", Report(), like=known), Report())
    assert metric.result().all.pq == 100


def test_folders_of_several_videos_are_the_sequences_of_the_truth(tmp_path):
    for name, left in (("bear", 1), ("dog", 3)):
        dense = [[rectangle(n, left, n + 4, left + 4)] for n in range(3)]
        rows = [(frame(n), objects(each, track_ids=[1])) for n, each in enumerate(dense)]
        path = saved("davis", tmp_path, "video", rows)
        shutil.copytree(path, tmp_path / "truth" / name)
        shutil.copytree(path, tmp_path / "results" / f"{name}.davis")  # as the writer names it
    found = list(evaluate_davis(tmp_path / "truth", tmp_path / "results", skip_ends=False))
    assert [(scores.sequence, scores.jf_mean) for (scores,) in found] == [("bear", 1), ("dog", 1)]


def test_the_frames_of_one_video_are_a_sequence_whatever_their_folder_is_called(tmp_path):
    dense = [[rectangle(n, 1, n + 4, 6)] for n in range(3)]
    path = saved(
        "davis", tmp_path, "video", [(frame(n), objects(each, track_ids=[1])) for n, each in enumerate(dense)]
    )
    path.rename(tmp_path / "flat")
    named = tmp_path / "truth" / "street"
    shutil.copytree(tmp_path / "flat", named)
    ((scores,),) = evaluate_davis(tmp_path / "truth", tmp_path / "flat", skip_ends=False)
    assert scores.jf_mean == 1


def test_results_in_an_images_own_file_are_measured(tmp_path):
    write(tmp_path / "truth.json", "coco", [replace(plain("street.png"), file_name="street.png")])
    (tmp_path / "out").mkdir()
    saved(
        "coco",
        tmp_path / "out",
        "image",
        [(frame(0, "street.png"), plain().instances.replace(scores=[0.5, 0.75]))],
    )
    truth = CocoTruthFile(tmp_path / "truth.json")
    found = CocoPredictions(tmp_path / "out", truth)
    assert [found.of(each).scores.tolist() for each in truth.truths()] == [[0.5, 0.75]]

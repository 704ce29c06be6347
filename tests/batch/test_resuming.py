"""The same command does what is left, and nothing else."""

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskweave.batch import run as running
from maskweave.batch.executor import ExecutorConfig
from maskweave.batch.folder import at_work, record_path
from maskweave.batch.manifest import Manifest
from maskweave.batch.run import stored_job
from maskweave.cli import batch_run
from maskweave.errors import InvalidValue, OutputError
from maskweave.files import AtomicFile, output_errors
from tests.batch.jobs import do, finished, inline, job_for, outputs, write_photo, write_photos
from tests.clips import Clip, write_clip

pytestmark = pytest.mark.usefixtures("in_this_process")


@pytest.fixture
def job(tmp_path, model):
    return job_for(write_photos(tmp_path / "photos", 4, broken=[2]), tmp_path / "out", model)


def test_a_job_gives_a_file_for_each_image_and_one_coco_file_for_all(job, tmp_path):
    names, summary = finished(job)
    assert names == ["0", "1", "2", "3"]
    assert (summary.counts.done, summary.counts.failed, summary.counts.todo) == (3, 1, 0)
    assert sorted(outputs(tmp_path / "out")) == ["0.masks.png", "1.masks.png", "3.masks.png", "coco.json"]
    coco = json.loads((tmp_path / "out" / "coco.json").read_text())
    assert [(each["id"], each["file_name"]) for each in coco["images"]] == [
        (1, "0.png"), (2, "1.png"), (3, "3.png"),
    ]  # fmt: skip
    assert [(each["id"], each["image_id"]) for each in coco["annotations"]] == [(1, 1), (2, 2), (3, 3)]
    masks = np.asarray(Image.open(tmp_path / "out" / "3.masks.png"))
    assert coco["annotations"][2]["area"] == (masks == 1).sum() > 0


def test_the_same_command_again_does_nothing_and_changes_no_byte(job, tmp_path):
    do(job)
    before = outputs(tmp_path / "out")
    assert finished(job)[0] == []
    assert outputs(tmp_path / "out") == before


def test_an_interrupted_job_goes_on_and_gives_what_an_uninterrupted_one_gives(job, tmp_path):
    do(job.changed(output=str(tmp_path / "whole")))

    def interrupt(outcome, counts):
        if counts.todo == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        do(job, on_outcome=interrupt)
    assert "coco.json" not in outputs(tmp_path / "out")
    assert finished(job)[0] == ["2", "3"]
    assert outputs(tmp_path / "out") == outputs(tmp_path / "whole")


@pytest.mark.parametrize(
    ("change", "redone"),
    [
        (lambda photos: write_photo(photos / "1.png", seed=9), ["1"]),
        (lambda photos: write_photo(photos / "4.png", seed=9), ["4"]),
        (lambda photos: (photos / "0.png").unlink(), []),
        (lambda photos: os.utime(photos / "1.png", (1, 1)), []),  # touched, the same bytes
        (lambda photos: write_photo(photos / "2.png", seed=9), ["2"]),  # it was broken
        (lambda photos: (photos.parent / "out" / "3.masks.png").unlink(), ["3"]),
    ],
)
def test_changed_inputs_are_done_again_and_no_others(job, tmp_path, change, redone):
    do(job)
    change(tmp_path / "photos")
    assert finished(job)[0] == redone
    do(job.changed(output=str(tmp_path / "new")))
    assert outputs(tmp_path / "out").get("coco.json") == outputs(tmp_path / "new").get("coco.json")


def test_changed_options_models_and_versions_redo_all_and_changed_places_none(job, tmp_path, monkeypatch):
    do(job)
    everything = ["0", "1", "2", "3"]
    assert finished(job.changed(score=0.5))[0] == everything
    assert finished(job.changed(score=0.5, recursive=True))[0] == []
    other = tmp_path / "other.onnx"
    other.write_bytes(Path(job.request.model.model).read_bytes() + b"\x7a\x00")
    again = job.changed(score=0.5, model=str(other))
    assert again.key != job.changed(score=0.5).key
    monkeypatch.setattr("maskweave.batch.job.__version__", "99")
    assert finished(job.changed(score=0.5))[0] == everything


def test_an_input_that_is_not_there_fails_until_it_is(job, tmp_path):
    job = replace(job, inputs=(*job.inputs, str(tmp_path / "late.png")))
    assert do(job).counts.failed == 2
    write_photo(tmp_path / "late.png", seed=5)
    names, summary = finished(job)
    assert (names, summary.counts.failed) == (["late"], 1)


def test_what_failed_before_anything_was_done_is_named_each_time(job, tmp_path, capfd):
    job = replace(job, inputs=(*job.inputs, str(tmp_path / "late.png")))
    for _ in range(2):
        assert batch_run.run(job, ExecutorConfig(), retry=None, json_lines=False) == 1
        failures = [line for line in capfd.readouterr().err.splitlines() if line.startswith("failed: ")]
        assert len(failures) == 2
        assert any("late.png: no such file" in line for line in failures)


@pytest.mark.skipif(os.name != "posix", reason="needs links")
def test_a_link_to_itself_is_an_input_that_fails(job, tmp_path):
    (tmp_path / "photos" / "1.png").unlink()
    (tmp_path / "photos" / "1.png").symlink_to("1.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    summary = do(replace(job, inputs=(*job.inputs, str(tmp_path / "loop.png"))))
    assert (summary.counts.done, summary.counts.failed) == (2, 3)


def test_failed_items_stay_failed_until_they_are_asked_for(job, tmp_path):
    do(job)
    names, summary = finished(job)
    assert (names, summary.counts.failed) == ([], 1)
    again = stored_job(str(tmp_path / "out"), retry=True)
    assert finished(again)[0] == ["2"]


def test_sub_folders_and_videos_have_their_names(job, tmp_path):
    write_photo_in = tmp_path / "photos" / "deep"
    write_photo_in.mkdir()
    write_photo(write_photo_in / "0.png", seed=7)
    write_clip(tmp_path / "photos" / "clip.mp4", Clip(ticks=(0, 1, 2)))
    do(job.changed(recursive=True))
    made = outputs(tmp_path / "out")
    assert {"deep/0.masks.png", "clip.json", "clip.masks/000002.png", "0.masks.png"} <= set(made)
    names = [each["file_name"] for each in json.loads(made["coco.json"])["images"]]
    assert names == ["0.png", "1.png", "3.png", "deep/0.png"]


def test_a_video_that_is_cut_short_is_done_and_counted_as_incomplete(job, tmp_path):
    video = write_clip(tmp_path / "photos" / "clip.ts", Clip(ticks=range(20)))
    video.write_bytes(video.read_bytes()[:-1000])
    for _ in range(2):  # the same command again has the same to say
        counts = do(job).counts
        assert (counts.done, counts.incomplete, counts.failed) == (4, 1, 1)
    with Manifest(record_path(job.output), read_only=True) as manifest:
        complete = {outcome.name: outcome.is_complete for _, outcome in manifest.outcomes()}
    assert [name for name, is_complete in complete.items() if not is_complete] == ["clip"]


def test_what_a_killed_run_left_is_removed_and_nothing_else(job, tmp_path):
    out = tmp_path / "out"
    do(job)
    (out / ".0.masks.0123abcd.part.png").touch()
    (out / ".clip.0123abcd.part").mkdir()
    (out / ".mine.png").touch()
    do(job)
    assert sorted(path.name for path in out.glob(".*")) == [".maskweave", ".mine.png"]


def test_two_jobs_do_not_share_a_folder(job, tmp_path):
    with at_work(str(tmp_path / "out")), pytest.raises(OutputError, match="another batch"):
        do(job)


@pytest.mark.parametrize("text", ["camera:0", "-", "rtsp://cam/live", "https://example.org/a.jpg"])
def test_what_cannot_be_read_twice_is_refused(job, text):
    with pytest.raises(InvalidValue, match="maskweave segment"):
        do(replace(job, inputs=(text,)))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_and_not_waited_for(job, tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(InvalidValue, match="maskweave segment"):
        do(replace(job, inputs=(str(tmp_path / "pipe.png"),)))


def test_a_plan_that_breaks_off_leaves_the_job_before_it(job, tmp_path, monkeypatch):
    do(job)
    monkeypatch.setattr("maskweave.batch.plan.stamp_of", lambda path: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        do(job)
    with Manifest(record_path(str(tmp_path / "out")), read_only=True) as manifest:
        assert manifest.counts().total == 4


def test_a_full_disk_stops_the_job_and_leaves_the_rest_to_do(job, tmp_path, monkeypatch):
    commit, written = AtomicFile.commit, []

    def commit_two(file):
        if len(written) == 2:
            file.discard()
            with output_errors(file.path):
                raise OSError(errno.ENOSPC, "No space left on device")
        written.append(file.path)
        commit(file)

    monkeypatch.setattr(AtomicFile, "commit", commit_two)
    with pytest.raises(OutputError, match="No space left"):
        do(job)
    assert sorted(outputs(tmp_path / "out")) == ["0.masks.png", "1.masks.png"]
    monkeypatch.undo()
    monkeypatch.setattr(running, "run_local", inline)
    assert finished(job)[0] == ["3"]


def test_a_record_that_is_none_is_told(job, tmp_path):
    record_path(str(tmp_path / "out")).parent.mkdir(parents=True)
    record_path(str(tmp_path / "out")).write_bytes(b"no database" * 100)
    with pytest.raises(OutputError, match="record cannot be used"):
        do(job)
    with pytest.raises(InvalidValue, match="need the output folder of a batch"):
        stored_job(str(tmp_path))


def test_files_that_are_no_inputs_are_counted_and_a_series_of_files_fails_with_its_reason(tmp_path, model):
    pytest.importorskip("pydicom", reason="needs the extra [medical]")
    from tests.sources.dicoms import write_series

    folder = write_photos(tmp_path / "in", 1)
    (folder / "notes.txt").write_text("words")
    write_series(folder, [(0, 0, 0), (0, 0, 3)])
    job = job_for(folder, tmp_path / "out", model)
    _, summary = finished(job)
    assert (summary.counts.done, summary.counts.failed) == (1, 1)
    with Manifest(record_path(str(tmp_path / "out")), read_only=True) as manifest:
        (failed,) = (outcome for _, outcome in manifest.outcomes() if outcome.state == "failed")
    assert "a series of several files, which is for maskweave segment" in failed.error
    assert summary.notes == (f"{folder}: passed over 1 file that is no image or video (1 .txt)",)

"""A watched folder: files are done when they are whole, and once."""

import shutil

import pytest

import maskweave as mw
from maskweave.batch.executor import ExecutorConfig
from maskweave.batch.watch import watch_folders
from maskweave.errors import InvalidValue, SourceNotFound
from tests.batch.jobs import job_for, write_photo, write_photos

pytestmark = pytest.mark.usefixtures("in_this_process")


@pytest.fixture
def job(tmp_path, model):
    return job_for(write_photos(tmp_path / "photos", 1), tmp_path / "out", model)


def watched(job, *events):
    """Watch while ``events`` happen, one after each look, a second apart; returns what was done before each."""
    now, left, done, told = [0.0], list(events), [], []

    def stopped(seconds):
        told.append(tuple(done))
        done.clear()
        now[0] += 1
        if not left:
            return True
        event = left.pop(0)
        if event is not None:
            event()
        return False

    with mw.load(job.request.model.model) as segmenter:
        watch_folders(
            job,
            ExecutorConfig(),
            model=segmenter.model,
            stopped=stopped,
            on_outcome=lambda outcome, counts: done.append(f"{outcome.name} {outcome.state}"),
            clock=lambda: now[0],
        )
    return told


def test_a_file_is_done_when_it_has_not_changed_for_two_seconds(job):
    assert watched(job, None, None, None) == [(), (), ("0 done",), ()]


def test_a_file_that_grows_is_left_alone_until_it_is_whole(job, tmp_path):
    path = write_photo(tmp_path / "whole.png", 5)
    data, new = path.read_bytes(), tmp_path / "photos" / "new.png"

    def grow(share):
        return lambda: new.write_bytes(data[: round(share * len(data))])

    told = watched(job, grow(0.3), grow(0.6), grow(0.9), grow(1), None, None, None)
    assert told == [(), (), ("0 done",), (), (), (), ("new done",), ()]


def test_what_was_done_before_a_restart_is_not_done_again(job, tmp_path):
    assert watched(job, None, None)[-1] == ("0 done",)
    told = watched(job, lambda: write_photo(tmp_path / "photos" / "1.png", 1), None, None, None)
    assert [each for each in told if each] == [("1 done",)]


def test_a_broken_file_fails_once_and_is_tried_again_when_it_changes(job, tmp_path):
    path = tmp_path / "photos" / "0.png"
    path.write_bytes(path.read_bytes()[:-20])
    told = watched(job, None, None, None, lambda: write_photo(path, 3), None, None, None)
    assert [each for each in told if each] == [("0 failed",), ("0 done",)]


def test_a_folder_that_disappears_is_told_in_a_sentence(job, tmp_path):
    with pytest.raises(
        SourceNotFound, match="photos: need the folder that is watched, it is gone; give the same"
    ):
        watched(job, None, lambda: shutil.rmtree(tmp_path / "photos"))


def test_an_empty_folder_is_waited_at(job, tmp_path):
    (tmp_path / "photos" / "0.png").unlink()
    told = watched(job, None, lambda: write_photo(tmp_path / "photos" / "a.png", 1), None, None, None)
    assert [each for each in told if each] == [("a done",)]


def test_results_in_a_folder_below_are_no_inputs(job, tmp_path):
    inside = job.changed(output=str(tmp_path / "photos" / "out"), recursive=True)
    told = watched(inside, *[None] * 6)
    assert [each for each in told if each] == [("0 done",)]


@pytest.mark.parametrize("wrong", ["0.png", "none"])
def test_only_folders_are_watched(job, tmp_path, model, wrong):
    with pytest.raises(InvalidValue, match="--watch: need folders of this machine"):
        watched(job_for(tmp_path / "photos" / wrong, tmp_path / "out", model))


def test_results_may_not_go_into_the_watched_folder_itself(job, tmp_path):
    with pytest.raises(InvalidValue, match="--watch: need another folder for results"):
        watched(job.changed(output=str(tmp_path / "photos")))

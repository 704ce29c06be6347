"""A long video that several workers look at gives what one worker gives."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from maskweave.batch import prefetch
from maskweave.batch.executor import ExecutorConfig
from maskweave.errors import InvalidValue
from maskweave.models.compact import CompactModel
from maskweave.sources.video import VideoSource
from tests.batch.jobs import do, inline, job_for, model_in, outputs, write_photos
from tests.clips import Clip, write_clip
from tests.outputs.scenes import squares

SPLIT = ExecutorConfig(split=0.4)


@pytest.fixture(scope="module")
def video_file(tmp_path_factory):
    """Two seconds of a square that moves right and leaves, while another comes; a key frame every 10 frames."""
    images = []
    for number in range(50):
        image = np.zeros((64, 96, 3), np.uint8)
        if number < 30:
            image[8:28, 2 * number : 2 * number + 20] = 255
        if number > 20:
            image[36:56, 130 - 2 * number : 150 - 2 * number] = 230
        images.append(image)
    options = {"crf": "10", "preset": "veryfast", "g": "10"}
    clip = Clip(ticks=tuple(range(50)), size=(64, 96), images=images, options=options)
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", clip)


@pytest.fixture
def job(video_file, tmp_path, monkeypatch):
    monkeypatch.setattr("maskweave.batch.run.run_local", inline)
    return job_for(video_file, tmp_path / "out", model_in(tmp_path), save=("tracks", "coco", "overlay"))


@pytest.fixture
def looks(monkeypatch):
    """Counts the images that the network looks at."""
    seen, infer = [], CompactModel.infer
    monkeypatch.setattr(CompactModel, "infer", lambda self, inputs: seen.append(1) or infer(self, inputs))
    return seen


def assert_same(folder, other):
    """Every byte of what was found, and the frames of the video: x264 may compress equal frames another way."""
    ours, theirs = outputs(folder), outputs(other)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not name.endswith(".mp4") and ours[name] != theirs[name]] == []
    for name in ours:
        if name.endswith(".mp4"):
            with VideoSource(folder / name) as one, VideoSource(other / name) as two:
                for drawn, expected in zip(one, two, strict=True):
                    assert drawn.time == expected.time
                    assert np.abs(drawn.image.astype(int) - expected.image).mean() < 2


def test_the_files_of_a_divided_video_are_those_of_an_undivided_one(job, tmp_path, looks):
    do(job.changed(output=str(tmp_path / "whole")))
    assert len(looks) == 50
    looks.clear()
    do(job, SPLIT)
    assert len(looks) == 50  # each image once, in its stretch
    assert_same(tmp_path / "out", tmp_path / "whole")
    assert not list((tmp_path / "out" / ".maskweave").rglob("*.prefetched"))


def test_a_stretch_that_is_missing_is_looked_at_on_the_spot(job, tmp_path, looks, monkeypatch):
    do(job.changed(output=str(tmp_path / "whole")))
    looks.clear()
    every = prefetch.stretches

    def all_but_the_second(*words):
        return (stretch for stretch in every(*words) if not stretch.name.endswith("#1"))

    monkeypatch.setattr("maskweave.batch.run.stretches", all_but_the_second)
    do(job, SPLIT)
    assert len(looks) == 50
    assert_same(tmp_path / "out", tmp_path / "whole")


def test_stretches_that_were_looked_at_are_kept_over_an_interruption(job, tmp_path, looks, monkeypatch):
    def interrupt(self, item, path, beat):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("maskweave.batch.work.Worker._segment", interrupt)
        with pytest.raises(KeyboardInterrupt):
            do(job, SPLIT)
    assert len(looks) == 50
    do(job, SPLIT)
    assert len(looks) == 50


def test_only_long_videos_are_divided_and_what_depends_on_frames_before_is_not(job, tmp_path):
    items = [
        replace(prefetch.Item(0, "clip", job.inputs[0])),
        prefetch.Item(1, "photo", str(write_photos(tmp_path / "photos", 1) / "0.png")),
        prefetch.Item(2, "gone", str(tmp_path / "gone.mp4")),
    ]
    found = list(prefetch.stretches(job, items, 0.4))
    assert [each.span for each in found] == [
        (0, 0.4),
        (0.4, 0.8),
        (0.8, pytest.approx(1.2)),
        (pytest.approx(1.2), pytest.approx(1.6)),
        (1.6, None),
    ]
    assert list(prefetch.stretches(job, items, 1.5)) == []
    with pytest.raises(InvalidValue, match="--split"):
        do(job.changed(every=2, save=("coco",)), SPLIT)
    with pytest.raises(InvalidValue, match="--split"):
        ExecutorConfig(split=0)


def test_stretches_of_a_video_together_are_the_video(video_file):
    with VideoSource(video_file) as video:
        begin, end = video.span
        assert (begin, end) == (0, 2)
        whole = list(video)
        cuts = [Fraction(0), Fraction(7, 10), Fraction(13, 10), None]
        parts = [frame for a, b in pairwise(cuts) for frame in video.between(a, b)]
    assert [frame.time for frame in parts] == [frame.time for frame in whole]
    assert all((a.image == b.image).all() for a, b in zip(parts, whole, strict=True))


def test_what_was_found_is_kept_to_the_last_bit():
    before = squares((3, 4), (20, 30), scores=np.array([1 / 3, 0.1]), ids=[1, 2]).replace(track_ids=None)
    before = before.replace(boxes=before.boxes + 0.1 / 3)
    after = prefetch.instances_of(prefetch.record_of(before), before.class_names)
    assert after.masks == before.masks
    for name in ("boxes", "scores", "class_ids"):
        assert (getattr(after, name) == getattr(before, name)).all()
    empty = before[[]]
    assert len(prefetch.instances_of(prefetch.record_of(empty), empty.class_names)) == 0

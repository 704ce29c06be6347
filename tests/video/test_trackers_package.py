"""The trackers of the package ``trackers``: what our seam promises holds for them too. Most need the package."""

import logging
import re
import sys
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from maskweave.errors import InvalidValue, MissingDependency
from maskweave.option_fields import options_of
from maskweave.options import VideoOptions
from maskweave.types import Frame, Instances, Masks
from maskweave.video.tracking import DEFAULT_TRACKER, TRACKERS, make_tracker
from tests.video import scenes
from tests.video.overlap import OverlapTracker
from tests.video.scenes import box, seen
from tests.video.scoring import ASKED, Following, scored

PACKAGED = tuple(name for name in TRACKERS if name != DEFAULT_TRACKER)
THROUGH = [index * 0.04 for index in range(20)]


@pytest.fixture(params=PACKAGED)
def name(request):
    pytest.importorskip("trackers", reason="the package trackers is not installed")
    return request.param


@pytest.fixture
def tracker(name):
    return started(name)


def started(name, score=ASKED):
    tracker = Following(make_tracker(name), score)
    assert tracker.min_score == score / 2
    return tracker


def ids(tracker, time, *boxes, **look):
    return tracker.update(*seen(time, *boxes, **look)).track_ids.tolist()


def known(tracker, *boxes, until=0.0):
    """The ids of boxes that have stood still for five frames before and up to ``until``, seconds."""
    return [ids(tracker, until + 0.04 * index, *boxes) for index in range(-4, 1)][-1]


def test_an_object_has_one_number_through_a_clip_from_its_second_sighting_on(tracker):
    first, *others = [ids(tracker, time, box(20 + round(150 * time))) for time in THROUGH]
    assert first in ([], [1])
    assert others == [[1]] * (len(THROUGH) - 1)


def test_an_object_that_enters_later_is_left_out_once(tracker):
    assert known(tracker, box(10)) == [1]
    assert ids(tracker, 0.04, box(200), box(10)) == [1]
    assert ids(tracker, 0.08, box(200), box(10)) == [2, 1]


def test_objects_come_back_in_the_order_they_came_with_all_columns_as_they_were(tracker):
    assert known(tracker, box(10), box(120), box(240)) == [1, 2, 3]
    found, frame = seen(
        0.04, box(242, score=0.6), box(60), box(12, score=0.3, class_id=1), box(122, width=44)
    )
    result = tracker.update(found, frame)
    assert result.track_ids.tolist() == [3, 1, 2]
    kept = found[[0, 2, 3]]
    assert result.masks == kept.masks
    for column in ("boxes", "scores", "class_ids"):
        np.testing.assert_array_equal(getattr(result, column), getattr(kept, column))


@pytest.mark.parametrize("score", [0.0, 0.3, 0.7, 1.0])
def test_the_asked_score_is_enough_to_begin_a_track(name, score):
    assert known(started(name, score), box(100, score=score), box(10, score=1)) == [1, 2]


def test_low_scores_continue_a_track_but_begin_none(tracker):
    known(tracker, box(10), box(200, score=0.49))
    for time in (0.04, 0.08, 0.12):
        assert ids(tracker, time, box(10, score=0.26), box(200, score=0.49)) == [1]
    assert ids(tracker, 0.16, box(10), box(200)) == [1]
    assert ids(tracker, 0.20, box(10), box(200)) == [1, 2]


@pytest.mark.parametrize("rate", [4, 25, 100])
def test_patience_is_a_second_at_every_rate(name, rate):
    for hidden, expected in ((0.7, 1), (1.3, 2)):
        tracker, step = started(name), Fraction(1, rate)
        for index in range(6):
            ids(tracker, index * step, box(100))
        last, steps = 5 * step, int(hidden * rate)
        for index in range(1, steps):
            assert ids(tracker, last + index * step) == []
        ids(tracker, last + steps * step, box(100))
        assert ids(tracker, last + (steps + 1) * step, box(100)) == [expected]


def test_slow_streams_are_followed_from_frame_to_frame(tracker):
    assert [ids(tracker, 3 * index, box(100 + 2 * index)) for index in range(5)][1:] == [[1]] * 4


def test_after_a_long_gap_an_object_is_another(tracker):
    assert known(tracker, box(100)) == [1]
    assert ids(tracker, 30, box(100)) == []
    assert ids(tracker, 30.04, box(100)) == [2]


def test_two_frames_at_one_time_are_taken_one_after_the_other(tracker):
    for time in (0, 0, 0.04, 0.04):
        ids(tracker, time, box(100))
    assert ids(tracker, 0.04, box(101, score=0.3)) == [1]


def test_time_that_runs_backwards_and_another_size_begin_anew_with_new_numbers(tracker):
    assert known(tracker, box(100), box(200), until=5) == [1, 2]
    assert known(tracker, box(100), until=1) == [3]
    assert [ids(tracker, 2 + time, box(100), size=(170, 320)) for time in THROUGH][-1] == [4]


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (7, 200)])
def test_tiny_images_and_empty_frames(tracker, size):
    masks = Masks([np.ones(size, bool)], np.zeros((1, 2), int), size)
    whole = Instances(masks, masks.boxes, [0.9], [0], scenes.NAMES)
    empty = Instances.empty(size, scenes.NAMES)
    for index, found in enumerate((empty, whole, whole, empty, whole)):
        result = tracker.update(found, Frame(np.zeros((*size, 3), np.uint8), time=Fraction(index, 25)))
        assert result.size == size
        if index != 1:  # its first sighting
            assert result.track_ids.tolist() == [1] * len(found)


def test_nothing_is_printed_where_the_cameras_motion_cannot_be_told(tracker, monkeypatch, capfd):
    monkeypatch.setattr(logging.root, "handlers", [])  # pytest's own would take what goes to stderr otherwise
    for time in THROUGH:
        found, frame = seen(time, box(100))
        image = np.zeros_like(frame.image)
        image[60:64, 60:64] = 255
        tracker.update(found, replace(frame, image=image))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("scene", scenes.SCENES)
def test_identities_last_longer_than_with_plain_overlap(name, scene):
    pytest.importorskip("trackeval", reason="HOTA needs the library trackeval")
    theirs = scored(lambda: make_tracker(name), scene, seeds=1)
    plain = scored(OverlapTracker, scene, seeds=1)
    assert theirs.hota > plain.hota
    assert theirs.idf1 > plain.idf1
    assert theirs.switches < plain.switches


def test_botsort_allows_for_the_camera():
    """Without the image, or with a clock that its constants are not made for, IDF1 is about 80 or less."""
    pytest.importorskip("trackers", reason="the package trackers is not installed")
    pytest.importorskip("trackeval", reason="HOTA needs the library trackeval")
    assert scored(lambda: make_tracker("botsort"), "panned").idf1 > 0.88


def test_the_command_line_offers_every_tracker():
    (choices,) = [option.choices for each, option in options_of(VideoOptions) if each.name == "tracker"]
    assert list(choices) == list(TRACKERS)


@pytest.mark.parametrize("name", PACKAGED)
@pytest.mark.parametrize("missing", ["trackers", "supervision"])
def test_without_the_package_the_install_line_is_told(name, missing, monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", None if missing == "supervision" else sys)
    monkeypatch.setitem(sys.modules, "trackers", None if missing == "trackers" else sys)
    install = "run pip install 'maskweave[trackers]' && pip install --no-deps 'trackers>=2.6'"
    with pytest.raises(MissingDependency, match=rf"{name}: need {missing}, .* {re.escape(install)}$"):
        make_tracker(name)


def test_unknown_names_are_refused():
    with pytest.raises(InvalidValue, match="tracker: need one of maskweave, bytetrack, botsort, got 'sort'"):
        make_tracker("sort")

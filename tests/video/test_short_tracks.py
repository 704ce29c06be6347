"""Tracks of a few frames are none."""

from fractions import Fraction

import numpy as np
import pytest

from maskweave.types import Frame, Instances, Masks
from maskweave.types.result import FrameResult
from maskweave.video.short_tracks import drop_short_tracks

SIZE = (8, 8)


def results(*frames):
    """A frame for each list of ids that are seen in it."""
    for number, ids in enumerate(frames):
        masks = Masks([np.ones((2, 2), bool) for _ in ids], np.zeros((len(ids), 2), int), SIZE)
        image = np.zeros((*SIZE, 3), np.uint8)
        instances = Instances(
            masks,
            masks.boxes,
            np.ones(len(ids)),
            np.zeros(len(ids), int),
            ("cat",),
            np.array(ids, dtype=int),
        )
        yield FrameResult(Frame(image, number, Fraction(number)), instances)


def kept(least, *frames):
    return [each.instances.track_ids.tolist() for each in drop_short_tracks(results(*frames), least)]


def test_a_short_track_is_left_out_of_all_its_frames():
    assert kept(3, [1], [1, 2], [1, 2], [1], [1]) == [[1]] * 5


def test_a_longer_one_is_there_from_its_first_frame_on():
    assert kept(3, [], [2], [2], [2], []) == [[], [2], [2], [2], []]


def test_absences_between_are_no_end():
    assert kept(3, [1], [], [1], [1], [1]) == [[], [], [1], [1], [1]]


def test_a_short_video_needs_no_more_frames_than_it_has():
    assert kept(4, [1, 2], [1]) == [[1], [1]]


def test_frames_come_in_order_and_no_later_than_needed():
    source = results([1], [1], [1], [1])
    taken = drop_short_tracks(source, 3)
    assert next(taken).frame.index == 0
    assert next(source).frame.index == 3  # no more than the two frames after it were read


def test_what_is_not_tracked_passes():
    tracked = results([1], [2])
    untracked = [FrameResult(each.frame, each.instances.replace(track_ids=None)) for each in tracked]
    passed = list(drop_short_tracks((each for each in untracked), 5))
    assert passed == untracked


def test_an_error_of_the_source_is_passed_on():
    def broken():
        yield from results([1])
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(drop_short_tracks(broken(), 2))

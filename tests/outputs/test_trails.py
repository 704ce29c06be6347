from fractions import Fraction

import numpy as np
import pytest

from maskweave.errors import InvalidValue
from maskweave.outputs.overlay import OverlayStyle
from maskweave.outputs.trails import Trails
from maskweave.outputs.videos import OverlayVideo
from maskweave.sources.video import VideoSource
from maskweave.types.result import FrameResult
from tests.outputs.scenes import SIZE, frame, squares, target

RED = (255, 0, 0)


def drawn(trails, colors=None):
    image = np.zeros((*SIZE, 3), np.uint8)
    trails.draw(image, colors or {1: RED}, width=1)
    return image[..., 0].astype(int)


def moved(trails, steps, **options):
    for index in steps:
        trails.update(frame(index), squares((10 + index, 20), **options))
    return trails


def test_a_trail_runs_through_the_centers_and_fades_with_age():
    image = drawn(moved(Trails(1), range(26)))
    assert set(np.flatnonzero(image.any(axis=1))) <= {23, 24, 25, 26}  # about row 25's upper edge
    strength = image[24:26].max(axis=0)[16:40]
    assert (np.diff(strength[:-1]) >= 0).all()  # the last pixel is the line's round end
    assert strength[-1] > 100
    assert strength[0] < 30
    assert not image[:, 45:].any()


def test_what_is_older_than_the_time_is_gone():
    image = drawn(moved(Trails(0.2), range(26)))
    assert not image[:, :34].any()
    assert image[:, 36:].any()


def test_each_object_has_its_own_color():
    trails = Trails(1)
    for index in range(5):
        trails.update(frame(index), squares((10 + index, 10), (10 + index, 40), ids=[4, 9]))
    image = np.zeros((*SIZE, 3), np.uint8)
    trails.draw(image, {4: RED, 9: (0, 255, 0)}, width=1)
    assert image[10:20, :, 0].any()
    assert not image[10:20, :, 1].any()
    assert image[40:50, :, 1].any()


def test_tracks_that_are_gone_are_not_drawn_and_then_forgotten():
    trails = moved(Trails(0.4), range(5))
    trails.update(frame(5), squares())
    assert not drawn(trails).any()
    assert len(trails) == 1
    trails.update(frame(40), squares())
    assert len(trails) == 0


def test_a_track_that_comes_back_in_time_keeps_its_trail():
    trails = moved(Trails(2), range(5))
    trails.update(frame(5), squares())
    assert drawn(moved(trails, [10]))[:, 15:20].any()


def test_memory_stays_bounded():
    trails = Trails(1)
    for index in range(500):
        trails.update(frame(index), squares((10, 20), ids=[index + 1]))
    assert len(trails) <= 26


def test_a_clock_that_steps_back_begins_anew():
    trails = moved(Trails(1), range(20, 30))
    moved(trails, [3])
    assert not drawn(trails).any()


@pytest.mark.parametrize("seconds", [-1, 61, float("nan")])
def test_wrong_times_are_refused(seconds):
    with pytest.raises(InvalidValue, match="trail: need 0 to 60 seconds"):
        OverlayStyle(trail=seconds)


def test_objects_without_ids_leave_none():
    trails = Trails(Fraction(1))
    trails.update(frame(0), squares((1, 1)).replace(track_ids=None))
    assert len(trails) == 0


def video(folder, seconds):
    style = OverlayStyle(trail=seconds, labels=False, contours=False, opacity=0)
    with OverlayVideo(target(folder, style=style)) as writer:
        for index in range(12):
            writer.write(FrameResult(frame(index), squares((5 + 4 * index, 20))))
    with VideoSource(writer.path) as source:
        return [each.image.astype(int) for each in source]


def test_overlay_videos_show_trails_when_asked(tmp_path):
    with_trail, without = video(tmp_path / "a", 1.0), video(tmp_path / "b", 0)
    change = np.abs(with_trail[-1] - without[-1]).max(axis=2)
    assert change[22:28, 20:52].max() > 40
    assert change[:15].max() < 15
    assert np.abs(with_trail[0] - without[0]).max() < 15

"""Live sources that drop out and come back, on a clock that jumps."""

import threading
from fractions import Fraction

import numpy as np
import pytest

from maskweave.errors import ImageTooLarge, InvalidValue, UnreadableVideo
from maskweave.sources.lazy import LazySource
from tests.sources.paper import JumpingWatch, PaperSource, dropped


def times(frames):
    return [float(frame.time) for frame in frames]


def test_a_stream_goes_on_where_it_comes_back():
    source = PaperSource([7, 8, 9, dropped()], None, None, [7, 8, 9, 10])
    frames = list(source)
    assert [frame.index for frame in frames] == list(range(7))
    assert times(frames) == pytest.approx([0, 1, 2, 5.5, 6.5, 7.5, 8.5])  # waits of 0.5, 1 and 2 seconds
    assert source.warnings == ["the stream broke off after 3 frames: cable cut; it came back after 3.5 s"]
    assert source.hung_up == [[7, 8, 9, *source.hung_up[0][3:]]]


def test_waits_grow_to_five_seconds_and_end_with_the_patience():
    source = PaperSource([0, dropped()], reconnect=60)
    assert len(list(source)) == 1
    waits = np.diff([100, *source.opened[1:]])
    assert waits[:6] == pytest.approx([0.5, 1, 2, 4, 5, 5])
    assert waits[6:] == pytest.approx(5)
    assert source.opened[-1] == pytest.approx(162.5)
    assert source.warnings == [
        "the stream broke off after 1 frame: cable cut; it did not come back within 60 s"
    ]


def test_a_connection_that_gives_nothing_is_no_return():
    source = PaperSource([0, 1, dropped()], *[[dropped("mute")]] * 30, reconnect=20)
    assert len(list(source)) == 2
    assert len(source.opened) == 1 + 7  # after 0.5, 1, 2, 4, and three times 5 seconds
    assert source.warnings == [
        "the stream broke off after 2 frames: cable cut; it did not come back within 20 s"
    ]


def test_patience_begins_anew_with_every_drop_out():
    source = PaperSource(*[[0, dropped()], None, None, None] * 3, reconnect=10)
    assert len(list(source)) == 3
    assert len(source.warnings) == 3


def test_without_patience_it_ends():
    source = PaperSource([0, 1, dropped()], [0, 1], reconnect=0)
    assert len(list(source)) == 2
    assert len(source.opened) == 1
    assert source.warnings == ["the stream broke off after 2 frames: cable cut"]


def test_a_stream_that_is_over_ends():
    source = PaperSource([0, 1], [0, 1])
    assert len(list(source)) == 2
    assert source.warnings == []


def test_times_rise_and_are_true_whatever_the_new_connection_says():
    """The first connection's images came late while they were worked on; its time still goes by the clock."""
    source = PaperSource([0, 1, 2, dropped()], [5000, 5001, dropped()], [0, 1])
    frames = []
    for frame in source:
        frames.append(frame)
        if len(frames) in (2, 3):
            source.watch.time += 4  # the work
    assert times(frames) == pytest.approx([0, 1, 2, 10.5, 11.5, 12, 13])
    assert [frame.time for frame in frames] == sorted({frame.time for frame in frames})


def test_times_that_do_not_rise_are_pushed_on():
    source = PaperSource([0, 0, 0, 1])
    assert [frame.time for frame in source] == [0, *(Fraction(each, 90_000) for each in (1, 2, 90_002))]


def test_what_has_not_begun_does_not_come_back():
    source = PaperSource([dropped()], [0, 1])
    with pytest.raises(UnreadableVideo, match="paper: need frames, got none: cable cut; is the camera on"):
        list(source)
    assert len(source.opened) == 1


@pytest.mark.parametrize("end", ["stop", "close"])
def test_waiting_ends_at_once(end):
    def heard(time):
        if time > 103:
            getattr(source, end)()
            ended.append(time)

    ended = []
    source = PaperSource([0, 1, dropped()], watch=JumpingWatch(heard))
    assert len(list(source)) == 2
    assert len(ended) == 1  # not one wait more
    assert source.watch.time == ended[0]
    assert source.warnings == ["the stream broke off after 2 frames: cable cut"]


@pytest.mark.parametrize("end", ["stop", "close"])
def test_an_attempt_that_hangs_is_left_behind(end):
    """And what it opens in the end is closed again."""
    source = PaperSource([0, 1, dropped()])
    answer = threading.Event()
    hung_up = threading.Event()

    def connect():
        getattr(source, end)()
        answer.wait(60)
        return [7, 8]

    source._connect = connect
    source._hang_up = lambda connection: connection == [7, 8] and hung_up.set()
    assert len(list(source)) == 2
    assert not hung_up.is_set()
    answer.set()
    assert hung_up.wait(60)


def test_stop_ends_after_the_frame_in_the_making():
    source = PaperSource([0, 1, 2, 3])
    frames = iter(source)
    next(frames)
    source.stop()
    assert list(frames) == []
    assert list(source) == []  # for good


def test_a_image_that_is_too_large_ends_the_stream_and_keeps_what_came():
    source = PaperSource([0, 1, dropped()], [ImageTooLarge("paper: too large")])
    assert len(list(source)) == 2
    assert source.warnings == ["the stream broke off after 2 frames: paper: too large"]
    with pytest.raises(ImageTooLarge):
        list(PaperSource([ImageTooLarge("paper: too large")]))


def test_what_is_no_bad_source_but_a_mistake_is_raised():
    source = PaperSource([0, dropped()])
    source._connect = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        list(source)


def test_a_lazy_source_passes_stop_on():
    lazy = LazySource("paper", "paper", lambda name: PaperSource([0, 1, 2]), "live")
    lazy.stop()  # not yet open: nothing to stop
    with lazy:
        frames = iter(lazy)
        next(frames)
        lazy.stop()
        assert list(frames) == []


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_a_patience_below_nothing_is_refused(seconds):
    with pytest.raises(InvalidValue, match="reconnect"):
        PaperSource([0], reconnect=seconds)

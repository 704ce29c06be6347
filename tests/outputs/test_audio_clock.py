"""Audio on the clock of the images, whatever its own says."""

from fractions import Fraction

import pytest

from maskweave.outputs.audio_clock import AudioClock, Shifts

STEP = Fraction(1, 50)


def placed(stamps, shifts=None, **options):
    """Ticks of 1/50 s at which packets of one tick are placed."""
    clock = AudioClock(shifts or Shifts(complete=True), may_jump=True, **options)
    times = [time / STEP for stamp in stamps for _, time in clock.place(None, stamp * STEP, STEP)]
    clock.finish()
    return times, clock


def test_good_times_are_kept():
    times, clock = placed([0, 1, 2, 60, 61])
    assert times == [0, 1, 2, 60, 61]
    assert (clock.left_out, clock.jumps) == (0, 0)


@pytest.mark.parametrize("wrong", [2, 1, 0], ids=["repeated", "back by one", "back by two"])
def test_a_packet_that_repeats_what_was_there_is_left_out(wrong):
    times, clock = placed([0, 1, 2, wrong, 3, 4])
    assert times == [0, 1, 2, 3, 4]
    assert clock.left_out == 1


@pytest.mark.parametrize("wild", [50_000, -50_000])
def test_a_wild_packet_is_left_out(wild):
    times, clock = placed([0, 1, 2, wild, 4, 5])
    assert times == [0, 1, 2, 4, 5]
    assert clock.left_out == 1


def test_a_new_stretch_is_moved_as_the_images_are():
    """The second part begins again at 0; its images were moved by 100 ticks, though its audio ended at 98."""
    shifts = Shifts([Fraction(0), 100 * STEP], complete=True)
    times, clock = placed([*range(98), *range(5)], shifts)
    assert times == [*range(98), *range(100, 105)]
    assert (clock.left_out, clock.jumps) == (0, 0)


def test_audio_that_overlaps_where_parts_are_joined_is_left_out():
    shifts = Shifts([Fraction(0), 100 * STEP], complete=True)
    times, clock = placed([*range(103), *range(10)], shifts)
    assert times == list(range(110))
    assert clock.left_out == 3


def test_audio_waits_for_the_images_that_say_where_it_lies():
    shifts = Shifts()
    clock = AudioClock(shifts, may_jump=True)
    for stamp in range(100):
        clock.place(None, stamp * STEP, STEP)
    assert clock.must_wait(0 * STEP)
    shifts.note(100 * STEP, 0 * STEP)
    assert not clock.must_wait(0 * STEP)
    assert clock.place(None, 0 * STEP, STEP) == [(None, 100 * STEP)]


def test_audio_whose_clock_jumps_alone_goes_on_where_it_was():
    times, clock = placed([0, 1, 2, *range(9_000, 9_010)])
    assert times == list(range(13))
    assert clock.jumps == 1


def test_a_long_silence_of_a_format_with_exact_times_is_kept():
    clock = AudioClock(Shifts(complete=True), may_jump=False)
    times = [time / STEP for stamp in (0, 1, 9_000) for _, time in clock.place(None, stamp * STEP, STEP)]
    assert times == [0, 1, 9_000]

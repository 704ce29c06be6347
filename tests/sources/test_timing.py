"""Times of frames whatever their timestamps say: exact where these are good, plausible where they are not."""

from dataclasses import dataclass
from fractions import Fraction

import pytest

from maskweave.sources.timing import Clock, TimeFaults

STEP = Fraction(1, 25)


@dataclass
class Raw:
    """What `Clock` sees of a decoded frame; ticks of 1/25 s."""

    pts: int | None
    dts: int | None = None


def timed(pts, *, dts=None, first_dts=None, rate=25, **options):
    faults = TimeFaults()
    frames = [Raw(shown, coded) for shown, coded in zip(pts, dts or [None] * len(pts), strict=True)]
    clock = Clock(STEP, Fraction(rate), faults, **options)
    return list(clock.timed(iter(frames), lambda: first_dts)), faults


def ticks(pts, **options):
    return [each.time / STEP for each in timed(pts, **options)[0]]


def test_good_times_are_kept_to_the_tick():
    frames, faults = timed([0, 1, 5, 6, 30, 31])
    assert [each.time for each in frames] == [n * STEP for n in (0, 1, 5, 6, 30, 31)]
    assert [each.stamp for each in frames] == [each.time for each in frames]
    assert faults == TimeFaults()


def test_the_begin_is_taken_off_every_time_but_not_off_the_stamps():
    frames, _ = timed([50, 51], begin=2 * Fraction(1))
    assert [(each.time, each.stamp) for each in frames] == [(0, 2), (STEP, 2 + STEP)]


@pytest.mark.parametrize("shown", [[1, 4, 3, 5, 2, 8], [None] * 6, [0, 0, 0, 0, 0, 0]])
def test_decoding_times_rule_where_presentation_times_are_out_of_order(shown):
    """H.264 with B-frames in AVI; the decoder lets the first frame out two packets late."""
    assert ticks(shown, dts=[2, 3, 4, 5, None, None], first_dts=0) == [0, 1, 2, 3, 4, 5]


def test_a_container_in_coding_order_is_never_asked_for_presentation_times():
    assert ticks([1, 2, 3, 4, 9, 7], dts=[1, 2, 3, 4, 5, 6], first_dts=1, in_coding_order=True) == [
        1,
        2,
        3,
        4,
        5,
        6,
    ]


@pytest.mark.parametrize("wild", [15_000, -15_000, 3], ids=["ahead", "behind", "repeated"])
def test_one_wild_time_is_placed_between_its_neighbors(wild):
    frames, faults = timed([0, 1, 2, 3, wild, 5, 6], may_jump=True)
    assert [each.time / STEP for each in frames] == [0, 1, 2, 3, 4, 5, 6]
    assert frames[4].stamp is None
    assert faults.sentences() == ["1 frame with a timestamp out of order, placed between its neighbors"]


def test_a_last_wild_time_is_placed_after_the_one_before():
    assert ticks([0, 1, 2, 3, 15_000], may_jump=True) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("may_jump", [False, True])
def test_a_last_frame_after_a_still_keeps_its_time(may_jump):
    frames, faults = timed([0, 1, 2, 3, 45], may_jump=may_jump)
    assert [each.time / STEP for each in frames] == [0, 1, 2, 3, 45]
    assert faults.sentences() == (["no frames for 1.68 s at 0.12 s"] if may_jump else [])


def test_every_second_time_repeated_gives_every_frame_its_own():
    assert ticks([0, 0, 2, 2, 4, 4, 6], dts=[0, 0, 2, 2, 4, 4, 6]) == [0, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("by", [-4, 15_000], ids=["joined files", "a clock set ahead"])
def test_a_jump_becomes_an_offset_and_is_told_once_with_its_place(by):
    frames, faults = timed([0, 1, 2, 3, 4 + by, 5 + by, 6 + by, 7 + by], may_jump=True)
    assert [each.time / STEP for each in frames] == list(range(8))
    assert frames[5].time - frames[5].stamp == -by * STEP
    (sentence,) = faults.sentences()
    assert sentence.startswith("the source's clock jumps at 0.16 s")


def test_many_jumps_are_one_sentence():
    _, faults = timed([0, 1, 2, 3, 4] * 3, may_jump=True)
    assert faults.sentences() == [
        "the source's clock jumps in 2 places, first at 0.20 s (by -0.20 s), times go on there"
    ]


def test_an_absent_signal_is_a_gap_told_with_its_place():
    stamps = [0, 1, 2, 3, 128, 129, 130, 131]
    frames, faults = timed(stamps, may_jump=True)
    assert [each.time / STEP for each in frames] == stamps
    assert faults.sentences() == ["no frames for 5.00 s at 0.12 s"]


def test_long_stills_of_a_format_with_exact_times_stay_as_they_are():
    stamps = [0, 250, 5_000, 90_000, 90_001, 990_000]
    frames, faults = timed(stamps)
    assert [each.time / STEP for each in frames] == stamps
    assert faults == TimeFaults()


def test_frames_without_any_time_are_a_step_apart_and_counted():
    frames, faults = timed([None] * 12)
    assert [each.time / STEP for each in frames] == list(range(12))
    assert faults.without_time == 12


def test_frames_in_doubt_are_few():
    """Decoded frames are large: a stream of nonsense must not fill the memory."""
    held = 0
    clock = Clock(STEP, Fraction(25), TimeFaults(), may_jump=True)
    nonsense = [0, 1, 2, 3, *(n for pair in zip(range(9_000, 0, -90), range(100), strict=True) for n in pair)]

    def frames():
        nonlocal held
        for each in nonsense:
            held += 1
            yield Raw(each)

    worst, last = 0, -1
    for each in clock.timed(frames()):
        worst, held = max(worst, held), held - 1
        assert each.time > last
        last = each.time
    assert held == 0
    assert worst <= 12


def test_a_live_stream_is_never_held_back():
    given = []

    def frames():
        for each in (0, 1, 2, 500, 501, 3):
            given.append(each)
            yield Raw(each)

    clock = Clock(STEP, Fraction(25), TimeFaults(), hold=1)
    for count, _ in enumerate(clock.timed(frames()), start=1):
        assert len(given) == count

"""Frames missing from a stream of a regular rate are told by the times of the others; a varying rate has no gaps."""

import random
from fractions import Fraction

import numpy as np
import pytest

from maskweave.sources.regular import RegularSteps
from maskweave.sources.video import VideoSource
from tests.clips import Clip, write_clip


def told(times):
    steps = RegularSteps()
    for time in times:
        steps.add(Fraction(time))
    return steps.sentences()


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30_000, 1001), Fraction(60), Fraction(5)])
@pytest.mark.parametrize("ticks_a_second", [1000, 90_000])
def test_a_gap_is_told_with_its_place_however_times_are_rounded(rate, ticks_a_second):
    times = [Fraction(round(tick / rate * ticks_a_second), ticks_a_second) for tick in range(60)]
    assert told(times) == []
    (message,) = told(times[:30] + times[33:])
    assert f"no frames for {float(3 / rate):.2f} s at {float(30 / rate):.2f} s" in message


def test_several_gaps_are_one_sentence():
    times = [Fraction(tick, 25) for tick in range(100) if tick not in (20, 50, 51)]
    assert told(times) == [
        "no frames for 0.08 s in 2 places, the longest at 2.00 s, in a stream of otherwise 25 frames a second"
    ]


@pytest.mark.parametrize("seed", range(5))
def test_a_varying_rate_has_no_gaps(seed):
    rng = random.Random(seed)
    assert told(np.cumsum([rng.choice([1, 2, 3, 10]) for _ in range(200)]).tolist()) == []
    assert told([number // 2 * 5 + number % 2 * 2 for number in range(100)]) == []  # video shown at 60 Hz
    assert told([0, 1, 2, 9]) == []


def test_a_time_that_is_too_late_is_no_gap():
    """FFmpeg reads some fields of MPEG-2 so: three frames are late, and one comes at once behind them."""
    times = [Fraction(tick, 25) for tick in range(100)]
    times[40:43] = [time + Fraction(1, 50) for time in times[40:43]]
    late = [*times[:40], *(Fraction(tick, 25) for tick in (41, 42)), Fraction(85, 50), *times[43:]]
    assert told(late) == []
    assert told([*late[:70], *late[73:]]) != []


@pytest.mark.parametrize("name", ["a.flv", "a.nut", "a.asf", "a.ts", "a.mp4"])
@pytest.mark.parametrize("missing", [(), (30, 31, 32)])
def test_what_a_recording_lacks_is_told_where_its_container_does_not_count(tmp_path, name, missing):
    codec = "mpeg4" if name == "a.asf" else "libx264"
    options = {"movflags": "frag_keyframe+empty_moov"} if name == "a.mp4" else {}
    ticks = [tick for tick in range(60) if tick not in missing]
    write_clip(tmp_path / name, Clip(ticks, codec=codec, options={"g": "12"}, container_options=options))
    with VideoSource(tmp_path / name, threads=1) as source:
        assert len(list(source)) == len(ticks)
    assert any("no frames for 0.12 s at 1.20 s" in line for line in source.warnings) == bool(missing)

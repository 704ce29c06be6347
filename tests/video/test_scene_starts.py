from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from maskweave.video.scene_starts import SceneDetector
from tests.video.scenes import SCENES, ground, window
from tests.video.scenes import frames as frames_of

SIZE = (180, 320)


def view(seed, x=0.0, y=0.0):
    """A piece of a large image; seeds are scenes, with a cast of color each."""
    cast = np.random.default_rng(100 + seed).uniform(0.4, 1.0, 3)
    return (window(ground(seed), (x, y), SIZE) * cast).astype(np.uint8)


def cuts(images, rate=25):
    detector = SceneDetector()
    return [index for index, image in enumerate(images) if detector.update(image, index / rate)]


def fade(first, second, count):
    """``first`` and ``second`` are functions of the frame's number; a cross-fade of ``count`` frames begins at 30."""
    shares = np.clip((np.arange(90) - 29) / (count + 1), 0, 1)
    return [
        np.rint((1 - share) * first(index) + share * second(index)).astype(np.uint8)
        for index, share in enumerate(shares)
    ]


def test_cuts_are_found_where_they_are():
    scenes = [view(seed, x=2 * i) for seed in range(6) for i in range(7)]
    assert cuts(scenes) == [7, 14, 21, 28, 35]


def test_fast_pans_are_no_cuts():
    assert cuts([view(1, x=45 * i, y=10 * np.sin(i)) for i in range(14)]) == []


@pytest.mark.parametrize("gain", [0.6, 0.75, 1.3])
def test_a_change_of_exposure_is_no_cut(gain):
    bright = [np.clip(view(2, x=i) * (gain if i >= 6 else 1.0), 0, 255).astype(np.uint8) for i in range(12)]
    assert cuts(bright) == []


def test_a_fade_through_black_to_another_scene_is_one_cut_and_to_the_same_none():
    out = [(view(3) * share).astype(np.uint8) for share in np.linspace(1, 0, 10)]
    same = [(view(3) * share).astype(np.uint8) for share in np.linspace(0, 1, 10)]
    other = [(view(4) * share).astype(np.uint8) for share in np.linspace(0, 1, 10)]
    assert cuts(out + same) == []
    assert len(cuts(out + other)) == 1


@pytest.mark.parametrize("count", [4, 10, 24])
@pytest.mark.parametrize("speed", [0, 1])
def test_a_cross_fade_of_up_to_a_second_is_one_cut_where_it_ends(count, speed):
    frames = fade(lambda index: view(5, x=speed * index), lambda index: view(6, y=speed * index), count)
    (found,) = cuts(frames)
    assert 0 <= found - (30 + count) <= 3
    (found,) = cuts(frames[::-1])
    assert 0 <= found - 60 <= 3


def test_a_cross_fade_is_found_at_every_rate_and_in_seconds():
    frames = fade(lambda index: view(5), lambda index: view(6), 24)
    assert len(cuts(frames, rate=25)) == len(cuts(frames[::3], rate=25 / 3)) == 1
    assert len(cuts([frame for frame in frames for _ in range(4)], rate=100)) == 1
    assert cuts(frames, rate=5) == []  # of five seconds


def test_a_cross_fade_to_the_same_scene_is_no_cut():
    assert cuts(fade(lambda index: view(5), lambda index: view(5, x=25), 12)) == []


def test_a_wipe_and_a_change_of_light_are_no_cross_fades():
    first, second = view(5), view(6)
    wiped = [np.concatenate([second[:, : 10 * i], first[:, 10 * i :]], axis=1) for i in range(33)]
    assert cuts([first] * 30 + wiped + [second] * 30) == []
    lit = [np.clip(first * gain, 0, 255).astype(np.uint8) for gain in np.linspace(1, 0.3, 20)]
    assert cuts([first] * 30 + lit + lit[::-1]) == []


@pytest.mark.parametrize("name", SCENES)
def test_what_moves_is_no_cut(name):
    assert cuts(frame.image for frame, _ in frames_of(SCENES[name]())) == []


@pytest.mark.shared
def test_real_scenes_have_no_cuts_and_most_cross_fades_between_them_are_found(shared_data):
    """Fades over 5 to 23 frames, from one sequence to the next, both moving."""
    clips = [
        [np.asarray(Image.open(path).reduce(4)) for path in sorted(folder.iterdir())]
        for folder in sorted((shared_data / "davis2016" / "JPEGImages" / "480p").iterdir())
    ]
    assert [cuts(clip) for clip in clips] == [[]] * 10
    found = []
    for number, (first, second) in enumerate(pairwise(clips)):
        count = 5 + 2 * number
        images = fade(lambda index: first[min(index, 42)], lambda index: second[max(0, index - 49)], count)  # noqa: B023
        found.append([30 <= each <= 35 + count for each in cuts(images)])
    assert found.count([True]) >= 6
    assert all(each in ([], [True]) for each in found)


@pytest.mark.shared
def test_hard_cuts_between_real_scenes_are_found_and_no_others(shared_data):
    folders = sorted((shared_data / "davis2016" / "JPEGImages" / "480p").iterdir())
    clips = [[np.asarray(Image.open(path).reduce(4)) for path in sorted(each.iterdir())] for each in folders]
    begins = np.cumsum([len(clip) for clip in clips])[:-1].tolist()
    assert cuts([frame for clip in clips for frame in clip]) == begins


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (5, 300)])
def test_small_and_empty_images(size):
    assert cuts([np.zeros((*size, 3), np.uint8)] * 3) == []

import numpy as np
import pytest

from maskweave.tracking.cuts import CutDetector
from tests.tracking.scenes import ground, window

SIZE = (180, 320)


def view(seed, x=0.0, y=0.0):
    """A piece of a large picture; seeds are scenes, with a cast of colour each."""
    cast = np.random.default_rng(100 + seed).uniform(0.4, 1.0, 3)
    return (window(ground(seed), (x, y), SIZE) * cast).astype(np.uint8)


def cuts(images):
    detector = CutDetector()
    return [index for index, image in enumerate(images) if detector.update(image)]


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


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (5, 300)])
def test_small_and_empty_pictures(size):
    assert cuts([np.zeros((*size, 3), np.uint8)] * 3) == []

"""Simulated prompts are of the object, as far off as they should be, and the same for the same generator."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch: pip install maskweave[train]")

from maskweave.training.guide import simulate

SIZE = 96


def disc(x=40, y=50, radius=22):
    rows, columns = np.mgrid[:SIZE, :SIZE]
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


def iou(one, other):
    return (one & other).sum() / (one | other).sum()


def rngs(count):
    return [np.random.default_rng(seed) for seed in range(count)]


def test_boxes_are_a_few_percent_off():
    boxes = np.array([simulate.jittered_box(disc(), rng) for rng in rngs(200)])
    off = boxes - [18, 28, 63, 73]
    assert np.abs(off).max() <= 0.12 * 45 + 1e-9
    assert 0.02 * 45 < off.std() < 0.06 * 45
    assert np.abs(off.mean(axis=0)).max() < 0.02 * 45


def test_an_empty_mask_has_no_box():
    assert simulate.jittered_box(np.zeros((SIZE, SIZE), bool), np.random.default_rng(0)) is None


def test_clicks_lie_where_they_say():
    mask, other = disc(), disc(80, 20, 10)
    for rng in rngs(100):
        clicks = simulate.clicks_on(mask, other, rng)
        assert clicks[0][2]
        assert 1 <= len(clicks) <= 5
        for x, y, inside in clicks:
            assert mask[int(y), int(x)] == inside


def test_some_clicks_beside_the_object_are_on_its_neighbors():
    mask, other = disc(), disc(80, 20, 10)
    clicks = [click for rng in rngs(100) for click in simulate.clicks_on(mask, other, rng) if not click[2]]
    on_neighbor = np.mean([other[int(y), int(x)] for x, y, _ in clicks])
    assert 0.2 < on_neighbor < 0.8


def test_a_correcting_click_lies_in_an_error():
    truth = disc()
    answer = disc(52, 50, 22)
    for rng in rngs(50):
        x, y, inside = simulate.click_on_error(answer, truth, rng)
        assert truth[int(y), int(x)] == inside != answer[int(y), int(x)]


def test_a_right_answer_gets_no_correction():
    assert simulate.click_on_error(disc(), disc(), np.random.default_rng(0)) is None


def test_old_masks_are_of_the_object_and_of_all_qualities():
    mask = disc()
    ious = np.array([iou(simulate.old_mask(mask, ~mask, rng) > 127, mask) for rng in rngs(300)])
    assert np.median(ious) > 0.6
    assert (ious > 0.95).mean() > 0.05
    assert (ious < 0.7).mean() > 0.1


def test_the_same_generator_gives_the_same_mask():
    one, other = (simulate.old_mask(disc(), ~disc(), np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(one, other)

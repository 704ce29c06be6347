import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskweave.errors import InvalidValue
from maskweave.evaluation.davis import (
    DavisFrame,
    DavisMetric,
    Statistics,
    contour_accuracy,
    contour_map,
    region_similarity,
)
from tests.strategies import bitmaps


def square(left, size=(100, 120), side=40):
    mask = np.zeros(size, bool)
    mask[30 : 30 + side, left : left + side] = True
    return mask


def test_regions_and_contours_of_known_squares():
    assert region_similarity(square(20), square(20)) == 1
    assert region_similarity(square(20), square(40)) == pytest.approx(20 / 60)
    assert contour_accuracy(square(20), square(20)) == 1
    assert contour_accuracy(square(20), square(22)) == 1  # the tolerance is 2 pixels at this size
    assert contour_accuracy(square(0), square(80)) == 0


def test_empty_masks():
    empty = np.zeros((100, 120), bool)
    assert region_similarity(empty, empty) == 1
    assert contour_accuracy(empty, empty) == 1
    assert contour_accuracy(square(20), empty) == 0
    assert contour_accuracy(empty, square(20)) == 0


def plain_contour_map(mask):
    """The benchmark's definition, pixel by pixel."""
    height, width = mask.shape
    out = np.zeros_like(mask)
    for y in range(height):
        for x in range(width):
            right, below = x + 1 < width, y + 1 < height
            neighbors = []
            if right:
                neighbors.append(mask[y, x + 1])
            if below:
                neighbors.append(mask[y + 1, x])
            if right and below:
                neighbors.append(mask[y + 1, x + 1])
            out[y, x] = any(mask[y, x] != other for other in neighbors)
    return out


@given(bitmaps)
def test_contours_are_the_benchmarks(mask):
    np.testing.assert_array_equal(contour_map(mask), plain_contour_map(mask))


@given(st.lists(st.floats(0, 1), min_size=4, max_size=50))
def test_statistics(values):
    values = np.array(values)
    statistics = Statistics.of(values)
    assert statistics.mean == pytest.approx(values.mean())
    assert statistics.recall == (values > 0.5).mean()
    assert -1 <= statistics.decay <= 1


def test_decay_is_the_first_quarter_less_the_last():
    # the benchmark's bins share their border frames: 0..2, 2..5, 5..7, 7..9 of ten frames
    values = np.linspace(1, 0.1, 10)
    borders = (np.round(np.linspace(1, 10, 5) + 1e-10) - 1).astype(int)
    assert borders.tolist() == [0, 2, 5, 7, 9]
    assert Statistics.of(values).decay == pytest.approx(values[0:3].mean() - values[7:10].mean())


def test_the_ends_are_left_out_where_the_first_mask_is_given():
    truth = square(20).astype(int)
    wrong = np.zeros_like(truth)
    for skip, expected in [(True, 1.0), (False, 0.6)]:
        metric = DavisMetric(skip_ends=skip)
        for predicted in (wrong, truth, truth, truth, wrong):
            metric.add(DavisFrame(truth, "clip", [1]), predicted)
        (scores,) = metric.result()
        assert scores.regions.mean == pytest.approx(expected)
        assert scores.jf_mean == pytest.approx(expected)


def test_several_objects_are_scored_apart():
    truth = square(10).astype(int) + 2 * square(70)
    metric = DavisMetric(skip_ends=False)
    metric.add(DavisFrame(truth, "two", [1, 2]), np.where(truth == 2, 0, truth))
    assert [scores.regions.mean for scores in metric.result()] == [1, 0]


def test_another_size_is_named():
    metric = DavisMetric(skip_ends=False)
    with pytest.raises(InvalidValue, match=r"clip, frame 0: need a result of the truth's size \(100, 120\)"):
        metric.add(DavisFrame(square(10).astype(int), "clip", [1]), np.zeros((5, 5), int))
    short = DavisMetric(skip_ends=True)
    short.add(DavisFrame(square(10).astype(int), "clip", [1]), square(10).astype(int))
    with pytest.raises(InvalidValue, match="need at least 3 frames, got 1"):
        short.result()

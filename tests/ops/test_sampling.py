import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskweave.ops import sampling
from maskweave.ops.sampling import cut_grid, visible_window

SIZE = (40, 50)


def plain_values(grid, extent, window):
    """Every value of the window, without strips and without lines: rows between cells, then columns."""
    left, top, right, bottom = window
    lower, share = neighbors(np.arange(top, bottom), extent[1], extent[3], grid.shape[0])
    rows = mix(grid.astype(np.float32), lower, share, 0)
    lower, share = neighbors(np.arange(left, right), extent[0], extent[2], grid.shape[1])
    return mix(rows, lower, share, 1)


def neighbors(pixels, start, end, cells):
    positions = np.clip((pixels + 0.5 - start) * (cells / (end - start)) - 0.5, 0, cells - 1)
    lower = np.minimum(positions.astype(int), max(cells - 2, 0))
    return lower, (positions - lower).astype(np.float32)


def mix(values, lower, share, axis):
    before = values.take(lower, axis)
    after = values.take(np.minimum(lower + 1, values.shape[axis] - 1), axis)
    return (after - before) * (share[:, None] if axis == 0 else share) + before


@st.composite
def cases(draw):
    """A grid, the extent that it is stretched over, the box that is cut out of it, and a threshold."""
    rng = np.random.default_rng(draw(st.integers(0, 9999)))
    grid = rng.normal(size=(draw(st.integers(1, 20)), draw(st.integers(1, 20))))
    if draw(st.booleans()):
        grid = np.round(2 * grid) / 2  # values on the threshold
    x, y = draw(st.floats(-60, 60)), draw(st.floats(-60, 60))
    width, height = draw(st.floats(0.5, 130)), draw(st.floats(0.5, 130))
    margin = draw(st.sampled_from([0, 0.3, 0.45]))
    extent = (x, y, x + width, y + height)
    box = (x + margin * width, y + margin * height, x + width - margin * width, y + height - margin * height)
    return grid, extent, box, draw(st.sampled_from([0, 0.5, 0.45]))


@pytest.mark.parametrize("strip", [1, 64, sampling._STRIP])
@given(cases())
def test_a_cut_shows_the_pixels_above_the_threshold_and_no_margin(strip, case):
    grid, extent, box, threshold = case
    window = visible_window(box, SIZE)
    expected = np.zeros(SIZE, bool)
    expected[window[1] : window[3], window[0] : window[2]] = plain_values(grid, extent, window) > threshold
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampling, "_STRIP", strip)
        crop, (x, y) = cut_grid(grid, extent, window, threshold=threshold)
    shown = np.zeros(SIZE, bool)
    shown[y : y + crop.shape[0], x : x + crop.shape[1]] = crop
    np.testing.assert_array_equal(shown, expected)
    if crop.size:
        assert crop[[0, -1]].any(axis=1).all()
        assert crop[:, [0, -1]].any(axis=0).all()
        assert not crop.flags.writeable


def test_a_grid_of_nan_shows_nothing():
    grid = np.full((4, 4), np.nan)
    crop, _ = cut_grid(grid, (0, 0, 9, 9), (0, 0, 9, 9), threshold=0.5)
    assert crop.shape == (0, 0)

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskweave.errors import InvalidValue
from maskweave.ops.paste import paste_masks

corner = st.floats(-20, 40)
side = st.floats(0.5, 50)


def slow_paste(grid, box, size, threshold):
    """The definition, pixel by pixel: bilinear between cell centers, constant beyond the outermost."""
    x1, y1, x2, y2 = box
    out = np.zeros(size, bool)
    for y in range(size[0]):
        for x in range(size[1]):
            if not (x1 <= x + 0.5 < x2 and y1 <= y + 0.5 < y2):
                continue
            v = np.clip((y + 0.5 - y1) / (y2 - y1) * grid.shape[0] - 0.5, 0, grid.shape[0] - 1)
            u = np.clip((x + 0.5 - x1) / (x2 - x1) * grid.shape[1] - 0.5, 0, grid.shape[1] - 1)
            r, c = int(v), int(u)
            r2, c2 = min(r + 1, grid.shape[0] - 1), min(c + 1, grid.shape[1] - 1)
            top = grid[r, c] * (1 - (u - c)) + grid[r, c2] * (u - c)
            bottom = grid[r2, c] * (1 - (u - c)) + grid[r2, c2] * (u - c)
            out[y, x] = top * (1 - (v - r)) + bottom * (v - r) > threshold
    return out


@given(corner, corner, side, side, st.integers(1, 15), st.integers(0, 999))
def test_agrees_with_the_definition(x, y, width, height, cells, seed):
    grid = np.random.default_rng(seed).random((1, cells, cells))
    boxes = np.array([[x, y, x + width, y + height]])
    pasted = paste_masks(grid, boxes, (30, 20)).dense()[0]
    expected = slow_paste(grid[0], boxes[0], (30, 20), 0.5)
    assert np.count_nonzero(pasted != expected) <= 1  # float32 may decide one exact tie the other way


@given(corner, corner, side, side, st.integers(2, 28), st.integers(0, 999))
def test_a_box_over_the_edge_is_a_crop_of_the_unclipped_paste(x, y, width, height, cells, seed):
    grid = np.random.default_rng(seed).random((1, cells, cells))
    box = np.array([[x, y, x + width, y + height]])
    clipped = paste_masks(grid, box, (30, 20)).dense()[0]
    roomy = paste_masks(grid, box + 32, (30 + 96, 20 + 96)).dense()[0]
    assert np.count_nonzero(clipped != roomy[32 : 32 + 30, 32 : 32 + 20]) <= 1


def test_a_box_outside_or_without_area_gives_an_empty_mask():
    grid = np.ones((4, 3, 3))
    boxes = np.array([[-9, 0, -1, 5], [50, 0, 60, 5], [5, 5, 5, 9], [0, 30, 9, 40]], float)
    assert paste_masks(grid, boxes, (20, 20)).areas.tolist() == [0, 0, 0, 0]


def test_malformed_input_is_named():
    with pytest.raises(InvalidValue, match=r"boxes \(N, 4\), got \(1, 3, 3\) and \(2, 4\)"):
        paste_masks(np.ones((1, 3, 3)), np.zeros((2, 4)), (5, 5))

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskweave.errors import InvalidValue
from maskweave.ops.masks import shift_masks
from maskweave.ops.resize import halved_until
from maskweave.types import Masks
from tests.strategies import dense_masks


@given(dense_masks(), st.integers(-30, 30), st.integers(-30, 30))
def test_a_shifted_mask_is_the_shifted_image(dense, x, y):
    count, height, width = dense.shape
    expected = np.zeros_like(dense)
    for row, column in np.ndindex(height, width):
        if 0 <= row + y < height and 0 <= column + x < width:
            expected[:, row + y, column + x] = dense[:, row, column]
    offsets = np.tile(np.array([[x, y]]), (count, 1))
    assert shift_masks(Masks.from_dense(dense), offsets) == Masks.from_dense(expected)


def test_an_empty_mask_stays_where_it_is():
    empty = Masks.from_dense(np.zeros((1, 3, 3), dtype=bool))
    assert shift_masks(empty, np.array([[1, 1]])) == empty


def test_offsets_that_do_not_fit_are_refused():
    with pytest.raises(InvalidValue, match=r"need \(0, 2\) integers"):
        shift_masks(Masks.empty((4, 4)), np.zeros((1, 2), int))


@given(st.integers(1, 70), st.integers(1, 70))
def test_a_pixel_of_the_reduced_image_covers_whole_pixels(height, width):
    image = np.random.default_rng(0).integers(0, 255, (height, width, 3)).astype(np.uint8)
    reduced, factor = halved_until(image, 16)
    assert reduced.shape[:2] == (height // factor, width // factor)
    assert max(reduced.shape[:2]) <= 16 or min(reduced.shape[:2]) == 1
    rows, columns = reduced.shape[0] * factor, reduced.shape[1] * factor
    blocks = image[:rows, :columns].reshape(reduced.shape[0], factor, reduced.shape[1], factor, 3)
    assert np.abs(blocks.mean(axis=(1, 3)) - reduced).max() <= 3

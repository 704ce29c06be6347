import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from maskweave.ops import seams
from maskweave.ops.polygons import mask_to_polygons, rings_to_mask
from maskweave.ops.seams import joined_ring
from tests.strategies import bitmaps


@given(bitmaps.filter(np.any), st.sampled_from([4_000_000, 3]))
def test_one_ring_encloses_what_all_did(mask, most):
    before = seams._MAX_PAIRS
    seams._MAX_PAIRS = most
    try:
        ring = joined_ring([ring for each in mask_to_polygons(mask) for ring in each.rings])
    finally:
        seams._MAX_PAIRS = before
    np.testing.assert_array_equal(rings_to_mask([ring], mask.shape), mask)


def test_a_single_ring_stays_as_it_is():
    square = np.array([[0, 0], [4, 0], [4, 4], [0, 4]], float)
    assert joined_ring([square]).tolist() == square.tolist()

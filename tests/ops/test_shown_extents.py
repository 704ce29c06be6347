import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from maskweave.ops.paste import paste_canvas_masks, shown_extents


@given(
    st.integers(0, 9999),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from([(0, 0, 0, 0), (-3, 0, 7, 2), (-0.5, -8, 0.5, 1)]),
)
def test_pasting_within_shows_all_that_pasting_over_the_whole_image_shows(seed, cells, size, beyond):
    grids = np.random.default_rng(seed).normal(-1.5, 1, (3, *cells)).astype(np.float32)
    grids[0] = -1
    extent = tuple(np.add((0, 0, size[1], size[0]), beyond).tolist())
    whole = np.tile([0.0, 0, size[1], size[0]], (3, 1))
    boxes = shown_extents(grids, extent=extent)
    expected = paste_canvas_masks(grids, whole, extent=extent, size=size)
    assert paste_canvas_masks(grids, boxes, extent=extent, size=size) == expected
    assert not boxes[0].any()


def test_no_grids():
    assert shown_extents(np.zeros((0, 4, 5)), extent=(0, 0, 9, 9)).shape == (0, 4)

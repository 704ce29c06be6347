"""Hypothesis strategies for masks."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from maskweave.types import Masks

sizes = st.tuples(st.integers(1, 24), st.integers(1, 24))
bitmaps = arrays.arrays(np.bool_, sizes)


@st.composite
def dense_masks(draw, max_objects=4):
    """(N, H, W) bool, N from 0."""
    height, width = draw(sizes)
    count = draw(st.integers(0, max_objects))
    return draw(arrays.arrays(np.bool_, (count, height, width)))


@st.composite
def compact_masks(draw, max_objects=4):
    """The same as `Masks`."""
    return Masks.from_dense(draw(dense_masks(max_objects)))

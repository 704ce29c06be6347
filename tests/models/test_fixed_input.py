from hypothesis import given
from hypothesis import strategies as st

from maskweave.models.base import fixed_canvas
from maskweave.ops.letterbox import fit_inside

SIDES = st.integers(1, 5000)


@given(st.tuples(SIDES, SIDES), st.tuples(SIDES, SIDES))
def test_the_image_fits_and_fills_one_side(source, canvas):
    letterbox = fit_inside(source, canvas)
    assert letterbox.input_size == canvas
    assert letterbox.offset == (0, 0)
    assert all(1 <= side <= limit for side, limit in zip(letterbox.scaled_size, canvas, strict=True))
    assert any(side == limit for side, limit in zip(letterbox.scaled_size, canvas, strict=True))
    scales = [limit / side for side, limit in zip(source, canvas, strict=True)]
    for scaled, side in zip(letterbox.scaled_size, source, strict=True):
        assert abs(scaled - side * min(scales)) <= 1


def test_free_sizes_have_no_canvas():
    assert fixed_canvas("x", None, None) is None
    assert fixed_canvas("x", 64, 96) == (64, 96)

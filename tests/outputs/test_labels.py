import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from maskweave.outputs.labels import draw_label, draw_text, readable_on, text_coverage

places = st.tuples(st.integers(-30, 130), st.integers(-30, 130))
colors = st.tuples(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))


@given(places, colors, st.integers(6, 30), st.sampled_from(["person 0.91", "à", "7 dining table 1.00"]))
def test_a_label_is_a_plate_with_text_drawn_on_it(at, color, pixels, text):
    rng = np.random.default_rng(pixels)
    image = rng.integers(0, 256, (60, 110, 3), dtype=np.uint8)
    expected = image.copy()
    pad = max(1, pixels // 5)
    height, width = text_coverage(text, pixels).shape
    height, width = height + pad, width + 2 * pad
    x, y = max(0, min(at[0], 110 - width)), max(0, min(at[1] - height, 60 - height))
    expected[y : y + height, x : x + width] = color
    draw_text(expected, text, (x + pad, y + pad // 2), pixels=pixels, color=readable_on(color))
    draw_label(image, text, at, pixels=pixels, color=color)
    np.testing.assert_array_equal(image, expected)

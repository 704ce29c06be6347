import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskweave.ops.letterbox import Letterbox

edges = st.integers(1, 700)


@given(edges, edges, st.integers(1, 640), st.sampled_from([1, 32]), st.booleans(), st.booleans())
def test_boxes_survive_the_way_there_and_back(height, width, side, multiple, square, center):
    placement = Letterbox.long_side((height, width), side, multiple=multiple, square=square, center=center)
    box = np.array([[0.0, 0, width, height], [width * 0.25, height * 0.5, width * 0.75, height]])
    np.testing.assert_allclose(placement.to_source(placement.to_input(box)), box, atol=1e-6)
    inside = placement.to_input(box)
    assert inside.min() >= 0
    assert (inside[:, 2] <= placement.input_size[1] + 1e-6).all()
    assert placement.input_size[0] % multiple == 0
    assert max(placement.scaled_size) <= max(side, 1)


@given(st.integers(8, 64), st.integers(8, 64), st.integers(32, 96))
def test_a_rectangle_lands_where_its_box_says(height, width, side):
    image = np.zeros((height, width, 3), np.uint8)
    top, left, bottom, right = height // 4, width // 4, height // 4 + height // 2, width // 4 + width // 2
    image[top:bottom, left:right] = 255
    placement = Letterbox.long_side((height, width), side, multiple=32, center=True)
    laid = placement.apply(image, pad_value=114)
    assert laid.shape[:2] == placement.input_size
    x1, y1, x2, y2 = placement.to_input(np.array([[left, top, right, bottom]], float))[0]
    bright = laid[..., 0] > 127
    rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
    assert abs(rows[0] - y1) <= 1
    assert abs(rows[-1] + 1 - y2) <= 1
    assert abs(columns[0] - x1) <= 1
    assert abs(columns[-1] + 1 - x2) <= 1


@pytest.mark.parametrize(
    ("source", "scaled", "canvas"),
    [((480, 640), (800, 1067), (800, 1088)), ((1000, 100), (1333, 133), (1344, 160))],
)
def test_short_side_with_a_limit(source, scaled, canvas):
    placement = Letterbox.short_side(source, 800, max_side=1333, multiple=32)
    assert (placement.scaled_size, placement.input_size) == (scaled, canvas)


@pytest.mark.parametrize("size", [(480, 854), (1500, 2000), (481, 854), (960, 320), (300, 200)])
def test_shrinking_by_halves_first_gives_nearly_what_shrinking_at_once_gives(size):
    rng = np.random.default_rng(0)
    rough = rng.integers(0, 255, (size[0] // 30, size[1] // 30, 3), dtype=np.uint8)
    image = cv2.resize(rough, size[::-1], interpolation=cv2.INTER_CUBIC)
    placement = Letterbox.long_side(size, 160)
    at_once = cv2.resize(image, placement.scaled_size[::-1], interpolation=cv2.INTER_AREA)
    difference = placement.apply(image).astype(int) - at_once
    assert np.abs(difference).mean() < 1.5
    assert np.abs(difference).max() <= 10
    assert abs(difference.mean()) < 0.4  # halves are rounded up

"""Windows show the right part of an image, and guidance lies where it was given."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskweave.ops.guidance import (
    BOX,
    FILL,
    INSIDE,
    MASK,
    OUTSIDE,
    Window,
    crop_image,
    draw_guidance,
    error_middle,
    expected_iou,
    innermost,
)

SIDES = st.floats(20, 400)
PLACES = st.floats(-60, 200)


def gradient(height=120, width=160):
    """An image that tells where each pixel is: red is x, green is y."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns, rows, np.zeros_like(rows)], axis=2).astype(np.uint8)


@settings(max_examples=40, deadline=None)
@given(x=PLACES, y=PLACES, side=SIDES)
def test_a_crop_shows_what_lies_in_its_window(x, y, side):
    window = Window(x, y, side)
    crop = crop_image(gradient(), window, 64)
    for column, row in ((5, 9), (32, 32), (60, 50)):
        at_x, at_y = x + (column + 0.5) * side / 64, y + (row + 0.5) * side / 64
        blur = max(2.0, side / 64 + 1)
        if blur < at_x < 160 - blur and blur < at_y < 120 - blur:
            np.testing.assert_allclose(crop[row, column, :2], (at_x - 0.5, at_y - 0.5), atol=blur)


def test_a_window_as_large_as_the_crop_copies_pixels():
    image = gradient()
    np.testing.assert_array_equal(crop_image(image, Window(30, 20, 64), 64), image[20:84, 30:94])


def test_what_lies_beyond_the_image_is_gray():
    crop = crop_image(gradient(), Window(-200, -200, 100), 32)
    assert (crop == FILL).all()


def test_a_reduced_crop_is_an_average_and_no_sample():
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 200
    crop = crop_image(stripes, Window(0, 0, 256), 32)
    assert np.abs(crop.astype(int) - 100).max() < 12


@given(x=PLACES, y=PLACES, side=SIDES)
def test_places_and_pixels_agree(x, y, side):
    window = Window(x, y, side)
    np.testing.assert_allclose(
        window.place(np.array([[x, y], [x + side, y + side]]), 64), [[0, 0], [64, 64]], atol=1e-6
    )
    centers = window.matrix(64) @ [x + side / 2 - 0.5, y + side / 2 - 0.5, 1]
    np.testing.assert_allclose(centers, [31.5, 31.5], atol=1e-6)


@pytest.mark.parametrize("factor", [1.0, 2.5])
def test_a_window_round_a_box_is_square_and_about_its_middle(factor):
    window = Window.around((10, 20, 50, 40), factor)
    x1, y1, x2, y2 = window.extent
    assert x2 - x1 == pytest.approx(40 * factor)
    assert ((x1 + x2) / 2, (y1 + y2) / 2) == (30, 30)


def test_each_kind_of_guidance_has_its_map():
    old = np.zeros((32, 32), np.uint8)
    old[4:9, 5:11] = 90
    maps = draw_guidance(
        32, mask=old, box=(2.2, 3, 20.6, 90), clicks=[(10.5, 20.5, True), (25.5, 3.5, False)]
    )
    assert maps.shape == (32, 32, 4)
    np.testing.assert_array_equal(maps[..., MASK], old)
    assert cv2.boundingRect(maps[..., BOX]) == (2, 3, 19, 29)
    assert innermost(maps[..., INSIDE] > 0)[:2] == (10.5, 20.5)
    assert maps[3, 25, OUTSIDE] == 255
    assert not draw_guidance(32).any()


def test_a_box_thinner_than_a_pixel_still_shows():
    assert draw_guidance(32, box=(10.1, 5, 10.2, 5.1))[..., BOX].sum() == 255


def test_the_innermost_pixel_is_farthest_from_every_border():
    region = np.zeros((20, 30), bool)
    region[2:13, 4:15] = True
    region[5, 15:29] = True
    assert innermost(region)[:2] == (9.5, 7.5)


def test_the_image_edge_is_a_border_too():
    x, y, depth = innermost(np.ones((9, 9), bool))
    assert (x, y) == (4.5, 4.5)
    assert depth == pytest.approx(5, abs=0.3)


def test_the_middle_of_the_largest_error():
    truth = np.zeros((40, 40), bool)
    truth[5:25, 5:25] = True
    answer = truth.copy()
    answer[5:14, 5:14] = False
    answer[30:33, 30:33] = True
    assert error_middle(answer, truth) == (9.5, 9.5)
    assert error_middle(truth, truth) is None


def test_a_sure_answer_expects_to_be_right():
    mask = np.zeros((8, 8), bool)
    mask[2:6, 2:6] = True
    assert expected_iou(mask.astype(float), mask) == 1
    assert expected_iou(np.full((8, 8), 0.5), mask) == pytest.approx(8 / 40)
    assert expected_iou(np.zeros((8, 8)), np.zeros((8, 8), bool)) == 0
